server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

n <- 0;
function measure() {
    imp.wakeup(5, measure);
    agent.send("reading", { n = ++n, time = time() });
}
measure();
