// What only virtual time can do.
class VirtualTest extends ImpTestCase {
    function testClock() { world.agent.clock(100); }
    function testCut() { world.link.cut("1 hour"); }
    function testLose() { world.host.lose("1 minute"); }
    function testRefuse() { world.store.refuse(1); }
    function testSkip() { world.time.skip("1 hour"); }
}
