// The agent answers its own requests.
#require "Rocky.agent.lib.nut:3.0.1"

class RockyWork extends ImpTestCase {
	function setUp() {
		local app = Rocky.init({ allowUnsecure = true, timeout = 2 });
		app.get("/hello", @(c) c.send(200, "Hello"));
		app.get("/hello/([^/]+)", @(c) c.send(200, { name = c.matches[1], query = c.req.query }));
		app.post("/sum", function(c) {
			local sum = 0;
			foreach (x in c.req.body) sum += x;
			c.send({ sum = sum });
		});
		app.put("/form", @(c) c.send(201, c.req.body.a + "," + c.req.body.b));
		app.get("/never", function(c) {});
		app.get("/throw", function(c) { throw "thrown on purpose"; });
		app.get("/secret", @(c) c.send(200, "told"))
			.authorize(@(c) c.getHeader("authorization") == "Bearer right")
			.onUnauthorized(@(c) c.send(401, "who are you?"));
		app.get("/before", @(c) c.send(200, c.req.seen)).use([
			function(c, next) { c.req.seen <- "first"; next(); },
			function(c, next) { c.req.seen += " second"; next(); }
		]);
		app.onTimeout(@(c) c.send(408, "too late"));
		app.onNotFound(@(c) c.send(404, "nothing here"));
		app.onException(@(c, e) c.send(500, "caught " + e));
	}

	function ask(method, path, headers = {}, body = "") {
		local request = http.request(method, http.agenturl() + path, headers, body);
		return Promise(function(resolve, reject) { request.sendasync(resolve); });
	}

	function expect(method, path, status, want, headers = {}, body = "") {
		return ask(method, path, headers, body).then(function(r) {
			assertEqual(status, r.statuscode, path + ": " + r.statuscode + " " + r.body);
			if (typeof want == "table") assertDeepEqual(want, http.jsondecode(r.body));
			else assertEqual(want, r.body);
			return r;
		}.bindenv(this));
	}

	function testText() { return expect("GET", "/hello", 200, "Hello"); }

	function testCapture() { return expect("GET", "/hello/ann?x=1&y=", 200, { name = "ann", query = { x = "1", y = "" } }); }

	function testJSON() { return expect("POST", "/sum", 200, { sum = 6 }, { "Content-Type": "application/json" }, "[1, 2, 3]"); }

	function testForm() { return expect("PUT", "/form", 201, "1,b c", { "Content-Type": "application/x-www-form-urlencoded" }, "a=1&b=b%20c"); }

	function testTimeout() { return expect("GET", "/never", 408, "too late"); }

	function testException() { return expect("GET", "/throw", 500, "caught thrown on purpose"); }

	function testUnauthorized() { return expect("GET", "/secret", 401, "who are you?"); }

	function testAuthorized() { return expect("GET", "/secret", 200, "told", { "Authorization": "Bearer right" }); }

	function testMiddleware() { return expect("GET", "/before", 200, "first second"); }

	function testNotFound() { return expect("GET", "/elsewhere", 404, "nothing here"); }

	function testCORS() {
		return expect("GET", "/hello", 200, "Hello").then(function(r) { assertEqual("*", r.headers["access-control-allow-origin"]); }.bindenv(this));
	}
}
