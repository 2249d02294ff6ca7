// What tests that are written for the vendor's runner need: the class
// that they extend, and something that finds and runs them. The
// program has to have the Promise library.

class ImpTestCase {
	session = SESSION;
	assertions = 0;

	function info(message = null) { server.log("info: " + message); }

	function runCommand(command = "") { info("command: " + command); }

	function _check(holds, message, standard) {
		assertions++;
		if (!holds) throw message == null ? standard : message;
	}

	function assertTrue(condition, message = null) { _check(condition, message, "this should be true"); }

	function assertEqual(expected, actual, message = null) {
		_check(expected == actual, message, "got " + actual + ", not " + expected);
	}

	function assertGreater(actual, than, message = null) { _check(actual > than, message, actual + " is not greater than " + than); }

	function assertLess(actual, than, message = null) { _check(actual < than, message, actual + " is not less than " + than); }

	function assertClose(expected, actual, margin, message = null) {
		_check(math.abs(expected - actual) <= margin, message, actual + " is not within " + margin + " of " + expected);
	}

	function assertBetween(actual, from, to, message = null) {
		_check(actual >= from && actual <= to, message, actual + " is not between " + from + " and " + to);
	}

	function assertDeepEqual(expected, actual, message = null) {
		local at = _difference(expected, actual, "");
		_check(at == null, message, at);
	}

	function assertThrowsError(fn, context, args = [], message = null) {
		assertions++;
		local list = [context];
		list.extend(args);
		try {
			fn.acall(list);
		} catch (error) {
			return error;
		}
		throw message == null ? "this should throw" : message;
	}

	// _difference returns where two values differ, or null.
	function _difference(a, b, path) {
		if (typeof a != typeof b) return "at [" + path + "]: got a " + typeof b + ", not a " + typeof a;
		if (typeof a == "table" || typeof a == "class") {
			foreach (key, value in a) {
				if (!(key in b)) return "at [" + path + "]: there is no " + key;
				local at = _difference(value, b[key], path + "." + key);
				if (at != null) return at;
			}
			foreach (key, _ in b) if (!(key in a)) return "at [" + path + "]: there is " + key + " too";
			return null;
		}
		if (typeof a == "array") {
			if (a.len() != b.len()) return "at [" + path + "]: got " + b.len() + " elements, not " + a.len();
			foreach (i, value in a) {
				local at = _difference(value, b[i], path + "." + i);
				if (at != null) return at;
			}
			return null;
		}
		return a == b ? null : "at [" + path + "]: got " + b + ", not " + a;
	}
}

// tests_ runs the tests one by one, from number FROM on, and says in the log
// how each ended.
tests_ <- {
	steps = [] // of the whole run: what to call and what it is called
	at = 0
	test = -1 // number of the last test that has begun
	waits = 0 // changes when nobody waits for a step any more

	function say(what) { server.log("@@" + SESSION + " " + what); }

	function find() {
		local cases = [];
		foreach (name, c in getroottable()) {
			if (typeof c != "class") continue;
			for (local parent = c.getbase(); parent != null; parent = parent.getbase()) {
				if (parent == ImpTestCase) cases.append({ name = name, code = c });
			}
		}
		cases.sort(@(a, b) a.name <=> b.name);
		local number = 0;
		foreach (c in cases) {
			local names = [];
			foreach (name, member in c.code) {
				if (typeof member == "function" && name.len() > 4 && name.slice(0, 4) == "test") names.append(name);
			}
			names.sort();
			if (number + names.len() <= FROM || names.len() == 0) {
				number += names.len();
				continue;
			}
			local it = { name = c.name, code = c.code, object = null };
			steps.append({ number = -1, of = it, name = "setUp" });
			foreach (name in names) if (number++ >= FROM) steps.append({ number = number - 1, of = it, name = name });
			steps.append({ number = -1, of = it, name = "tearDown" });
		}
		say("tests " + number);
	}

	function next() {
		if (at == steps.len()) return say("done");
		local step = steps[at++], wait = ++waits;
		if (step.number >= 0) say("test " + step.number + " " + step.of.name + "::" + step.name);
		local timer = imp.wakeup(TIMEOUT, function() {
			if (wait == waits) end(step, "it took more than " + TIMEOUT + " s");
		}.bindenv(this));
		local ended = function(error) {
			if (wait != waits) return;
			imp.cancelwakeup(timer);
			end(step, error);
		}.bindenv(this);
		local result = null;
		try {
			if (step.of.object == null) step.of.object = step.of.code();
			if (step.name in step.of.object) result = step.of.object[step.name]();
		} catch (error) {
			return ended("" + error);
		}
		if (typeof result == "instance" && ("then" in result)) {
			result.then(@(_) ended(null), @(error) ended("" + error));
		} else {
			ended(null);
		}
	}

	function end(step, error) {
		waits++;
		if (error != null) {
			local text = "";
			foreach (c in error) text += c == '\n' ? " " : c.tochar();
			say("fail " + step.number + " " + step.of.name + "::" + step.name + " " + (text.len() > 900 ? text.slice(0, 900) : text));
		} else if (step.number >= 0) {
			say("pass " + step.number + " " + step.of.name + "::" + step.name);
		}
		imp.wakeup(0, next.bindenv(this));
	}
};

imp.wakeup(DELAY, function() {
	tests_.find();
	tests_.next();
});
