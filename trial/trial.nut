// What a rehearsal's assertions see: every, always, eventually, agent, device, world. It is the
// beginning of the program that runs beside the pair.
(function() {

local act = ::__world;
local root = getroottable();
local checks = [];

local look = function(list) {
    foreach (c in list) {
        local state, why = "";
        try {
            local x = c.fn();
            if (typeof x == "string") { state = 2; why = x; } else state = x ? 1 : 2;
        } catch (e) {
            state = 0;
            why = e + "";
        }
        if (state == c.state && why == c.why) continue;
        c.state = state;
        c.why = why;
        act("verdict", c.number, state, why);
    }
};

local patient = [];
local make = function(text, span, fn) {
    if (typeof fn != "function") throw "the assertion \"" + text + "\" needs a function";
    local c = { number = checks.len(), state = 0, why = "", fn = fn };
    act("verdict", c.number, 0, text, span);
    checks.append(c);
    if (span != 0) patient.append(c);
};

root.always <- function(text, fn) { make(text, 0, fn); };
root.eventually <- function(span, text, fn) {
    local s = act("seconds", span);
    if (s <= 0) throw "the time of \"" + text + "\" is more than 0 seconds";
    make(text, s, fn);
};
root.without <- function(...) { foreach (name in vargv) act("report", "without", name); };
root.every <- function(span, method, path, body = "", headers = {}) {
    local s = act("seconds", span);
    if (s < 0.001) throw "a request can be made each millisecond at most";
    local n = 0;
    local go;
    go = function() {
        imp.wakeup(s, go);
        local b = typeof body == "function" ? body(n) : body;
        n++;
        act("visit", method, path, headers, b);
    };
    imp.wakeup(s, go);
};

root.world <- {
    sent = @(name) act("sent", name),
    acked = @(name) act("acked", name),
    answers = @() act("answers"),
    last = @(method) act("answers", method),
    get = @(path = "/") act("get", path),
    log = @() act("log"),
    time = { now = @() act("now") },
    link = { up = @() act("linked") },
    board = {},
    http = {},
};

// Servers outside that the agent calls.
local servers = {};
root.world.http.serve <- function(url, answer) {
    act("serve", url, answer != null);
    if (answer == null) { if (url in servers) delete servers[url]; } else servers[url] <- answer;
};
act("listen", function() {
    local n;
    while ((n = act("news")) != null) {
        if (n.kind != "serve") continue;
        local answer = servers[n.route];
        if (typeof answer == "function") {
            try {
                answer = answer({ method = n.method, url = n.url, query = n.query, headers = n.headers, body = n.body });
            } catch (e) {
                server.error("the function that serves " + n.route + " has failed: " + e);
                answer = 500;
            }
        }
        if (typeof answer == "integer") answer = { status = answer };
        else if (typeof answer != "table") answer = { body = answer };
        act("reply", n.number, "status" in answer ? answer.status : 200, "headers" in answer ? answer.headers : {},
            "body" in answer ? answer.body : "");
    }
});

root.world.board.command <- @(line) act("board", line);
root.world.board.setdelegate({
    _set = function(name, level) {
        if (typeof level == "bool") level = level.tointeger();
        act("board", name + " = " + (level == null ? "" : level));
    },
    _get = function(name) { return act("level", name); },
    _newslot = function(name, level) { this[name] = level; },
});

// Copies of the variables of both sides, as they are now.
foreach (side in ["agent", "device"]) {
    local name = side;
    root[name] <- {}.setdelegate({ _get = @(slot) act("peek", name, slot) });
}

act("checks", @() look(checks), @() look(patient));

})();
