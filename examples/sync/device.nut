// In step, the device's half: see agent.nut for the rules.

server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

settings <- { version = 0, period = 1, label = "" };   // version 0: never told
count <- 0;                                            // what this device does all day

function report() {
    agent.send("report", { version = settings.version, label = settings.label, count = count });
}

agent.on("settings", function(s) {
    if (s.version != settings.version) server.log(format("Settings %d: %s, every %d s", s.version, s.label, s.period));
    settings = s;
    report();
});

agent.on("report?", function(_) { report(); });

if ("tandem" in getroottable()) {
    tandem.onpeerstart(function(reason, incarnation) {
        server.log(format("The agent has started (%s), incarnation %d", reason, incarnation));
        report();
    });
}

function work() {
    imp.wakeup(settings.period, work);
    count++;
    if (count % 5 == 0) report();      // also what heals a lost message
}

report();
work();
