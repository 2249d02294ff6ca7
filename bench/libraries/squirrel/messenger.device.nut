// Messages to the agent, acknowledged by it.
#require "Messenger.lib.nut:0.2.0"

class MessengerWork extends ImpTestCase {
	messenger = null;

	function setUp() { if (messenger == null) messenger = Messenger({ ackTimeout = 5 }); }

	function send(name, data) {
		return Promise(function(resolve, reject) {
			messenger.onAck(@(message, data) resolve(data));
			messenger.onFail(@(message, reason) reject(reason));
			messenger.send(name, data);
		}.bindenv(this));
	}

	function testAck() { return send("plain", [1, 2]).then(function(data) { assertEqual(null, data); }.bindenv(this)); }

	function testOwnAck() {
		return send("double", 21).then(function(data) { assertEqual(42, data); }.bindenv(this));
	}

	function testUnknown() { return send("something", "x").then(function(data) { assertEqual("default something", data); }.bindenv(this)); }
}
