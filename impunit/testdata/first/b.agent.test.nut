class B extends ImpTestCase {
    function testPromise() {
        return Promise(function(ok, no) { imp.wakeup(3600, function() { ok(7); }); });
    }
    function testReject() { return Promise(function(ok, no) { imp.wakeup(1, function() { no("bad"); }); }); }
    function testHttp() {
        local me = this;
        return world.http.request("GET", "/state").then(function(r) { me.assertEqual(200, r.status); me.assertEqual(1, 2); });
    }
    function testForever() { while (true) {} }
    function testNever() { return Promise(function(ok, no) {}); }
    function testRestart() { world.agent.restart(); return Promise(function(ok, no) {}); }
    function testServe() {
        world.http.serve("http://x.example/a", @(r) { body = { n = 1 } });
        local me = this;
        return Promise(function(ok, no) {
            http.get("http://x.example/a?b=1").sendasync(function(r) { try { me.assertEqual("{\"n\":1}", r.body); ok(r.statuscode); } catch (e) { no(e); } });
        });
    }
}
