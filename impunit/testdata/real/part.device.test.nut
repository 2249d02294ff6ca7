class PartTest extends ImpTestCase {
    function testVariables() { assertEqual("integer", typeof opened); }

    function testSkips() {
        world.link.cut(0.05);
        return world.time.skip(0.1);
    }
}
