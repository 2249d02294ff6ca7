// Runs in virtual time and for real.
class RealTest extends ImpTestCase {

    function open() {
        world.board.pin1 = 1;
        world.time.skip(0.05);
        world.board.pin1 = 0;
        world.time.skip(0.05);
    }

    function testCounts() {
        local before = world.http.request("GET", "/").body.tointeger();
        open();
        open();
        assertTrue(world.time.until(@() agent.saved.count == before + 2, 200));
        assertEqual((before + 2).tostring(), world.http.request("GET", "/").body);
    }

    function testFaults() {
        foreach (what in [
            @() world.host.lose(), @() world.agent.move(), @() world.link.cut(0.1), @() world.device.powercycle(),
            @() world.link.reset(), @() world.code.deploy(), @() world.agent.restart("migrating"), @() world.device.restart(),
            @() world.device.clock(100), @() world.link.latency(0.01)
        ]) {
            what();
            world.time.skip(0.2);
            assertTrue(world.time.until(@() world.link.up() && device.opened >= 0 && agent.saved.count >= 0, 200));
            local before = agent.saved.count;
            assertTrue(world.time.until(function() {
                open();
                return agent.saved.count > before;
            }.bindenv(this), 200));
        }
        assertTrue(agent.starts >= 4); // it was lost, deployed and restarted, and has moved without a start
    }

    function testOutside() {
        world.http.serve("https://api.example.com", @(q) { status = 201, body = q.query });
        assertEqual("201 y=1", world.http.request("GET", "/out").body);
        world.http.serve("https://api.example.com", null);
    }

    function testPower() {
        world.device.off();
        world.time.skip(0.1);
        assertEqual(false, world.link.up());
        world.device.on();
        assertTrue(world.time.until(@() world.link.up() && device.opened == 0, 200));
    }

    function testLog() {
        open();
        assertTrue(world.time.until(@() world.log.filter(@(i, l) l.text == "opened").len() > 0, 200));
    }
}
