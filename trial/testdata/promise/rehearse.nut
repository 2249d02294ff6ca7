every(20, "GET", "/value");
eventually(60, "no request waits for ever", @() agent.open == 0);
