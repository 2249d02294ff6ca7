// Thermostat, the device's half. There is no sensor on your desk, so a small
// model of a room stands in for one: it loses warmth to the outside, and the
// heater adds some. Replace `measure` and `heat` and the rest is real.

const PERIOD = 2;          // seconds between readings
const HYSTERESIS = 0.3;    // °C either side of the target
const OUTSIDE = 8.0;       // °C
const LOSS = 0.004;        // of the difference to the outside, per second
const POWER = 0.16;        // °C per second while heating

// Keep heating when the network is away: a failed send returns an error code
// instead of stopping the program.
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

room <- 17.0;
target <- null;            // unknown until the agent has told us
heating <- false;
unreported <- 0.0;         // seconds of heating the agent has not heard of

function measure() {
    room += ((heating ? POWER : 0.0) - (room - OUTSIDE) * LOSS) * PERIOD;
    return room;
}

function heat(on) {
    if (on != heating) server.log(on ? "Heating" : "Warm enough");
    heating = on;
}

function tick() {
    imp.wakeup(PERIOD, tick);
    if (heating) unreported += PERIOD;
    local temperature = measure();
    if (target != null) {
        if (temperature < target - HYSTERESIS) heat(true);
        else if (temperature > target + HYSTERESIS) heat(false);
    }
    local sent = unreported;
    local failed = agent.send("reading", { temperature = temperature, heating = heating, heated = sent });
    if (!failed) unreported -= sent;
    else if (!server.isconnected()) server.connect(@(reason) null, 30);
}

agent.on("target", function(celsius) {
    if (target != celsius) server.log(format("Target %.1f °C", celsius));
    target = celsius;
});

agent.send("target?", null);
tick();
