server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

loggedIn <- false;
n <- 0;
acked <- 0;

agent.on("welcome", function(_) { loggedIn = true; });
agent.on("ok", function(n) { acked = n; });
agent.on("restart", function(_) { server.restart(); });

function login() {
    if (loggedIn) return;
    agent.send("login", null);
    imp.wakeup(10, login);
}

function measure() {
    imp.wakeup(5, measure);
    if (loggedIn) agent.send("reading", { n = ++n });
}

login();
measure();
