// The agent does not look whether its save was refused, and answers 200.

saved <- server.load();
if (!("valve" in saved)) saved.valve <- "shut";

http.onrequest(function(request, response) {
    saved.valve = request.body;
    server.save(saved);
    response.send(200, "done");
});
