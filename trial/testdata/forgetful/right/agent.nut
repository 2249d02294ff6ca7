saved <- server.load();
if (!("count" in saved)) saved.count <- 0;

device.on("event", function(_) {
    saved.count++;
    while (server.save(saved) != 0) imp.sleep(1);
});
