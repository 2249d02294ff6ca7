// The agent takes a reading for an old one by the clock of the device, which may be set back.

newest <- 0;
last <- 0;

device.on("reading", function(r) {
    if (r.time <= newest) return;      // an old one, on its way for long
    newest = r.time;
    last = r.n;
});
