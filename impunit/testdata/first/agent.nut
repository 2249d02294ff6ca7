// Thermostat, the agent's half. It remembers the wanted temperature, shows a
// page to set it, and keeps the device informed. The device decides for itself
// when to heat, so a room stays warm without the network.

const MIN_TARGET = 5;     // °C
const MAX_TARGET = 30;
const HISTORY = 180;      // readings kept for the chart, in memory only
const QUIET = 30;         // seconds without a reading before we worry

// What must survive a restart of the agent is in this table, and only that.
saved <- server.load();
if (!("target" in saved)) saved.target <- 20.0;
if (!("heated" in saved)) saved.heated <- 0.0;   // seconds of heating, ever

history <- [];
lastSeen <- 0;
worried <- false;

function setTarget(celsius) {
    saved.target = celsius;
    // Nothing is promised to anybody before it is on disk.
    if (server.save(saved) != 0) throw "the target could not be saved";
    device.send("target", saved.target);
    server.log(format("Target is now %.1f °C", saved.target));
}

// A reading counts the seconds of heating since the one before. Saving inside
// the handler makes it exactly once: the device's message is acknowledged when
// this function has returned.
device.on("reading", function(reading) {
    saved.heated += reading.heated;
    if (reading.heated > 0) server.save(saved);
    history.append(reading);
    if (history.len() > HISTORY) history.remove(0);
    lastSeen = time();
    if (worried) {
        worried = false;
        server.log("The device is back");
    }
});

// The device asks when it starts; we tell it when it returns.
device.on("target?", function(_) { device.send("target", saved.target); });
device.onconnect(function() { device.send("target", saved.target); });

function watch() {
    imp.wakeup(5, watch);
    if (lastSeen == 0 || worried || time() - lastSeen < QUIET) return;
    worried = true;
    server.error(format("No reading for %d seconds", QUIET));
}
watch();

function state() {
    local last = history.len() > 0 ? history.top() : null;
    return {
        target = saved.target,
        temperature = last ? last.temperature : null,
        heating = last ? last.heating : false,
        heatedMinutes = saved.heated / 60.0,
        online = device.isconnected(),
        history = history.map(@(r) r.temperature)
    };
}

function answer(response, status, value) {
    response.header("Content-Type", "application/json");
    response.header("Cache-Control", "no-store");
    response.send(status, http.jsonencode(value));
}

// The wanted temperature in a request: {"target": 21.5}. Throws what is wrong.
function wanted(body) {
    local value = http.jsondecode(body);
    if (typeof value != "table" || !("target" in value)) throw "there is no target in it";
    value = value.target;
    if (typeof value != "integer" && typeof value != "float") throw "the target must be a number";
    if (value < MIN_TARGET || value > MAX_TARGET) throw format("the target must be between %d and %d", MIN_TARGET, MAX_TARGET);
    return value.tofloat();
}

http.onrequest(function(request, response) {
    local path = request.path;
    if (path == "" || path == "/") {
        response.header("Content-Type", "text/html; charset=utf-8");
        response.send(200, PAGE);
    } else if (path == "/state") {
        answer(response, 200, state());
    } else if (path == "/target" && (request.method == "POST" || request.method == "PUT")) {
        local target;
        try {
            target = wanted(request.body);
        } catch (problem) {
            return answer(response, 400, { error = "Send {\"target\": 21.5}: " + problem });
        }
        setTarget(target);
        answer(response, 200, state());
    } else {
        answer(response, 404, { error = "there is /, /state and POST /target" });
    }
});

// One page, no dependencies. Attributes in single quotes: a verbatim string
// ends at a double one.
PAGE <- @"<!doctype html>
<html lang='en'>
<meta charset='utf-8'>
<meta name='viewport' content='width=device-width, initial-scale=1'>
<title>Thermostat</title>
<style>
  :root { color-scheme: light dark; --warm: #e8590c; --line: #8884; --dim: #888; }
  * { box-sizing: border-box; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 16px/1.4 system-ui, sans-serif; }
  main { width: min(22rem, 92vw); text-align: center; }
  #now { font-size: 5.5rem; font-weight: 200; letter-spacing: -.03em; line-height: 1.1; font-variant-numeric: tabular-nums; }
  #status { color: var(--dim); min-height: 1.4em; }
  .heating #status { color: var(--warm); }
  svg { width: 100%; height: 4.5rem; margin: 1rem 0; overflow: visible; }
  polyline { fill: none; stroke: currentColor; stroke-width: 2; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
  #goal { stroke: var(--warm); stroke-width: 1; stroke-dasharray: 4 4; vector-effect: non-scaling-stroke; }
  form { display: flex; align-items: center; justify-content: center; gap: 1rem; }
  button { font: inherit; font-size: 1.5rem; width: 3.25rem; height: 3.25rem; border-radius: 50%; border: 1px solid var(--line); background: none; color: inherit; cursor: pointer; }
  button:hover { border-color: var(--warm); color: var(--warm); }
  output { min-width: 7.5rem; font-size: 1.75rem; font-variant-numeric: tabular-nums; }
  small { display: block; color: var(--dim); font-size: .8rem; }
</style>
<main>
  <div id='now'>–</div>
  <div id='status' role='status'>waiting for the device</div>
  <svg viewBox='0 0 100 100' preserveAspectRatio='none' aria-hidden='true'><line id='goal' x1='0' x2='100'/><polyline id='trace'/></svg>
  <form>
    <button type='button' data-step='-0.5' aria-label='cooler'>−</button>
    <output id='target'>–</output>
    <button type='button' data-step='0.5' aria-label='warmer'>+</button>
  </form>
  <small id='heated'></small>
</main>
<script>
  const base = location.pathname.replace(/\/+$/, '');
  const $ = id => document.getElementById(id);
  const degrees = x => x.toFixed(1) + ' °C';
  let target = null, pending = 0, timer;

  function show(s) {
    if (!pending) target = s.target;
    $('now').textContent = s.temperature === null ? '–' : s.temperature.toFixed(1) + '°';
    $('status').textContent = !s.online ? 'device offline' : s.heating ? 'heating' : 'at rest';
    document.body.className = s.online && s.heating ? 'heating' : '';
    $('target').innerHTML = degrees(target) + '<small>target</small>';
    $('heated').textContent = s.heatedMinutes >= 1 ? Math.round(s.heatedMinutes) + ' minutes of heating so far' : '';
    const all = s.history.concat(target), low = Math.min(...all) - .5, high = Math.max(...all) + .5;
    const y = v => 100 - 100 * (v - low) / (high - low);
    const step = 100 / Math.max(1, s.history.length - 1);
    $('trace').setAttribute('points', s.history.map((v, i) => i * step + ',' + y(v)).join(' '));
    $('goal').setAttribute('y1', y(target));
    $('goal').setAttribute('y2', y(target));
  }

  async function refresh() {
    try {
      show(await (await fetch(base + '/state')).json());
    } catch (e) {
      $('status').textContent = 'no answer from the agent';
    }
  }

  async function push() {
    const sent = pending;
    const r = await fetch(base + '/target', { method: 'POST', body: JSON.stringify({ target }) });
    if (sent === pending) pending = 0;
    if (r.ok) show(await r.json());
  }

  document.querySelectorAll('button').forEach(b => b.onclick = () => {
    if (target === null) return;
    target = Math.min(30, Math.max(5, target + Number(b.dataset.step)));
    pending++;
    $('target').innerHTML = degrees(target) + '<small>target</small>';
    clearTimeout(timer);
    timer = setTimeout(push, 250);
  });

  refresh();
  setInterval(refresh, 2000);
</script>
";
