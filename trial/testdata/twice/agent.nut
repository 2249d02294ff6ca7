// The device sends again what was not answered in time, and the agent counts it again.

saved <- server.load();
if (!("count" in saved)) saved.count <- 0;

device.on("event", function(e) {
    saved.count++;
    server.save(saved);
    device.send("ok", e.n);
});
