package world

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// agentCode is the agents' program. It counts requests twice, in memory and in what
// it saves, and tells only what is known to be saved. It handles what its device
// posts: each number must be the next, is saved, and goes back. It numbers what it
// sends, so that the device notices what was lost while the agent still believes in
// the same connection. What is wrong it
// says for ever.
const agentCode = `
version <- %d;
state <- server.load();
if (!("begun" in state)) state = { begun = 0, saved = 0, value = 0, up = 0, by = 0, done = -1, broken = "" };
if (!("dv" in state)) state.dv <- 0; // version of the device's code that has come to its end
safe <- 0; count <- 0;
function save() {
    while (server.save(state) != 0) imp.sleep(0.1);
    safe = state.saved;
}
function broken(what) {
    server.error(what);
    if (state.broken == "") state.broken = what;
    save();
}
state.begun++;
save();
device.on("up", function(m) {
    if (m.n == state.up && m.by != state.by) return; // the device lost its power between the post and its note of it
    server.log("got " + m.n + "/" + m.by);
    if (m.n != state.up + 1) broken("post " + m.n + " of the device after " + state.up);
    state.up = m.n;
    state.by = m.by;
    while (tandem.post("back", m) != 0) imp.sleep(0.1);
    save();
});
device.on("broken", broken);
device.on("done", function(m) { state.done = m.n; state.dv = m.v; save(); });
epoch <- 0; nth <- 0; // of messages since the last connection that the agent has heard of
ticking <- false;
function tick() {
    ticking = device.isconnected();
    if (!ticking) return;
    imp.wakeup(1, tick);
    device.send("tick", { life = tandem.incarnation(), epoch = epoch, nth = ++nth });
}
device.onconnect(function() { epoch++; nth = 0; if (!ticking) tick(); });
http.onrequest(function(q, r) {
    switch (q.path) {
    case "/halt": tandem.post("halt", null); r.send(200, "halting"); return;
    case "/write": state.value = q.query.v.tointeger(); save(); r.send(200, "written"); return;
    case "/read": r.send(200, state.value.tostring()); return;
    }
    count++;
    if (q.method == "POST") { state.saved++; save(); }
    if (q.path == "/restart") { server.restart(); return; }
    local numbers = state.begun + " " + count + " " + safe + " " + state.up + " " + state.done + " " + version;
    r.send(200, numbers + " " + state.dv + "\n" + state.broken);
});`

// deviceCode posts a number each second, and wants them back in order, each once,
// over all power cuts. An agent that has been replaced may not be heard any more.
const deviceCode = `
version <- %d;
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
sent <- 0; back <- 0; life <- 0; halted <- false; over <- false;
ticks <- 0; // since it was halted
waits <- 0; // for the agent to hear of a gap: the news may be behind other events
local kept = imp.getuserconfiguration();
if (kept != null) { sent = kept.readn('i'); back = kept.readn('i'); }
function keep() { local b = blob(8); b.writen(sent, 'i'); b.writen(back, 'i'); imp.setuserconfiguration(b); }
function end() {
    if (over || ticks < 2 || sent != back) return; // the agent may send one before it hears of a connection
    if (gap && waits < 2) {
        if (waits == 0) imp.wakeup(30, function() { waits = 2; end(); });
        waits = 1;
        return;
    }
    if (gap) tandem.post("broken", "a message of the agent was lost and the agent has not heard of it");
    tandem.post("done", { n = sent, v = version });
    over = true;
}
agent.on("back", function(m) {
    server.log("back " + m.n + "/" + m.by);
    if (m.n != back + 1) tandem.post("broken", "post " + m.n + " comes back after " + back);
    back = m.n;
    if (sent < back) sent = back;
    keep();
    end();
});
epoch <- 0; nth <- 0; gap <- false;
agent.on("tick", function(m) {
    if (m.life < life) tandem.post("broken", "the agent's life " + m.life + " is heard after life " + life);
    if (m.life != life || m.epoch != epoch) gap = false;
    else if (m.nth <= nth) tandem.post("broken", "message " + m.nth + " of the agent comes after message " + nth);
    else if (m.nth != nth + 1) gap = true; // the agent must hear of it before the end
    life = m.life; epoch = m.epoch; nth = m.nth;
    if (halted && ++ticks >= 2) end();
});
agent.on("halt", function(_) { halted = true; });
function next() {
    if (halted) return;
    imp.wakeup(1, next);
    if (sent - back >= 20) return;
    server.log("sent " + (sent + 1) + "/" + tandem.incarnation());
    tandem.post("up", { n = ++sent, by = tandem.incarnation() });
    keep();
}
next();`

// programs has the versions of both sides' code, compiled once for all worlds.
var programs sync.Map

// program returns a version of both sides' code.
func program(version int) *life.Program {
	if p, ok := programs.Load(version); ok {
		return p.(*life.Program)
	}
	agent, err := imp.Compile(tandem.AgentSide, fmt.Appendf(nil, agentCode, version), nil)
	if err != nil {
		panic(err) // our own program
	}
	device := fmt.Sprintf(deviceCode, version)
	sum := sha256.Sum256([]byte(device))
	made := &life.Program{Agent: agent, Device: device, DeviceSHA: hex.EncodeToString(sum[:])}
	p, _ := programs.LoadOrStore(version, made)
	return p.(*life.Program)
}

// compiled has the devices' programs, of which there is one.
var compiled sync.Map

func compileDevice(text string, env map[string]string) (*compile.Program, error) {
	if p, ok := compiled.Load(text); ok {
		return p.(*compile.Program), nil
	}
	p, err := imp.Compile(tandem.DeviceSide, []byte(text), env)
	if err == nil {
		compiled.Store(text, p)
	}
	return p, err
}
