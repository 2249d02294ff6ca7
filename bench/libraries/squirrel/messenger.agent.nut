#require "Messenger.lib.nut:0.2.0"

messenger <- Messenger();
messenger.on("plain", function(payload, customAck) {});
messenger.on("double", function(payload, customAck) {
	local ack = customAck();
	imp.wakeup(0.2, @() ack(payload.data * 2));
});
messenger.defaultOn(@(payload, customAck) customAck()("default " + payload.name));
