class C extends ImpTestCase {
    function testBoard() {
        hardware.pin1.configure(DIGITAL_IN);
        world.board.pin1 = 1;
        local me = this;
        return world.time.skip(1).then(function(_) { me.assertEqual(1, hardware.pin1.read()); });
    }
    function testDeep() { assertDeepEqual({ a = [1, 2] }, { a = [1, 3] }); }
}
