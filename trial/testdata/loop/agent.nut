// The agent goes on with a job that a restart has interrupted, and crashes at what it has no more: again and again.

saved <- server.load();
local done = null;      // called when the job is done; not saved, because a function cannot be

function work() {
    http.get(http.agenturl() + "/work").sendasync(function(r) {
        delete saved.job;
        server.save(saved);
        done(r.statuscode);
    });
}

http.onrequest(function(request, response) {
    if (request.path == "/work") return imp.wakeup(2, @() response.send(200, "worked"));
    if ("job" in saved) return response.send(409, "there is a job");
    saved.job <- time();
    server.save(saved);
    done = @(status) response.send(status, "done");
    work();
});

function check() {
    if (!("job" in saved)) return;
    if (done == null) throw "a job that nothing waits for";
}

if ("job" in saved) imp.wakeup(1, check);
