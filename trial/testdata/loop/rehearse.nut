every(30, "POST", "/job");
eventually(100, "no job is left behind", @() !("job" in agent.saved));
