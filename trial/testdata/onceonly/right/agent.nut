saved <- server.load();
if (!("target" in saved)) saved.target <- 20;

device.on("hello", function(_) { device.send("target", saved.target); });

http.onrequest(function(request, response) {
    local before = saved.target;
    saved.target = request.body.tointeger();
    if (server.save(saved) != 0) {
        saved.target = before;
        return response.send(503, "not saved");
    }
    device.send("target", saved.target);
    response.send(200, "done");
});
