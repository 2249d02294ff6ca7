// A test that is part of the device.
class OnDevice extends ImpTestCase {
    function testSees() { assertEqual(1, starts); }
    function testWaits() {
        local test = this;
        world.board.pin1 = 1;
        return world.time.skip("1 hour").then(function(_) { test.assertEqual(1, hardware.pin1.read()); });
    }
    function testAsksTheAgent() {
        local test = this;
        return world.http.request("GET", "/nothing").then(function(r) { test.assertEqual(404, r.status); return r.status; });
    }
    function testSurvivesTheAgent() {
        local test = this;
        world.agent.restart();
        world.link.cut(8);
        return world.time.skip(60).then(function(_) { test.assertTrue(server.isconnected()); });
    }
    function testServes() {
        local test = this;
        world.http.serve("https://weather.example/now", @(q) "from the device");
        return world.http.request("GET", "/fetch").then(function(r) { test.assertEqual("200 from the device", r.body); });
    }
    function testPartner() {
        return Promise(function(ok, no) {
            agent.on("pong", function(x) { ok(x); });
            agent.send("ping", 3);
        });
    }
}
