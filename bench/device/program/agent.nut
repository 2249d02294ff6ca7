// Takes the device's readings, and notes each that does not follow the one before.
state <- server.load();
if (!("count" in state)) {
    state = { count = 0, orders = 0, last = { life = 0, run = 0, n = 0 }, wrong = [], ended = [], late = null, lates = 0 };
}

function place(r) { return format("%d/%d/%d", r.life, r.run, r.n); }

// A directory that was restored has kept posts of a life before. They come first, in their order, whether they
// have come before or not.
function late(r) {
    local before = state.late;
    local follows = before == null || r.life == before.life && r.run == before.run && r.n == before.n + 1 ||
        r.life == before.life && r.run > before.run && r.n == 1 || r.life > before.life && r.n == 1;
    state.late = { life = r.life, run = r.run, n = r.n };
    state.lates++;
    return follows;
}

device.on("reading", function(r) {
    local last = state.last;
    local next = r.life == last.life && r.run == last.run && r.n == last.n + 1;
    local begins = (r.life > last.life || r.life == last.life && r.run > last.run) && r.n == 1;
    if (next || begins) {
        state.count++;
        if (begins) state.ended.push(last);
        if (state.ended.len() > 300) state.ended.remove(0);
        state.last = { life = r.life, run = r.run, n = r.n };
        state.late = null;
    } else if (r.life < last.life && late(r)) {
        return server.save(state);
    } else if (state.wrong.len() < 20) {
        state.wrong.push(place(r) + " after " + place(last));
    }
    // What a handler does again after a crash it does once: it posts first, and then saves.
    if (state.count % 10 == 0 && tandem.post("order", state.orders + 1) == 0) state.orders++;
    server.save(state);
});

http.onrequest(function(request, response) { response.send(200, http.jsonencode(state)); });
