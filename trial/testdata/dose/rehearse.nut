local given = {};
local twice = null;

// The pump takes a key, and gives a dose only once for the same key.
local keys = {};
world.http.serve("https://pump.example/dose", function(r) {
    if ("key" in r.headers) {
        if (r.headers.key in keys) return 200;
        keys[r.headers.key] <- true;
    }
    if (r.body in given) twice = r.body;
    given[r.body] <- true;
    return 200;
});
always("no dose is given twice", @() twice == null || "dose " + twice);
