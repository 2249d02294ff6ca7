// A request waits for the answer of the device, which may never come.

local waiting = null;
open <- 0;

device.on("value", function(v) {
    if (waiting == null) return;
    waiting.send(200, v.tostring());
    waiting = null;
    open--;
});

http.onrequest(function(request, response) {
    if (waiting != null) return response.send(429, "one at a time");
    waiting = response;
    open++;
    device.send("value?", null);
});
