server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

on <- false;
agent.on("lamp", function(x) { on = x; });
