// The agent with a device that is any MQTT client. curl.device.nut stands for it: tandem test examples/curl-device

class CurlTest extends ImpTestCase {

    // Has the device publish something on agent/reading.
    function publish(reading) {
        device.send("publish", reading);
        return world.time.skip(1);
    }

    function testAReadingIsKept() {
        local test = this;
        return publish({ celsius = 21.5 }).then(function(_) {
            return world.http.request("GET", "/");
        }).then(function(answer) {
            test.assertEqual(21.5, http.jsondecode(answer.body).reading.celsius);
            test.assertEqual(21.5, server.load().reading.celsius); // and outlives a restart
        });
    }

    function testNonsenseIsNoReading() {
        local test = this;
        return publish({ celsius = "warm" }).then(@(_) test.publish(null)).then(@(_) test.publish([1])).then(function(_) {
            test.assertEqual(21.5, last.reading.celsius);
        });
    }

    function testTheLightIsSwitched() {
        local test = this;
        local lit = null;
        device.on("lit", function(on) { lit = on; });
        return world.http.request("POST", "/led", "on").then(function(answer) {
            test.assertEqual(202, answer.status);
            return world.time.skip(1);
        }).then(function(_) {
            test.assertEqual(true, lit);
            return world.http.request("POST", "/led", "perhaps");
        }).then(function(answer) { test.assertEqual(400, answer.status); });
    }

    function testZNoDevice() {
        local test = this;
        world.device.off();
        return world.time.skip("90 seconds").then(function(_) {
            return world.http.request("POST", "/led", "off");
        }).then(function(answer) { test.assertEqual(503, answer.status); });
    }
}
