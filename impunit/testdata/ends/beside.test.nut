class Beside extends ImpTestCase {
    function test1Loops() { while (true) {} }
    function test2Waits() { while (true) world.time.skip("1 year"); }
    function test3Passes() { assertEqual("here", world.http.request("GET", "/").body); }
}
