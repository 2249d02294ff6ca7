server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

agent.on("value?", function(_) { imp.wakeup(0.5, @() agent.send("value", 21)); });
