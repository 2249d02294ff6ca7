// Posts numbered readings, and says on the wire, which the trial reads, what is on its disk:
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
kept = kept == null ? ["0", "0"] : split(kept.tostring(), " ");
orders <- kept[1].tointeger();
// An old copy of the directory has an old number.
current <- kept[0].tointeger() == life;
say(format("start %d %d %d", life, run, orders));

agent.on("order", function(order) {
    if (current ? order != orders + 1 : order <= orders) say(format("wrong order %d after %d", order, orders));
    orders = order;
    current = true;
    imp.setuserconfiguration(life + " " + orders);
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
    if (tandem.post("reading", { life = life, run = run, n = n + 1 }) != 0) {
        say("full");
        return;
    }
    n++;
    later(format("reading %d %d %d", life, run, n));
}
read();
