server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

queue <- [];
n <- 0;

function flush() {
    if (queue.len() == 0 || agent.send("readings", queue) != 0) return;
    queue = [];
}

function measure() {
    imp.wakeup(4, measure);
    n++;
    if (agent.send("reading", { n = n }) != 0) queue.append({ n = n });
    else flush();
}
measure();
