// A post is handled again when the agent restarted before its end, and the handler gives another dose.

device.on("dose", function(n) {
    local r = http.post("https://pump.example/dose", {}, n.tostring()).sendsync();
    if (r.statuscode != 200) server.error("no dose: " + r.statuscode);
});
