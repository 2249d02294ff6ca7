// The agent counts, and saves the count at each tenth event: what came since is lost with a restart.

saved <- server.load();
if (!("count" in saved)) saved.count <- 0;

device.on("event", function(_) {
    saved.count++;
    if (saved.count % 10 == 0) server.save(saved);
});
