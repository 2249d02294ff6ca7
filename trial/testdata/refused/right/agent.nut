saved <- server.load();
if (!("valve" in saved)) saved.valve <- "shut";

http.onrequest(function(request, response) {
    local before = saved.valve;
    saved.valve = request.body;
    if (server.save(saved) == 0) return response.send(200, "done");
    saved.valve = before;
    response.send(503, "not saved");
});
