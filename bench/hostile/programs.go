package main

// hog matches the lines that an agent's log has when its program takes more than its share
// of processor time or memory.
const hog = `much processor time|event took more than|out of memory|restarted: (watchdog|out_of_memory)`

// programs are attacks by an agent's own program. attack() is called again and again, and
// what it throws is caught.
var programs = []attack{
	{name: "an endless loop", on: "language", said: hog, code: `function attack() { while (true) {} }`},
	{name: "ten endless loops", on: "language", agents: 10, said: hog, code: `function attack() { while (true) {} }`},
	{name: "recursion without end", on: "language", said: hog, code: `
function deep(n) { return deep(n + 1) + deep(n + 2); }
function attack() { deep(0); }`},
	{name: "code nested 200,000 deep is compiled", on: "language", said: hog, code: `
parens <- "("; for (local i = 0; i < 17; i++) parens += parens;
parens <- "("; for (local i = 0; i < 17; i++) parens += parens;
function attack() { for (local i = 0; i < 20; i++) try { compilestring("return " + parens) } catch (e) {} }`},
	{name: "much code is compiled, and fails at its end", on: "language", said: hog, code: `
part <- "x = [1,2,{a=3}]; "; for (local i = 0; i < 12; i++) part += part;
function attack() { for (local i = 0; i < 20; i++) try { compilestring(part + ")") } catch (e) {} }`},
	{name: "exceptions below 900 calls", on: "language", said: hog, code: `
function deep(n) { if (n == 0) throw "x"; return deep(n - 1); }
function attack() { for (local i = 0; i < 10000; i++) try { deep(900) } catch (e) {} }`},
	{name: "it crashes as soon as it starts", on: "language", said: `It restarts in|restarted: exception`, code: `
throw "at once";`},
	{name: "it restarts itself as soon as it starts", on: "language", said: `It restarts in`, code: `
server.restart();`},
	{name: "it does not leave when it is told to", on: "language", harmless: true, code: `
server.onshutdown(function(r) { imp.wakeup(3600, function() { server.restart(); }); });`},

	{name: "format with an error at its end", on: "strings", said: hog, code: `
s <- "x"; for (local i = 0; i < 18; i++) s += s;
many <- ""; for (local i = 0; i < 241; i++) many += "%s";
function attack() {
    local args = [this, many + "%d"]; for (local i = 0; i < 241; i++) args.push(s);
    args.push("x");
    for (local i = 0; i < 1000; i++) try { format.acall(args) } catch (e) {}
}`},
	{name: "numbers of 256 KB", on: "strings", said: hog, code: `
s <- "0"; for (local i = 0; i < 18; i++) s += s;
function attack() {
    for (local i = 0; i < 100000; i++) { s.tointeger(); s.tofloat(); try { (s + "x").tointeger(16) } catch (e) {} }
}`},
	{name: "searches that nearly find", on: "strings", said: hog, code: `
s <- "a"; for (local i = 0; i < 17; i++) s += s;
part <- s.slice(0, s.len() / 2) + "b";
function attack() { for (local i = 0; i < 100000; i++) { s.find(part); split(s, "b"); strip(s); s.toupper(); } }`},
	{name: "a string that doubles until memory ends", on: "strings", said: `out of memory|out_of_memory`, code: `
function attack() { local s = "x"; while (true) s += s; }`},

	{name: "sorting with an order that changes", on: "arrays", said: hog, code: `
function attack() {
    local a = []; for (local i = 0; i < 20000; i++) a.push(i * 7919 % 20000);
    while (true) try { a.sort(function(x, y) { a.push(1); a.remove(0); return x <=> y; }) } catch (e) {}
}`},
	{name: "insertions at the front", on: "arrays", said: hog, code: `
function attack() { local a = array(50000); while (true) { a.insert(0, 1); a.remove(0); a.reverse(); } }`},
	{name: "arrays of two thousand million", on: "arrays", said: hog, code: `
function attack() {
    for (local i = 0; i < 1000000; i++) {
        try { array(2000000000, i) } catch (e) {}
        try { [].resize(2147483647) } catch (e) {}
        try { array(-1) } catch (e) {}
    }
}`},

	{name: "look-ups through 3,000 delegates", on: "tables", said: hog, code: `
function attack() {
    local t = {}; for (local i = 0; i < 3000; i++) { local u = {}; u.setdelegate(t); t = u; }
    while (true) { "nothing" in t; try { t.nothing } catch (e) {} try { t.setdelegate(t) } catch (e) {} }
}`},
	{name: "keys that meet in one place", on: "tables", said: hog, code: `
function attack() {
    local t = {}; for (local i = 0; i < 16000; i++) t[i << 16] <- i;
    while (true) for (local i = 0; i < 16000; i++) t[(i << 16) + 1] <- i;
}`},
	{name: "copies of large tables", on: "tables", said: hog, code: `
function attack() {
    local t = {}; for (local i = 0; i < 8000; i++) t[i] <- i;
    while (true) { local c = clone t; c.clear(); t.keys(); t.values(); t.map(@(v) v); t.filter(@(k, v) false); }
}`},

	{name: "blobs that grow and shrink", on: "blobs", said: hog, code: `
function attack() { local b = blob(4); while (true) { b.resize(500000); b.resize(1); } }`},
	{name: "turning bytes of large blobs", on: "blobs", said: hog, code: `
function attack() {
    local b = blob(400000);
    while (true) { b.swap2(); b.swap4(); b.seek(0); b.readblob(100000); b.seek(0); try { b.readn('z') } catch (e) {} }
}`},

	{name: "powers and angles", on: "math", said: hog, code: `
function attack() { while (true) { pow(1.0001, 30000); sin(1e30); exp(700); atan2(1e-38, 1e38); sqrt(-1); } }`},
	{name: "numbers with 300 digits", on: "math", said: hog, code: `
function attack() {
    while (true) {
        try { format("%300.300f %250.250g %-299x", 3.4e38, 1e-38, 255) } catch (e) {}
        (3.4e38).tostring(); srand(7); rand();
    }
}`},

	{name: "regexp with stars in stars", on: "regexp", said: hog, code: `
s <- "a"; for (local i = 0; i < 12; i++) s += s;
function attack() {
    while (true) { regexp("(a*)*b").match(s); regexp("(a|a)*c").search(s); regexp("(a+)+$b").capture(s); }
}`},
	{name: "regexp2 with repeated repetitions", on: "regexp", said: hog, code: `
n <- 0;
function attack() {
    while (true) {
        try { regexp2("((((a{1,30}){1,30}){1,30}" + (n++) + ")").search("aaaaaaaaaaaaaaaa") } catch (e) {}
        try { regexp2("(x{900}){900}" + n) } catch (e) {}
    }
}`},
	{name: "thousands of different large patterns, of five agents", on: "regexp", agents: 5, said: hog, code: `
n <- 0;
big <- ""; for (local i = 0; i < 200; i++) big += "(a|b|[c-x]{1,20})";
function attack() { for (local i = 0; i < 1000; i++) try { regexp2(big + (n++)).match("abc") } catch (e) {} }`},
	{name: "patterns nested 60,000 deep", on: "regexp", said: hog, code: `
parens <- "("; for (local i = 0; i < 16; i++) parens += parens;
function attack() { while (true) { try { regexp(parens) } catch (e) {} try { regexp2(parens) } catch (e) {} } }`},

	{name: "JSON of shared values with an error at its end", on: "codecs", said: hog, code: `
s <- "x"; for (local i = 0; i < 17; i++) s += s;
function attack() {
    local a = array(2000, s); a.push(blob(1)); local b = array(2000, a);
    while (true) try { http.jsonencode(b) } catch (e) {}
}`},
	{name: "JSON nested 200,000 deep", on: "codecs", said: hog, code: `
open <- "["; for (local i = 0; i < 17; i++) open += open;
function attack() { while (true) try { http.jsondecode(open) } catch (e) {} }`},
	{name: "URL and base64 codes of shared values", on: "codecs", said: hog, code: `
s <- "%"; for (local i = 0; i < 16; i++) s += s;
function attack() {
    local t = { a = array(3000, s), b = [[]] };
    while (true) {
        try { http.urlencode(t) } catch (e) {} try { http.urldecode(s) } catch (e) {}
        try { http.base64decode(s) } catch (e) {} http.base64encode(s);
    }
}`},

	{name: "hashes of long keys", on: "crypto", said: hog, code: `
s <- "k"; for (local i = 0; i < 18; i++) s += s;
function attack() { while (true) { crypto.hmacsha512(s, s); http.hash.hmacsha256("x", s); crypto.md5(s); } }`},
	{name: "signatures as fast as they go", on: "crypto", said: `sign|` + hog, code: `
key <- http.base64decode("{{RSA}}");
function attack() {
    local mode = crypto.RSASSA_PKCS1_SHA256;
    for (local i = 0; i < 60; i++) try { crypto.sign(mode, "x", key, function(e, s) {}) } catch (e) {}
}`},
	{name: "keys that are none", on: "crypto", said: hog, code: `
junk <- blob(300000);
function attack() {
    while (true) {
        try { crypto.sign(crypto.RSASSA_PKCS1_SHA256, "x", junk, function(e, s) {}) } catch (e) {}
        try { crypto.verify(crypto.RSASSA_PKCS1_SHA256, "x", junk, junk, function(v) {}) } catch (e) {}
        crypto.equals(junk, junk);
    }
}`},

	{name: "a table saved with 90,000 references to a large key", on: "server.save", said: hog, code: `
k <- "k"; for (local i = 0; i < 17; i++) k += k;
function attack() {
    local inner = {}; inner[k] <- 1;
    while (true) try { server.save({ a = array(90000, inner) }) } catch (e) {}
}`},
	{name: "60 KB saved as often as it goes", on: "server.save", harmless: true, code: `
t <- { s = "" }; while (t.s.len() < 60000) t.s += "0123456789";
function attack() { while (true) server.save(t); }`},
	{name: "tables saved that cannot be", on: "server.save", said: hog, code: `
function attack() {
    local t = { f = function() {} }; for (local i = 0; i < 5000; i++) t["k" + i] <- blob(1);
    local deep = {}; local d = deep; for (local i = 0; i < 500; i++) { d.x <- {}; d = d.x; }
    while (true) { try { server.save(t) } catch (e) {} try { server.save(deep) } catch (e) {} }
}`},

	{name: "messages of 90,000 references", on: "device.send", said: hog, code: `
s <- "x"; for (local i = 0; i < 16; i++) s += s;
function attack() { local a = array(90000, s); while (true) try { device.send("x", a) } catch (e) {} }`},
	{name: "200 KB to a device that does not read", on: "device.send",
		said: `dropped|too much data|` + hog, load: deaf, code: `
s <- "x"; for (local i = 0; i < 17; i++) s += s;
function attack() { for (local i = 0; i < 100; i++) device.send("x", s); }`},

	{name: "1,000 timers of no time", on: "timers", said: `too many timers|` + hog, code: `
function tick() { imp.wakeup(0, tick); }
function attack() { for (local i = 0; i < 2000; i++) imp.wakeup(0, tick); }`},
	{name: "timers with long names", on: "timers", said: hog, code: `
s <- "x"; for (local i = 0; i < 18; i++) s += s;
function attack() {
    while (true) { try { imp.cancelwakeup(s) } catch (e) {} try { imp.wakeup(1, @() null, s) } catch (e) {} }
}`},

	{name: "lines without end", on: "logs", said: `throttled|more than 6000 lines`, code: `
function attack() { for (local i = 0; i < 5000; i++) server.log("line " + i); }`},
	{name: "lines of large shared values", on: "logs", said: hog + `|throttled|was cut`, code: `
s <- "x\n\x01"; for (local i = 0; i < 16; i++) s += s;
function attack() {
    local t = {}; local u = t; for (local i = 0; i < 60; i++) { u.a <- array(1000, s); u.b <- {}; u = u.b; }
    for (local i = 0; i < 100; i++) { server.log(s); server.error(t); server.show(s); }
}`},

	{name: "posts to a device that is off", on: "posts", said: `posts? |tandem.post|` + hog, code: `
function attack() { for (local i = 0; i < 2000; i++) tandem.post("x", i); }`},
	{name: "posts of large shared values", on: "posts", said: `tandem.post|` + hog, code: `
s <- "x"; for (local i = 0; i < 17; i++) s += s;
function attack() {
    local a = array(50000, s);
    while (true) { try { tandem.post("x", a) } catch (e) {} try { tandem.post("x", s) } catch (e) {} }
}`},

	{name: "1,000 requests are kept, and answered at once", on: "http in", harmless: true, load: held, code: `
kept <- []; s <- "x"; for (local i = 0; i < 17; i++) s += s;
http.onrequest(function(q, r) {
    kept.push(r);
    if (kept.len() < 200) return;
    foreach (k in kept) try { k.send(200, s) } catch (e) {}
    kept.clear();
});`},
	{name: "answers with 60 KB of headers", on: "http in", said: hog + `|headers`, load: held, code: `
s <- "x"; for (local i = 0; i < 13; i++) s += s;
http.onrequest(function(q, r) {
    for (local i = 0; i < 5000; i++) try { r.header("X-" + i, s) } catch (e) {}
    r.send(200, "");
});`},

	{name: "40 requests to a server that never answers", on: "http out", said: `429|rate|` + hog, load: hole, code: `
limited <- false;
function attack() {
    for (local i = 0; i < 100; i++) http.get("http://{{SERVE}}/", {}).sendasync(function(r) {
        if (r.statuscode == 429 && !limited) { limited = true; server.log("429 of the rate limit"); }
    });
}`},
	{name: "answers of 1 MB that come at once, to ten agents", on: "http out", agents: 10, said: `got|` + hog,
		load: generous, code: `
got <- 0;
function attack() {
    for (local i = 0; i < 40; i++) http.get("http://{{SERVE}}/big", {}).sendasync(function(r) {
        if (got++ == 0) server.log("got " + r.statuscode + " " + r.body.len());
    });
}`},
	{name: "answers that unpack to 100 MB", on: "http out", said: `got|` + hog, load: generous, code: `
got <- 0; accept <- { "Accept-Encoding": "gzip" };
function attack() {
    for (local i = 0; i < 40; i++) http.get("http://{{SERVE}}/gzip", accept).sendasync(function(r) {
        if (got++ == 0) server.log("got " + r.statuscode + " " + r.body.len());
    });
}`},
	{name: "streams to a server that does not read", on: "http out",
		said: `stream|too much data|` + hog, load: hole, code: `
s <- "x"; for (local i = 0; i < 18; i++) s += s;
streams <- []; said <- false;
function attack() {
    if (streams.len() < 40) streams.push(http.requeststream("PUT", "http://{{SERVE}}/", {}, function(r) {}));
    foreach (x in streams) try { x.send(s) } catch (e) { if (!said) { said = true; server.log("stream: " + e); } }
}`},

	{name: "requests to the node itself", on: "http out", said: `own: 9 9 $`, code: `
said <- "";
foreach (a in {{OWN}}) http.get("http://" + a + "/v5/devices", {}).sendasync(function(r) {
    said += r.statuscode + " ";
    if (split(said, " ").len() == 2) server.log("own: " + said);
});`},

	{name: "a broker that floods", on: "mqtt client", said: hog + `|mqtt|lost`, load: broker, code: `
got <- 0;
c <- mqtt.createclient();
c.onmessage(function(m) { if (got++ == 0) server.log("mqtt: got " + m.topic); });
c.onconnectionlost(function() { server.log("mqtt: lost"); });
c.connect("tcp://{{SERVE}}", "x");`},
	{name: "clients that connect and connect", on: "mqtt client", said: hog + `|mqtt`, load: hole, code: `
said <- false;
function attack() {
    for (local i = 0; i < 100; i++) {
        local c = mqtt.createclient();
        c.onconnect(function(e) { if (!said) { said = true; server.log("mqtt: " + e); } });
        try { c.connect("tcp://{{SERVE}}", "x" + i) } catch (e) {
            if (!said) { said = true; server.log("mqtt: " + e); }
        }
    }
}`},
	{name: "200 KB to a broker that does not read", on: "mqtt client", said: hog + `|mqtt`, load: broker, code: `
s <- "x"; for (local i = 0; i < 17; i++) s += s;
said <- false;
c <- mqtt.createclient();
c.connect("tcp://{{SERVE}}", "deaf");
function attack() {
    for (local i = 0; i < 100; i++) try {
        c.createmessage("t", s).sendasync(function(e) { if (e && !said) { said = true; server.log("mqtt: " + e); } });
    } catch (e) { if (!said) { said = true; server.log("mqtt: " + e); } }
}`},
}
