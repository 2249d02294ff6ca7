const FILES = 25;
missing <- {};
local busy = false;

// One at a time, and each until it is there.
function next() {
    if (busy || missing.len() == 0) return;
    local name;
    foreach (n, _ in missing) { name = n; break; }
    busy = true;
    http.put("https://store.example/" + name, {}, "data").sendasync(function(r) {
        busy = false;
        if (r.statuscode == 200) { if (name in missing) delete missing[name]; }
        imp.wakeup(r.statuscode == 200 ? 0.6 : 5, next);
    }, null, 10);
}

device.onconnect(function() {
    for (local i = 0; i < FILES; i++) missing["file" + i] <- true;
    next();
});
