saved <- server.load();
if (!("count" in saved)) saved = { count = 0, last = 0 };

device.on("event", function(e) {
    if (e.n > saved.last) {
        saved.count++;
        saved.last = e.n;
        if (server.save(saved) != 0) return;      // it is sent again
    }
    device.send("ok", e.n);
});
