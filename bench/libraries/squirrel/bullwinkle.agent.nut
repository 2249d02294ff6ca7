// The device answers, or does not.
#require "Bullwinkle.class.nut:2.3.2"

class BullwinkleWork extends ImpTestCase {
	bull = null;

	function setUp() { if (bull == null) bull = Bullwinkle({ messageTimeout = 2, maxRetries = 1 }); }

	function testReply() {
		return Promise(function(resolve, reject) {
			bull.send("temperature", { unit = "C" })
				.onReply(@(message) resolve(message.data))
				.onFail(@(error, message, retry) reject(error));
		}.bindenv(this)).then(function(data) { assertDeepEqual({ unit = "C", value = 21.5 }, data); }.bindenv(this));
	}

	function testSuccess() {
		return Promise(function(resolve, reject) {
			bull.send("note", "x").onSuccess(@(message) resolve(message.name)).onFail(@(error, message, retry) reject(error));
		}.bindenv(this)).then(function(name) { assertEqual("note", name); }.bindenv(this));
	}

	function testNoHandler() {
		return Promise(function(resolve, reject) {
			bull.send("nobody", 1).onFail(@(error, message, retry) resolve(error)).onSuccess(@(message) reject("it succeeded"));
		}.bindenv(this)).then(function(error) { assertEqual(BULLWINKLE_ERR_NO_HANDLER, error); }.bindenv(this));
	}
}
