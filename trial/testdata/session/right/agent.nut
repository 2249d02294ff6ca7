session <- null;

device.on("login", function(_) {
    session = { since = time() };
    device.send("welcome", null);
});

device.on("reading", function(r) {
    if (session == null) return device.send("who", null);
    device.send("ok", r.n);
});
