// What a test can do to its world, each once.
class World extends ImpTestCase {
    function logged(text) {
        foreach (line in world.log) if (line.text.find(text) != null) return true;
        return false;
    }

    function testBoard() {
        world.board.pin1 = 1;
        world.time.skip(1);
        assertEqual(1, agent.got.top());
        world.board.pin1 = null;
        world.time.skip(1);
        assertEqual(0, agent.got.top());
        world.board.command("i2c89 0x90 00 = 1a");
        world.time.skip(2);
        assertEqual(0x1a, device.temperature);
        assertEqual(202, world.http.request("POST", "/lamp", "1").status);
        world.time.skip(1);
        assertEqual(1.0, world.board.pin2);
    }

    function testRequests() {
        local r = world.http.request("put", "/echo?a=b", { x = 1 }, { ["X-Mine"] = "yes" });
        assertEqual("PUT /echo b {\"x\":1} yes", r.body);
        assertEqual("PUT", r.headers["x-echo"]);
        local before = agent.requests; // local to the agent's file
        assertEqual(404, world.http.request("GET").status);
        assertEqual(before + 1, agent.requests);
    }

    function testServes() {
        assertEqual("7 ", world.http.request("GET", "/fetch").body);
        world.http.serve("https://weather.example/", "sun");
        assertEqual("200 sun", world.http.request("GET", "/fetch").body);
        world.http.serve("https://weather.example/now", @(q) { status = 201, body = { q = q.query, m = q.method } });
        assertEqual("201 {\"q\":\"x=1\",\"m\":\"GET\"}", world.http.request("GET", "/fetch").body);
        world.http.serve("https://weather.example/now", 503);
        assertEqual("503 ", world.http.request("GET", "/fetch").body);
        world.http.serve("https://weather.example/now", function(q) { throw "broken"; });
        assertEqual("500 broken", world.http.request("GET", "/fetch").body);
        world.http.silence("20 minutes");
        local began = world.time.now();
        assertEqual(504, world.http.request("GET", "/fetch").status); // the agent waits for longer than its caller
        assertGreater(world.time.now() - began, 60);
        world.time.skip("20 minutes");
        world.http.serve("https://weather.example/now", null);
        assertEqual("200 sun", world.http.request("GET", "/fetch").body);
    }

    function testLink() {
        world.board.pin1 = 1;
        world.board.pin1 = 0;
        world.time.skip(1);
        assertTrue(world.link.up());
        world.link.cut();
        world.board.pin1 = 1;
        world.time.skip("2 minutes");
        assertTrue(!world.link.up());
        assertTrue(agent.got.top() == 0);
        assertTrue(logged("Device disconnected"));
        world.link.mend();
        assertTrue(world.time.until(@() agent.got.top() == 1, "2 minutes"));
        world.link.latency("2 seconds");
        world.board.pin1 = 0;
        world.time.skip(1.9);
        assertEqual(1, agent.got.top());
        world.time.skip(1);
        assertEqual(0, agent.got.top());
        world.link.latency(0.01);
        world.link.loss(0.9);
        for (local i = 0; i < 5; i++) { world.board.pin1 = 1 - i % 2; world.time.skip(1); }
        world.link.mend();
        assertTrue(world.time.until(@() agent.got.top() == 1, "10 minutes"));
        world.link.reset();
        assertTrue(!world.link.up());
        assertTrue(world.time.until(@() world.link.up()));
    }

    function testDevice() {
        world.device.off();
        assertEqual("the device does not run", assertThrowsError(@() device.starts, this));
        world.time.skip("1 hour");
        world.device.on();
        assertTrue(world.time.until(@() device.reason == 0));
        world.device.restart();
        world.time.skip(5);
        assertTrue(device.reason != 0);
        world.device.powercycle(10);
        assertTrue(world.time.until(@() device.reason == 0));
        world.device.clock(3600);
        world.device.clock(0);
    }

    function testAgent() {
        foreach (reason in ["restart", "reload", "migrating"]) {
            world.agent.restart(reason);
            world.time.skip(5);
            assertTrue(logged("Agent restarted: " + reason + "."));
            assertEqual(0, agent.got.len());
        }
        world.board.pin1 = 1;
        world.time.skip(1);
        world.agent.move();
        world.time.skip(1);
        assertTrue(logged("Agent moved: balance."));
        assertEqual(1, agent.got.len()); // its memory has moved with it
        world.board.pin1 = 0;
        world.time.skip(1);
        assertEqual(2, agent.got.len()); // and so has its link
        world.code.deploy();
        world.time.skip(5);
        assertEqual(0, agent.got.len());
        world.agent.clock(-60);
        world.agent.clock(0);
    }

    function testHost() {
        assertEqual("0", world.http.request("GET", "/save").body);
        world.store.refuse();
        assertEqual("1", world.http.request("GET", "/save").body == "0" ? "0" : "1");
        world.host.lose(3);
        assertEqual(502, world.http.request("GET", "/save").status);
        world.time.skip("1 minute");
        assertTrue(logged("Agent restarted: host_lost."));
        assertEqual(1, agent.saved.n);
    }

    function testMistakes() {
        local thrown = @(f) assertThrowsError(f, this);
        info(thrown(@() world.link.loss(2)));
        info(thrown(@() world.link.cut("soon")));
        info(thrown(@() world.agent.restart("boredom")));
        info(thrown(@() world.agent.restart("host_lost")));
        info(thrown(@() world.board.command("pin1")));
        info(thrown(@() world.http.serve("weather", 1)));
        info(thrown(@() world.http.request("GET", "x")));
        info(thrown(@() world.weather));
        info(thrown(@() agent.nothing));
        info(thrown(@() world.time.skip({})));
    }
}
