polls <- 0;
last <- null;
gap <- null;
local timer = null;

function poll() {
    if (timer != null) imp.cancelwakeup(timer);
    timer = imp.wakeup(6, again);
}

function again() {
    timer = imp.wakeup(6, again);
    polls++;
    local now = time();
    if (last != null) gap = now - last;
    last = now;
    device.send("poll", null);
}

device.onconnect(poll);
device.on("value", function(v) { value <- v; });
