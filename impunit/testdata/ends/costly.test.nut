// The agent uses all the time that an event may take, again and again.
class Costly extends ImpTestCase {
    function test() {
        world.http.request("GET", "/spin");
        world.time.skip("3 weeks");
    }
}
