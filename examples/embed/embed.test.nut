// The pair of the example, on a simulated board: tandem test examples/embed

class EmbedTest extends ImpTestCase {

    function page() { return world.http.request("GET", "/").body; }

    function testTemperatureIsShown() {
        world.board.pin1 = 0.25;
        world.time.skip(30);
        assertEqual("25.0 °C\n", page());
    }

    // tandem.post keeps what was measured while the link was away.
    function testWhatWasMeasuredOfflineArrives() {
        world.board.pin1 = 0.25;
        world.time.skip(30);
        world.link.cut("10 minutes");
        world.board.pin1 = 0.5;
        world.time.skip("5 minutes");
        assertEqual("25.0 °C\n", page());
        world.time.skip("10 minutes");
        assertEqual("50.0 °C\n", page());
    }

    function testTheButtonSwitchesTheLight() {
        foreach (level in [1, 0, 1]) {
            world.board.pin5 = level;
            world.time.skip(1);
            assertEqual(level, world.board.pin2.tointeger());
        }
    }
}
