server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

on <- false;
local off = null;

// The device knows itself how long: no message is needed for the lamp to go out.
agent.on("lamp", function(seconds) {
    if (off != null) imp.cancelwakeup(off);
    off = null;
    on = seconds > 0;
    if (on) off = imp.wakeup(seconds < 30 ? seconds : 30, function() { off = null; on = false; });
});
