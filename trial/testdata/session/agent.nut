// The device keeps a session that an agent forgets when it restarts. The agent has the device restart when it starts
// and the device is there: if it is not there just then, both stay out of step.

session <- null;

device.on("login", function(_) {
    session = { since = time() };
    device.send("welcome", null);
});

device.on("reading", function(r) {
    if (session == null) return server.error("a reading without a session");
    device.send("ok", r.n);
});

if (device.isconnected()) device.send("restart", null);
