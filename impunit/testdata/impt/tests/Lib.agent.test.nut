#require "promise.class.nut:4.0.0"
@include __PATH__+"/../part.nut"
class LibTest extends ImpTestCase {
    function testPlace() { this.assertEqual("here", Lib().place()); this.assertEqual(3, part()); }
    function testSlow() { imp.sleep(4); }
    function testTooSlow() { return Promise(function(ok, no) { imp.wakeup(5, @() ok(1)); }); }
    function testCommand() { this.runCommand("ls"); }
}
