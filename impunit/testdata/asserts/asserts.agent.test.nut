// Each assertion, as it holds and as it fails.
class Hold extends ImpTestCase {
    function test() {
        assertTrue(1);
        assertEqual("a", "a");
        assertDeepEqual({ a = [1, { b = null }], c = 1.5 }, { a = [1, { b = null }], c = 1.5 });
        assertGreater(2, 1);
        assertLess(1, 2);
        assertClose(10, 10.4, 0.5);
        assertBetween(2, 1, 3);
        assertBetween(2, 3, 1);
        local e = assertThrowsError(function(x) { throw "no " + x; }, this, [3]);
        assertEqual("no 3", e);
        local a = blob(2);
        local b = blob(2);
        assertDeepEqual(a, b);
        return { text = "result", list = [1, null, true] };
    }
}

class Fail extends ImpTestCase {
    function testTrue() { assertTrue(0); }
    function testEqual() { local wanted = "x"; assertEqual(wanted, null); }
    function testDeepValue() { assertDeepEqual({ a = { b = [1, 2] } }, { a = { b = [1, 3] } }); }
    function testDeepMissing() { assertDeepEqual({ a = 1, b = 2 }, { a = 1 }); }
    function testDeepMore() { assertDeepEqual([1], [1, 2]); }
    function testDeepType() { assertDeepEqual({ a = "1" }, { a = 1 }); }
    function testDeepBlob() { local a = blob(1); local b = blob(1); a[0] = 1; assertDeepEqual(a, b); }
    function testDeepCycle() { local a = {}; a.a <- a; local b = {}; b.a <- b; assertDeepEqual(a, b); }
    function testGreater() { assertGreater(1, 1); }
    function testLess() { assertLess(1, 1); }
    function testClose() { assertClose(9, 10, 0.5); }
    function testBetween() { assertBetween(10, 11, 12); }
    function testThrows() { assertThrowsError(function() {}, this); }
    function testMessage() { assertEqual(1, 2, "one is not two"); }
    function testThrown() { local t = {}; return t.missing; }
    function testThrownByCode() { inner(null); }
    function inner(x) { x.y(); }
    function testRejected() { return Promise(function(ok, no) { imp.wakeup(1, function() { no("rejected"); }); }); }
    function testThrownInPromise() {
        local test = this;
        return Promise(function(ok, no) { ok(1); }).then(function(v) { test.assertEqual(2, v); });
    }
}

class Order extends ImpTestCase {
    seen = null;
    function setUp() { seen = ["setUp"]; return Promise.resolve(1); }
    function testB() { seen.append("b"); }
    function testA() { seen.append("a"); info(seen); }
    function tearDown() { info(seen); throw "tearDown can fail"; }
}

class Promises extends ImpTestCase {
    function testAll() {
        local test = this;
        return Promise.all([Promise.resolve(1), @() 2, 3]).then(function(v) { test.assertDeepEqual([1, 2, 3], v); return v; });
    }
    function testRace() {
        local later = Promise(function(ok, no) { imp.wakeup(3600, function() { ok("late"); }); });
        return Promise.race([later, Promise.resolve("early")]);
    }
    function testSerial() {
        local seen = [];
        return Promise.serial([@() seen.append(1), @() Promise.resolve(2), @() seen.append(3)]).then(@(_) seen);
    }
    function testFail() { return Promise.reject("bad").fail(@(e) "mended " + e); }
    function testFinally() { return Promise.reject("bad").finally(@(e) "over"); }
    function testLong() { return Promise(function(ok, no) { imp.wakeup(86000, function() { ok("a day"); }); }); }
}
