#require "MessageManager.lib.nut:2.4.0"

mm <- MessageManager();
mm.on("echo", @(message, reply) reply(message.data));
mm.on("quiet", function(message, reply) {});
mm.on("ask us", function(message, reply) {
	mm.send("ask back", message.data, { onReply = @(_, data) mm.send("told", data) });
});
