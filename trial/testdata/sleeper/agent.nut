// The device sleeps between its readings, and forgets them before it knows that they have arrived.

saved <- server.load();
if (!("newest" in saved)) saved.newest <- 0;
missed <- 0;

device.on("readings", function(all) {
    foreach (r in all) {
        if (r > saved.newest + 1) missed += r - saved.newest - 1;
        if (r > saved.newest) saved.newest = r;
    }
    while (server.save(saved) != 0) imp.sleep(1);
    device.send("ok", saved.newest);
});
