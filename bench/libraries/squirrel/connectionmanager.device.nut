// Disconnecting and connecting, and what is kept until then.
#require "ConnectionManager.lib.nut:3.1.1"

class ConnectionManagerWork extends ImpTestCase {
	function testOffAndOn() {
		local cm = ConnectionManager({ stayConnected = false, startBehavior = CM_START_NO_ACTION });
		local seen = [];
		return Promise(function(resolve, reject) {
			cm.onDisconnect(function(expected) {
				seen.append("off " + expected + " " + server.isconnected());
				cm.onNextConnect(@() seen.append("next"));
				cm.log("kept while offline");
				imp.wakeup(1, @() cm.connect());
			});
			cm.onConnect(function() {
				seen.append("on " + cm.isConnected());
				imp.wakeup(0.5, @() resolve(null));
			});
			imp.wakeup(0.5, @() cm.disconnect());
		}.bindenv(this)).then(function(_) {
			cm.onDisconnect(null);
			cm.onConnect(null);
			assertDeepEqual(["off true false", "on true", "next"], seen);
		}.bindenv(this));
	}
}
