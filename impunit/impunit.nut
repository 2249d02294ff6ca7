// What tests see: ImpTestCase, Promise, world. It is put before the program of each side, and is
// the beginning of a test that runs beside the pair. It makes no global variable but these.
(function() {

local act = ::__world;
local where = act("program"); // agent, device or test
local beside = where == "test";
local root = getroottable();
local starts = act("begin");
local assertions = 0;

// A promise: a value that is there later, or never because of an error.
local Pledge = class {
    _state = 0;       // 0 open, 1 fulfilled, 2 rejected, 3 given up
    _value = null;
    _then = null;

    constructor(action) {
        _then = [];
        local me = this;
        local open = true;
        local settle = function(state) {
            return function(value = null) {
                if (!open) return;
                open = false;
                me._resolve(state, value);
            };
        };
        local fail = settle(2);
        try {
            local n = action.getinfos().parameters.len();
            if (n > 2) action(settle(1), fail); else action(settle(1));
        } catch (e) {
            fail(e);
        }
    }

    function _resolve(state, value) {
        local me = this;
        if (state == 1 && isPledge(value)) {
            value.then(function(v) { me._resolve(1, v); }, function(e) { me._resolve(2, e); });
            return;
        }
        if (_state != 0) return;
        _state = state;
        _value = value;
        local list = _then;
        _then = [];
        foreach (f in list) f();
    }

    function then(onFulfilled = null, onRejected = null) {
        local me = this;
        return getclass()(function(resolve, reject) {
            local go = function() {
                imp.wakeup(0, function() {
                    local f = me._state == 1 ? onFulfilled : onRejected;
                    if (me._state == 3) return;
                    if (f == null) return me._state == 1 ? resolve(me._value) : reject(me._value);
                    local result;
                    try {
                        result = f.getinfos().native || f.getinfos().parameters.len() > 1 ? f(me._value) : f();
                    } catch (e) {
                        return reject(e);
                    }
                    resolve(result);
                });
            };
            if (me._state == 0) me._then.append(go); else go();
        });
    }

    function fail(onRejected) { return then(null, onRejected); }
    function finally(always) { return then(always, always); }
    function cancelled(onCancelled) { return this; }
    function cancel(reason = null) { if (_state == 0) { _state = 3; _then = []; } }
    function isPending() { return _state == 0; }

    static function isPledge(x) {
        return (typeof x == "instance" || typeof x == "table") && "then" in x && typeof x.then == "function";
    }
    static function resolve(value = null) { return ::ImpTestPromise(function(ok, no) { ok(value); }); }
    static function reject(error = null) { return ::ImpTestPromise(function(ok, no) { no(error); }); }

    static function all(list) {
        return ::ImpTestPromise(function(ok, no) {
            local left = list.len();
            local values = array(left);
            if (left == 0) return ok(values);
            foreach (i, p in list) {
                local at = i;
                if (typeof p == "function") p = p();
                ::ImpTestPromise.resolve(p).then(function(v) {
                    values[at] = v;
                    if (--left == 0) ok(values);
                }, no);
            }
        });
    }

    static function race(list) {
        return ::ImpTestPromise(function(ok, no) {
            foreach (p in list) {
                if (typeof p == "function") p = p();
                ::ImpTestPromise.resolve(p).then(ok, no);
            }
        });
    }

    static function serial(list) {
        local at = 0;
        return ::ImpTestPromise.loop(@() at < list.len(), function() {
            local p = list[at++];
            return typeof p == "function" ? p() : p;
        });
    }

    static function loop(goesOn, next) {
        return ::ImpTestPromise(function(ok, no) {
            local round;
            round = function(last = null) {
                local p;
                try {
                    if (!goesOn()) return ok(last);
                    p = next();
                } catch (e) {
                    return no(e);
                }
                ::ImpTestPromise.resolve(p).then(function(v) { round(v); }, no);
            };
            round();
        });
    }
};
root.ImpTestPromise <- Pledge;
if (!("Promise" in root)) root.Promise <- Pledge;

// The value of a thing in a failure.
local depth = 0;
local show;
show = function(x) {
    if (x == null) return "null";
    if (typeof x == "string") return "\"" + x + "\"";
    if (depth > 3) return "...";
    local parts = [];
    depth++;
    if (typeof x == "array") {
        foreach (v in x) parts.append(show(v));
        depth--;
        return "[" + parts.reduce(@(a, b) a + ", " + b) + "]";
    }
    if (typeof x == "table") {
        local keys = [];
        foreach (k, _ in x) keys.append(k);
        keys.sort(@(a, b) a.tostring() <=> b.tostring());
        foreach (k in keys) parts.append(k + " = " + show(x[k]));
        depth--;
        return "{" + (parts.len() ? " " + parts.reduce(@(a, b) a + ", " + b) + " " : "") + "}";
    }
    depth--;
    return x.tostring();
};
local shown = @(x) x == null ? "null" : x + "";
local listed = @(x) typeof x == "array" && x.len() == 0 ? "[]" : show(x);

// Throws the test's own text for a failure, or the usual one with values in it.
local fails = function(message, text, ...) {
    if (message) throw message;
    vargv.insert(0, text);
    vargv.insert(0, root);
    throw format.acall(vargv);
};

root.ImpTestCase <- class {
    function runCommand(command = "") { act("report", "info", "the command is not run: " + command); }
    function info(message = "") { act("report", "info", typeof message == "string" ? message : listed(message)); }

    function assertTrue(condition, message = null) {
        assertions++;
        if (!condition) throw message ? message : "Failed to assert that condition is true";
    }

    function assertEqual(expected, actual, message = null) {
        assertions++;
        if (expected == actual) return;
        throw message ? message : "Expected value: " + shown(expected) + ", got: " + shown(actual);
    }

    function assertGreater(actual, cmp, message = null) {
        assertions++;
        if (actual <= cmp) fails(message, "Failed to assert that %s > %s", shown(actual), shown(cmp));
    }

    function assertLess(actual, cmp, message = null) {
        assertions++;
        if (actual >= cmp) fails(message, "Failed to assert that %s < %s", shown(actual), shown(cmp));
    }

    function assertClose(expected, actual, maxDiff, message = null) {
        assertions++;
        if (math.abs(expected - actual) > maxDiff)
            fails(message, "Expected value: %s±%s, got: %s", shown(expected), shown(maxDiff), shown(actual));
    }

    function assertBetween(actual, min, max, message = null) {
        assertions++;
        if (min > max) { local t = max; max = min; min = t; }
        if (actual < min || actual > max)
            fails(message, "Expected value the range of %s..%s, got %s", shown(min), shown(max), shown(actual));
    }

    function assertDeepEqual(expected, actual, message = null) {
        assertions++;
        _same(expected, actual, message, "", 0);
    }

    function _same(expected, actual, message, path, level) {
        local text = "Comparison failed on '%s': expected %s, got %s";
        if (level > 32) throw "Possible cyclic reference at " + path;
        local kind = typeof expected;
        if (kind != typeof actual) {
            fails(message, "Comparison failed on '%s': expected type %s, got type %s", path, kind, typeof actual);
        }
        if (kind == "blob") {
            if (expected.len() != actual.len())
                fails(message, "Comparison failed on '%s': expected a blob of %d bytes, got one of %d", path,
                    expected.len(), actual.len());
            for (local i = 0; i < expected.len(); i++) {
                if (expected[i] != actual[i])
                    fails(message, "Comparison failed on '%s': blobs differ at byte %d: expected 0x%02x, got 0x%02x",
                        path, i, expected[i], actual[i]);
            }
            return;
        }
        if (kind == "table" || kind == "array" || kind == "class" || kind == "instance") {
            if (kind == "instance" && expected == actual) return;
            if (kind == "instance") fails(message, text, path, listed(expected), listed(actual));
            local inner = @(k) path == "" ? k.tostring() : path + "." + k;
            foreach (k, v in expected) {
                if (kind == "array" ? k >= actual.len() : !(k in actual))
                    fails(message, text, inner(k), listed(v), "none");
                _same(v, actual[k], message, inner(k), level + 1);
            }
            foreach (k, v in actual) {
                if (kind == "array" ? k >= expected.len() : !(k in expected))
                    fails(message, text, inner(k), "none", listed(v));
            }
            return;
        }
        if (expected != actual) fails(message, text, path, shown(expected), shown(actual));
    }

    function assertThrowsError(fn, ctx, args = [], message = null) {
        assertions++;
        local all = [ctx];
        all.extend(args);
        try {
            fn.acall(all);
        } catch (e) {
            return e;
        }
        throw message ? message : "Function was expected to throw an error";
    }
};

// world: what a test can do to the pair.
local answers = {};  // by the number of a request: what is done with its answer
local servers = {};  // by address: the function that answers

local respond = function(n) {
    local answer;
    try {
        local request = { method = n.method, url = n.url, query = n.query, headers = n.headers, body = n.body };
        local s = servers[n.route];
        answer = typeof s == "function" ? s(request) : s;
    } catch (e) {
        act("report", "info", "the function that serves " + n.route + " has failed: " + e);
        answer = { status = 500, body = e.tostring() };
    }
    if (typeof answer == "integer") answer = { status = answer };
    else if (typeof answer != "table") answer = { body = answer };
    local status = "status" in answer ? answer.status : "statuscode" in answer ? answer.statuscode : 200;
    act("reply", n.number, status, "headers" in answer ? answer.headers : {}, "body" in answer ? answer.body : "");
};

local hear = function() {
    local n;
    while ((n = act("news")) != null) {
        if (n.kind == "serve") {
            respond(n);
        } else if (n.number in answers) {
            local done = delete answers[n.number];
            done({ status = n.status, statuscode = n.status, headers = n.headers, body = n.body });
        }
    }
};

// Only a test beside the pair can stand still: the pair goes on meanwhile.
local stand = function(span) {
    act("wait", span);
    hear();
    while (!act("waited")) {
        act("wait", null);
        hear();
    }
};

local skip = function(span = 0) {
    local s = act("seconds", span);
    act("report", "skip", "", s.tointeger() + 1);
    if (beside) return stand(span);
    return Pledge(function(ok, no) { imp.wakeup(s, ok); });
};

local request = function(method, path = "/", body = "", headers = {}) {
    local number = act("request", method, path, headers, body);
    if (!beside) return Pledge(function(ok, no) { answers[number] <- ok; });
    local answer = null;
    answers[number] <- function(a) { answer = a; };
    while (answer == null) {
        act("wait", "1 hour");
        hear();
    }
    return answer;
};

root.world <- {
    device = {
        powercycle = @(off = null) act("powercycle", off),
        off = @() act("poweroff"),
        on = @() act("poweron"),
        restart = @() act("restartdevice"),
        clock = @(seconds) act("deviceclock", seconds),
    },
    agent = {
        restart = @(reason = null) act("restart", reason),
        move = @() act("move"),
        clock = @(seconds) act("agentclock", seconds),
    },
    link = {
        cut = @(span = null) act("cut", span),
        mend = @() act("mend"),
        latency = @(span) act("latency", span),
        loss = @(share) act("loss", share),
        reset = @() act("reset"),
        up = @() act("linked"),
    },
    host = { lose = @(span = null) act("lose", span) },
    store = { refuse = @(span = null) act("refuse", span) },
    code = { deploy = @() act("deploy") },
    time = {
        skip = skip,
        now = @() act("now"),
        function until(condition, span = 60) {
            if (!beside) throw "world.time.until is for tests that run beside the pair: *.test.nut";
            local end = act("now") + act("seconds", span);
            while (true) {
                local problem = null;
                try {
                    if (condition()) return true;
                } catch (e) {
                    problem = e; // a side that is without power has no variables
                }
                if (act("now") >= end) {
                    if (problem != null) throw problem;
                    return false;
                }
                stand(0.1);
            }
        },
    },
    http = {
        request = request,
        silence = @(span = null) act("silence", span),
        function serve(url, answer) {
            act("serve", url, answer != null);
            if (answer == null) { if (url in servers) delete servers[url]; } else servers[url] <- answer;
        },
    },
    board = { command = @(line) act("board", line) },
};
root.world.board.setdelegate({
    _set = function(name, level) {
        if (typeof level == "bool") level = level.tointeger();
        act("board", name + " = " + (level == null ? "" : level));
    },
    _get = function(name) { return act("level", name); },
    _newslot = function(name, level) { this[name] = level; },
});
root.world.setdelegate({
    _get = function(name) {
        if (name == "log") return act("log");
        throw "there is no world." + name;
    },
});

if (beside) {
    // Copies of the variables of both sides, as they are now.
    foreach (side in ["agent", "device"]) {
        local name = side;
        root[name] <- {}.setdelegate({ _get = @(slot) act("peek", name, slot) });
    }
} else {
    act("listen", hear);
}

// The tests.
if (where != act("value", "where")) return;

local done = {};     // Case::method: has had its turn
foreach (name in split(act("value", "done"), "\n")) done[name] <- true;
local wantedCase = act("value", "case");
local wantedMethod = act("value", "method");
local limit = act("value", "timeout");
if (limit != null) limit = limit.tofloat();

local isCase = function(x) {
    if (typeof x != "class") return false;
    for (local c = x.getbase(); c != null; c = c.getbase()) if (c == root.ImpTestCase) return true;
    return false;
};

local plan = [];
local collect = function() {
    local names = [];
    local seen = {};
    foreach (name in split(act("value", "cases"), "\n")) {
        if (name in root && isCase(root[name]) && !(name in seen)) { names.append(name); seen[name] <- true; }
    }
    foreach (name, x in root) if (isCase(x) && !(name in seen)) { names.append(name); seen[name] <- true; }
    foreach (name in names) {
        local made = root[name];
        local tests = [];
        foreach (member, x in made) if (typeof x == "function" && member.find("test") == 0) tests.append(member);
        tests.sort();
        local title = name + "::";
        local chosen = tests.filter(@(i, t) !((title + t) in done) && (wantedMethod == null || t == wantedMethod));
        if (chosen.len() == 0 || wantedCase != null && name != wantedCase) continue;
        local unit = { name = name, made = made, self = null };
        if ("setUp" in made) plan.append({ unit = unit, member = "setUp", counts = false });
        foreach (t in chosen) plan.append({ unit = unit, member = t, counts = true });
        if ("tearDown" in made) plan.append({ unit = unit, member = "tearDown", counts = false });
    }
};

local at = 0;
local next;
local step = function(s) {
    local title = s.unit.name + "::" + s.member;
    local began = act("now");
    local over = false;
    local timer = null;
    local before = assertions;
    act("report", "start", title, s.counts ? 1 : 0);
    local finish = function(kind, text) {
        if (over) return;
        over = true;
        if (timer != null) imp.cancelwakeup(timer);
        act("report", kind, text, assertions - before);
        imp.wakeup(0, next);
    };
    local fail = @(e = null) finish("fail", e == null ? "null" : e.tostring());
    local pass = @(value = null) finish("ok", value == null || Pledge.isPledge(value) ? "" : listed(value));
    local result;
    try {
        if (s.unit.self == null) s.unit.self = s.unit.made();
        result = s.unit.self[s.member]();
    } catch (e) {
        return fail(e);
    }
    if (!Pledge.isPledge(result)) {
        local took = act("now") - began;
        if (limit == null || took <= limit) return pass(result);
        return fail(format("Test took %.1fs, longer than timeout of %ds", took, limit));
    }
    if (limit != null) timer = imp.wakeup(limit, function() {
        timer = null;
        fail(format("Test timed out after %ds", limit));
    });
    result.then(function(v) { pass(v); }, function(e) { fail(e); });
};

next = function() {
    if (at >= plan.len()) return act("report", "end", "");
    step(plan[at++]);
};

local begin = function() {
    if (starts > 1) return act("report", "again", "");
    collect();
    next();
};

imp.wakeup(beside ? 0 : 2, function() {
    for (local i = 0; beside && i < 300 && !act("ready"); i++) stand(0.1);
    begin();
});

})();
