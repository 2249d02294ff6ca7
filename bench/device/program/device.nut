// Posts numbered readings, every second one by agent.send, logs a line for every tenth, and says on the wire, which the trial reads, what is on its disk:
// the function of a timer runs only after all that was kept before is durable.
wire <- hardware.uart12;
wire.configure(115200, 8, PARITY_NONE, 1, NO_CTSRTS);
function say(text) { wire.write(text + "\n"); }
function later(text) { imp.wakeup(0, @() say(text)); }

// The trial counts the directories that the device has had.
hardware.i2c89.configure(CLOCK_SPEED_100_KHZ);
bytes <- hardware.i2c89.read(0x90, "\x00", 2);
life <- bytes[0] << 8 | bytes[1];
run <- tandem.incarnation();
n <- 0;
kept <- imp.getuserconfiguration();
tandem.keepsends(true);
tandem.keeplog(true);
orders <- 0;
orderly <- false; // the order before the next one was handled in this directory
if (kept != null) {
    local words = split(kept.tostring(), " ");
    orderly = words[0].tointeger() == life;
    orders = words[1].tointeger();
}
say(format("start %d %d %d", life, run, orders));

agent.on("order", function(order) {
    // A directory that was lost or restored does not have the newest.
    if (orderly ? order != orders + 1 : order <= orders) say(format("wrong order %d after %d", order, orders));
    orders = order;
    orderly = true;
    imp.setuserconfiguration(life + " " + order);
    later("order " + order);
});

// A clock that steps moves neither a timer nor the count of milliseconds.
imp.wakeup(3600, @() say("wrong timer: an hour has not passed"));
millis <- hardware.millis();
function read() {
    imp.wakeup(0.1, read);
    local now = hardware.millis();
    if (now < millis || now - millis > 60000) say(format("wrong millis: %d after %d", now, millis));
    millis = now;
    local reading = { life = life, run = run, n = n + 1 };
    if ((n & 1 ? agent.send("reading", reading) : tandem.post("reading", reading)) != 0) {
        say("full");
        return;
    }
    n++;
    if (n % 10 == 0) server.log(format("reading %d %d %d", life, run, n));
    later(format("reading %d %d %d", life, run, n));
}
read();
