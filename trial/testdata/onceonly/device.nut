server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

target <- null;
agent.on("target", function(t) { target = t; });
agent.send("hello", null);
