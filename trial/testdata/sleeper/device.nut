server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

if (!("nv" in getroottable())) nv <- { n = 0, readings = [] };

nv.n++;
nv.readings.append(nv.n);

function sleep() { imp.onidle(function() { server.sleepfor(5); }); }

if (nv.readings.len() >= 3) {
    server.connect(function(_) {
        agent.send("readings", nv.readings);
        nv.readings = [];
        imp.wakeup(2, sleep);
    }, 20);
} else sleep();
