class First extends ImpTestCase {
    function setUp() { world.time.skip(5); }
    function testTarget() {
        local r = world.http.request("POST", "/target", { target = 25 });
        assertEqual(200, r.status);
        assertTrue(world.time.until(@() device.target == 25.0, 10));
        world.device.powercycle();
        assertTrue(world.time.until(@() device.target == 25.0, 10));
    }
    function testFails() { local x = 3; assertEqual(4, x); }
    function testLong() { world.time.skip("3 weeks"); }
    function testCrash() { local a = {}; return a.b; }
}
