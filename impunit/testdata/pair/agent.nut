got <- [];
local requests = 0;
saved <- server.load();
device.on("level", function(x) { got.append(x); });
device.onconnect(function() { server.log("hello"); });
http.onrequest(function(q, r) {
    requests++;
    switch (q.path) {
    case "/fetch":
        http.get("https://weather.example/now?x=1", {}).sendasync(function(a) { r.send(200, a.statuscode + " " + a.body); });
        return;
    case "/save":
        saved.n <- 1;
        r.send(200, server.save(saved).tostring());
        return;
    case "/lamp":
        device.send("lamp", q.body.tointeger());
        r.send(202, "");
        return;
    case "/echo":
        r.header("X-Echo", q.method);
        r.send(200, q.method + " " + q.path + " " + ("a" in q.query ? q.query.a : "") + " " + q.body + " " + q.headers["x-mine"]);
        return;
    }
    r.send(404, "");
});
