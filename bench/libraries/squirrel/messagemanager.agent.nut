// Requests to the device, and the device's to us.
#require "MessageManager.lib.nut:2.4.0"

class MessageManagerWork extends ImpTestCase {
	mm = null;

	function setUp() {
		if (mm == null) mm = MessageManager({ messageTimeout = 5 });
		mm.on("ask back", function(message, reply) { reply({ agent = message.data }); });
	}

	function testReply() {
		return Promise(function(resolve, reject) {
			mm.send("echo", { list = [1, 2.5, null, true, "x"] }, {
				onReply = @(message, data) resolve(data),
				onFail = @(message, reason, retry) reject(reason)
			});
		}.bindenv(this)).then(function(data) { assertDeepEqual({ list = [1, 2.5, null, true, "x"] }, data); }.bindenv(this));
	}

	function testAck() {
		return Promise(function(resolve, reject) {
			mm.send("quiet", null, { onAck = @(message) resolve(null), onFail = @(message, reason, retry) reject(reason) });
		}.bindenv(this)).then(function(_) { assertEqual(0, mm.getPendingCount()); }.bindenv(this));
	}

	function testNoHandler() {
		return Promise(function(resolve, reject) {
			mm.send("nobody", 1, { onFail = @(message, reason, retry) resolve(reason), onAck = @(message) reject("acknowledged") });
		}.bindenv(this)).then(function(reason) { assertEqual(MM_ERR_NO_HANDLER, reason); }.bindenv(this));
	}

	function testDeviceAsks() {
		return Promise(function(resolve, reject) {
			mm.on("told", @(message, reply) resolve(message.data));
			mm.send("ask us", 42, { onFail = @(message, reason, retry) reject(reason) });
		}.bindenv(this)).then(function(data) { assertDeepEqual({ agent = 42 }, data); }.bindenv(this));
	}
}
