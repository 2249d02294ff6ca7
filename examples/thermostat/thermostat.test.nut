// The thermostat as its users see it, beside the pair: tandem test examples/thermostat

class ThermostatTest extends ImpTestCase {

    function setTarget(celsius) {
        local r = world.http.request("POST", "/target", { target = celsius });
        assertEqual(200, r.status);
    }

    function state() { return http.jsondecode(world.http.request("GET", "/state").body); }

    // In step: what the page shows is what the device heats for.
    function agree(span = "1 minute") {
        assertTrue(world.time.until(@() device.target == agent.saved.target, span), "the device has another target");
    }

    function testDeviceHearsTheTarget() {
        setTarget(23);
        agree();
        assertEqual(23.0, device.target);
    }

    function testRoomGetsWarm() {
        setTarget(22);
        world.time.skip("10 minutes");
        assertClose(22, state().temperature, 1.5);
        assertTrue(state().heatedMinutes > 0);
    }

    function testMistakesAreRefused() {
        local before = agent.saved.target;
        foreach (body in ["", "{}", "{\"target\": \"warm\"}", "{\"target\": 99}"]) {
            assertEqual(400, world.http.request("POST", "/target", body).status);
        }
        assertEqual(before, agent.saved.target);
        assertEqual(404, world.http.request("GET", "/nothing").status);
    }

    function testKeepsHeatingWithoutTheNetwork() {
        setTarget(21);
        agree();
        world.link.cut("1 hour");
        world.time.skip("50 minutes");
        assertClose(21, device.room, 1.5);
        assertOffline();
        world.time.skip("30 minutes");
        agree();
        assertTrue(state().online);
    }

    function assertOffline() { assertEqual(false, state().online); }

    function testTargetSetDuringACutArrives() {
        world.link.cut("2 minutes");
        setTarget(19);
        world.time.skip("5 minutes");
        agree();
        assertEqual(19.0, device.target);
    }

    function testRestartsLeaveBothInStep() {
        setTarget(24);
        world.agent.restart();
        world.time.skip("10 seconds");
        agree();
        world.device.powercycle();
        world.time.skip("10 seconds");
        agree();
        world.agent.move();
        world.time.skip("10 seconds");
        agree();
        world.host.lose();
        world.time.skip("10 seconds");
        agree();
        assertEqual(24.0, device.target);
    }

    function testNothingIsCountedTwice() {
        setTarget(30);
        world.time.skip("20 minutes");
        world.link.reset();
        world.time.skip("20 minutes");
        world.host.lose();
        world.time.skip("20 minutes");
        // What the device has told and not yet told is all that was heated.
        local told = agent.saved.heated;
        world.time.skip("1 minute");
        assertTrue(agent.saved.heated >= told && agent.saved.heated <= told + 60);
    }

    function testWorriesAboutASilentDevice() {
        world.time.skip("10 seconds");
        world.device.off();
        world.time.skip("1 minute");
        assertTrue(agent.worried);
        world.device.on();
        world.time.skip("1 minute");
        assertEqual(false, agent.worried);
    }
}
