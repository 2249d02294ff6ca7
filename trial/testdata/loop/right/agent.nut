saved <- server.load();
local done = null;

function finish(status) {
    if (done != null) done(status);
    done = null;
    if ("job" in saved) delete saved.job;
    if (server.save(saved) != 0) imp.wakeup(5, @() finish(0));
}

function work() {
    http.get(http.agenturl() + "/work").sendasync(@(r) finish(r.statuscode), null, 20);
}

http.onrequest(function(request, response) {
    if (request.path == "/work") return imp.wakeup(2, @() response.send(200, "worked"));
    if ("job" in saved) return response.send(409, "there is a job");
    saved.job <- time();
    done = @(status) response.send(status, "done");
    if (server.save(saved) != 0) return finish(503);
    work();
});

if ("job" in saved) work();
