// Takes the device's readings, and notes each that does not follow the one before.
state <- server.load();
if (!("count" in state)) state = { count = 0, orders = 0, last = { life = 0, run = 0, n = 0 }, wrong = [], ended = [] };

function place(r) { return format("%d/%d/%d", r.life, r.run, r.n); }

device.on("reading", function(r) {
    local last = state.last;
    // An old copy of the device's directory has the readings again that were not acknowledged
    // when it was made.
    if (r.life < last.life) return;
    local next = r.life == last.life && r.run == last.run && r.n == last.n + 1;
    local begins = (r.life > last.life || r.life == last.life && r.run > last.run) && r.n == 1;
    if (next || begins) {
        state.count++;
        if (begins) state.ended.push(last);
        if (state.ended.len() > 300) state.ended.remove(0);
        state.last = { life = r.life, run = r.run, n = r.n };
    } else if (state.wrong.len() < 20) {
        state.wrong.push(place(r) + " after " + place(last));
    }
    // What a handler does again after a crash it does once: it posts first, and then saves.
    if (state.count % 10 == 0 && tandem.post("order", state.orders + 1) == 0) state.orders++;
    server.save(state);
});

http.onrequest(function(request, response) { response.send(200, http.jsonencode(state)); });
