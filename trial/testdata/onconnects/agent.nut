// Each connection begins a loop of its own, beside those of the connections before.

polls <- 0;
last <- null;
gap <- null;      // between the newest two polls

function poll() {
    imp.wakeup(6, poll);
    polls++;
    local now = time();
    if (last != null) gap = now - last;
    last = now;
    device.send("poll", null);
}

device.onconnect(poll);
device.on("value", function(v) { value <- v; });
