local waiting = null;
local timer = null;
open <- 0;

function finish(status, text) {
    if (waiting == null) return;
    imp.cancelwakeup(timer);
    local response = waiting;
    waiting = null;
    open--;
    response.send(status, text);
}

device.on("value", function(v) { finish(200, v.tostring()); });

http.onrequest(function(request, response) {
    if (waiting != null) return response.send(429, "one at a time");
    waiting = response;
    open++;
    timer = imp.wakeup(10, @() finish(504, "the device does not answer"));
    device.send("value?", null);
});
