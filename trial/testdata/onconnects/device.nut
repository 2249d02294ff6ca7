server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

agent.on("poll", function(_) { agent.send("value", 21); });
