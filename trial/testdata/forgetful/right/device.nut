server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

function event() {
    imp.wakeup(7, event);
    tandem.post("event", null);
}
event();
