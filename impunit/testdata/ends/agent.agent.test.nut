// Tests that do not end by themselves. Those after them run all the same.
class Ends extends ImpTestCase {
    function test1Loops() { while (true) {} }
    function test2Passes() { assertTrue(true); }
    function test3Never() { return Promise(function(ok, no) {}); }
    function test4Restarts() { server.restart(); }
    function test5RestartedFromOutside() { world.host.lose(); return Promise(function(ok, no) {}); }
    function test6Memory() { local all = []; while (true) all.append(blob(1000)); }
    function test7ThrowsLater() { imp.wakeup(1, function() { throw "later"; }); return Promise(function(ok, no) {}); }
    function test8Passes() { return world.http.request("GET", "/").then(@(r) r.body); }
    function test9Busy() { local f; f = function() { imp.wakeup(0, f); }; f(); return Promise(function(ok, no) {}); }
}
