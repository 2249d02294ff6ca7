// Services on the web: a local server answers with what it was asked. The
// libraries' addresses of the services are changed to its own, nothing else.
#require "Twilio.class.nut:1.0.1"
#require "Twitter.agent.lib.nut:2.0.0"
#require "Loggly.class.nut:1.1.0"
#require "Plotly.class.nut:1.0.1"
#require "Prowl.class.nut:1.0.1"
#require "Losant.agent.lib.nut:1.0.0"
#require "IBMWatson.class.nut:1.1.0"
#require "AWSRequestV4.class.nut:1.0.2"
#require "AWSLambda.agent.lib.nut:1.0.0"
#require "AWSDynamoDB.agent.lib.nut:1.0.0"
#require "Firebase.agent.lib.nut:3.2.0"

class ServicesWork extends ImpTestCase {
	echo = SERVICE + "/echo";

	// asked calls fn with a callback for a response, and returns what the service
	// was asked.
	function asked(fn) {
		return Promise(function(resolve, reject) {
			fn(function(response) {
				try {
					resolve(http.jsondecode(response.body));
				} catch (e) {
					reject(response.statuscode + " " + response.body);
				}
			});
		});
	}

	function testTwilio() {
		local twilio = Twilio("sid", "token", "+1555");
		twilio._baseUrl = echo + "/twilio/";
		return asked(@(cb) twilio.send("+1777", "Hello & good day", cb)).then(function(was) {
			assertEqual("/echo/twilio/sid/SMS/Messages.json", was.path);
			assertEqual("Basic " + http.base64encode("sid:token"), was.headers.authorization);
			assertDeepEqual({ From = "+1555", To = "+1777", Body = "Hello & good day" }, http.urldecode(was.body));
		}.bindenv(this));
	}

	function testTwilioAnswers() {
		local response = { headers = {}, sent = null, function header(k, v) { headers[k] <- v; }, function send(code, body) { sent = code + " " + body; } };
		Twilio("sid", "token", "+1555").respond(response, "Hi");
		assertEqual("200 <?xml version=\"1.0\" encoding=\"UTF-8\" ?><Response><Message>Hi</Message></Response>", response.sent);
	}

	function testProwl() {
		local prowl = Prowl("key", "app");
		prowl._baseUrl = echo;
		local was = null;
		prowl.push("event", "what happened", function(err, response, body) { was = http.jsondecode(body); });
		local query = http.urldecode(was.query);
		assertEqual("/echo/add", was.path);
		assertEqual("what happened", query.description);
		assertEqual(http.agenturl(), query.url);
	}

	function testLoggly() {
		local loggly = Loggly("token", { debug = false, tags = "a,b" });
		loggly._url = echo + "/bulk/token/tag/a,b/";
		loggly.log("temperature %.1f of %s", 21.5, "kitchen");
		loggly.error({ code = 7 });
		return asked(@(cb) loggly.flush(@(err, response) cb(response))).then(function(was) {
			local lines = split(was.body, "\n");
			assertEqual(2, lines.len());
			assertEqual("temperature 21.5 of kitchen", http.jsondecode(lines[0]).msg);
			assertEqual("ERROR", http.jsondecode(lines[1]).level);
			assertEqual(0, loggly.len());
		}.bindenv(this));
	}

	function testLogglyFails() {
		local loggly = Loggly("token", { debug = false });
		loggly._url = echo + "/403";
		loggly.log("kept");
		return Promise(@(resolve, reject) loggly.flush(@(err, response) resolve(response.statuscode))).then(function(status) {
			assertEqual(403, status);
			assertEqual(1, loggly.len());
		}.bindenv(this));
	}

	function testPlotly() {
		Plotly.PLOTLY_ENDPOINT <- echo + "/plotly";
		return Promise(function(resolve, reject) {
			local plot = null;
			plot = Plotly("user", "key", "file", true, ["temperature"], function(err, response, decoded) {
				if (err != null) return reject(err);
				plot.post([{ name = "temperature", x = [1], y = [21.5] }], @(err, response, decoded) err == null ? resolve([plot.getUrl(), decoded]) : reject(err));
			});
		}).then(function(got) {
			assertEqual("http://example.test/plot", got[0]);
			local sent = http.urldecode(got[1].body);
			assertEqual("plot", sent.origin);
			assertDeepEqual([{ name = "temperature", x = [1], y = [21.5] }], http.jsondecode(sent.args));
		}.bindenv(this));
	}

	function testLosant() {
		local losant = Losant("app", "token");
		losant._baseURL = echo + "/devices";
		return asked(@(cb) losant.sendDeviceState("d1", { data = { t = 21.5 } }, cb)).then(function(was) {
			assertEqual("/echo/devices/d1/state", was.path);
			assertEqual("Bearer token", was.headers.authorization);
			assertDeepEqual({ data = { t = 21.5 } }, http.jsondecode(was.body));
		}.bindenv(this));
	}

	function testIBMWatson() {
		local watson = IBMWatson("key", "token", "org");
		watson._dataURL = echo;
		return Promise(@(resolve, reject) watson.postData("type", "dev", "event", { d = { t = 1 } }, @(err, response) err == null ? resolve(response.body) : reject(err))).then(function(was) {
			assertEqual("/echo/application/types/type/devices/dev/events/event", was.path);
			assertEqual("Basic " + http.base64encode("key:token"), was.headers.authorization);
		}.bindenv(this));
	}

	function testTwitter() {
		Twitter.TWEET_URL <- echo + "/tweet.json";
		local twitter = Twitter("ck", "cs", "at", "as", false);
		return asked(@(cb) twitter.tweet("Hello world!", cb)).then(function(was) {
			assertEqual("/echo/tweet.json", was.path);
			assertTrue(was.headers.authorization.find("OAuth ") == 0);
			assertTrue(was.headers.authorization.find("oauth_signature=") != null);
			assertEqual("Hello world!", http.urldecode(was.query).status);
		}.bindenv(this));
	}

	// The library takes the time itself, so there is no signature to compare with.
	function testAWSLambda() {
		local lambda = AWSLambda("us-east-1", "AKID", "secret");
		lambda._awsRequest._serviceUrl = echo;
		return asked(@(cb) lambda.invoke({ functionName = "f", payload = { a = 1 } }, cb)).then(function(was) {
			assertEqual("/echo/2015-03-31/functions/f/invocations", was.path);
			assertEqual("lambda.us-east-1.amazonaws.com", lambda._awsRequest._serviceHost);
			assertTrue(regexp(@"^AWS4-HMAC-SHA256 Credential=AKID/\d+/us-east-1/lambda/aws4_request, SignedHeaders=.+, Signature=[0-9a-f]+$").match(was.headers.authorization), was.headers.authorization);
			assertEqual(16, was.headers["x-amz-date"].len());
			assertDeepEqual({ a = 1 }, http.jsondecode(was.body));
		}.bindenv(this));
	}

	function testAWSDynamoDB() {
		local db = AWSDynamoDB("us-east-1", "AKID", "secret");
		db._awsRequest._serviceUrl = echo;
		return asked(@(cb) db.action("ListTables", { Limit = 3 }, cb)).then(function(was) {
			assertEqual("DynamoDB_20120810.ListTables", was.headers["x-amz-target"]);
			assertDeepEqual({ Limit = 3 }, http.jsondecode(was.body));
		}.bindenv(this));
	}

	function testFirebase() {
		local fb = Firebase("db", "secret", "example.test", false);
		fb._baseUrl = SERVICE + "/tree";
		return fb.write("/home/temperature", 21.5)
			.then(@(_) fb.read("/home/temperature"))
			.then(function(x) { assertEqual(21.5, x); return fb.push("/log", { a = 1 }); }.bindenv(this))
			.then(function(x) { assertEqual("pushed", x.name); return fb.read("/log/pushed"); }.bindenv(this))
			.then(function(x) { assertDeepEqual({ a = 1 }, x); return fb.remove("/home/temperature"); }.bindenv(this))
			.then(@(_) fb.read("/home/temperature"))
			.then(function(x) { assertEqual(null, x); }.bindenv(this));
	}
}
