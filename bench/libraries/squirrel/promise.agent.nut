// Timers in chains, in parallel and in races.

class PromiseWork extends ImpTestCase {
	function after(seconds, value) {
		return Promise(function(resolve, reject) { imp.wakeup(seconds, @() resolve(value)); });
	}

	function testChain() {
		local order = [];
		return after(0.1, 1)
			.then(function(x) { order.append(x); return after(0.1, x + 1); }.bindenv(this))
			.then(function(x) { order.append(x); throw "stop"; })
			.then(@(_) order.append("never"))
			.fail(function(e) { order.append(e); return "go on"; })
			.then(function(x) { order.append(x); assertDeepEqual([1, 2, "stop", "go on"], order); }.bindenv(this));
	}

	function testAll() {
		return Promise.all([after(0.3, "a"), after(0.1, "b"), after(0.2, "c")])
			.then(function(list) { assertDeepEqual(["a", "b", "c"], list); }.bindenv(this));
	}

	function testRace() {
		return Promise.race([after(0.5, "slow"), after(0.1, "fast")])
			.then(function(x) { assertEqual("fast", x); }.bindenv(this));
	}

	function testSerialAndLoop() {
		local log = [], i = 0;
		local first = @() after(0.1, 1), second = @() after(0.1, 2);
		return Promise.serial([first.bindenv(this), second.bindenv(this)])
			.then(function(_) {
				return Promise.loop(@() i++ < 5, function() { log.append(i); return after(0.02, i); }.bindenv(this));
			}.bindenv(this))
			.then(function(_) { assertDeepEqual([1, 2, 3, 4, 5], log); }.bindenv(this));
	}
}
