server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

function event() {
    imp.wakeup(7, event);
    agent.send("event", null);
}
event();
