saved <- server.load();
if (!("count" in saved)) saved.count <- 0;
starts <- "starts" in saved ? ++saved.starts : (saved.starts <- 1);
server.save(saved);
device.on("opened", function(_) {
    saved.count++;
    server.save(saved);
});
http.onrequest(function(q, r) {
    if (q.path == "/out") {
        http.get("https://api.example.com/x?y=1").sendasync(@(x) r.send(200, x.statuscode + " " + x.body));
    } else {
        r.send(200, saved.count.tostring());
    }
});
