server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

queue <- [];
n <- 0;

server.onunexpecteddisconnect(function(_) {
    server.connect(function(reason) {
        if (reason != SERVER_CONNECTED) return;
        agent.send("readings", queue);
        queue = [];
    }, 30);
});

function measure() {
    imp.wakeup(4, measure);
    n++;
    if (agent.send("reading", { n = n }) != 0) queue.append({ n = n });
}
measure();
