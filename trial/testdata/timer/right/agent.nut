saved <- server.load();
if (!("until" in saved)) saved.until <- 0;

function tell() { device.send("lamp", saved.until - time()); }

http.onrequest(function(request, response) {
    saved.until = time() + 30;
    if (server.save(saved) != 0) return response.send(503, "try again");
    tell();
    response.send(200, "on");
});
device.onconnect(tell);
