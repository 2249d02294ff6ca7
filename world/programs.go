package world

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// agentCode is the agents' program. It counts requests twice, in memory and in what
// it saves, and tells only what is known to be saved. It handles what its device
// posts: each number of a directory must be the next, is saved, and goes back. Only what an
// older copy of a directory did not know to be handled may come again. It numbers what it
// sends, so that the device notices what was lost while the agent still believes in
// the same connection. What is wrong it
// says for ever.
const agentCode = `
version <- %d;
state <- server.load();
if (!("begun" in state)) state = { begun = 0, saved = 0, value = 0, up = 0, by = 0, done = -1, broken = "" };
if (!("dv" in state)) state.dv <- 0; // version of the device's code that has come to its end
if (!("dirs" in state)) state.dirs <- {}; // the device's directories by their serial numbers
if (!("restored" in state)) state.restored <- false;
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
    local key = m.dir.tostring();
    if (!(key in state.dirs)) state.dirs[key] <- { up = 0, by = 0 };
    local dir = state.dirs[key];
    if (m.n == dir.up && m.by != dir.by) return; // the device lost its power between the post and its note of it
    if (m.n <= dir.up && state.restored) return;
    server.log("got " + m.n + "/" + m.by + "/" + m.dir);
    if (m.n != dir.up + 1) broken("post " + m.n + " of the device after " + dir.up);
    dir.up = m.n;
    dir.by = m.by;
    state.up++;
    while (tandem.post("back", m) != 0) imp.sleep(0.1);
    save();
});
device.on("broken", broken);
device.on("done", function(m) {
    local key = m.dir.tostring(), up = key in state.dirs ? state.dirs[key].up : 0;
    if (up != m.n) broken("the device has posted " + m.n + ", and " + up + " have come");
    state.done = state.up;
    state.dv = m.v;
    save();
});
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
    case "/restored": state.restored = true; save(); r.send(200, "noted"); return;
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
// over all power cuts. An agent that has been replaced may not be heard any more. Each
// directory has a serial number, by which the code knows that it begins in another.
const deviceCode = `
version <- %d;
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
dir <- hardware.lightlevel();
sent <- 0; back <- 0; life <- 0; halted <- false; over <- false;
ticks <- 0; // since it was halted
waits <- 0; // for the agent to hear of a gap: the news may be behind other events
local kept = imp.getuserconfiguration();
if (kept != null && kept.readn('i') == dir) { sent = kept.readn('i'); back = kept.readn('i'); }
function keep() {
    local b = blob(12);
    b.writen(dir, 'i'); b.writen(sent, 'i'); b.writen(back, 'i');
    imp.setuserconfiguration(b);
}
function end() {
    if (over || ticks < 2 || sent != back) return; // the agent may send one before it hears of a connection
    if (gap && waits < 2) {
        if (waits == 0) imp.wakeup(30, function() { waits = 2; end(); });
        waits = 1;
        return;
    }
    if (gap) tandem.post("broken", "a message of the agent was lost and the agent has not heard of it");
    tandem.post("done", { n = sent, v = version, dir = dir });
    over = true;
}
agent.on("back", function(m) {
    if (m.dir != dir) return; // it was posted from another directory
    server.log("back " + m.n + "/" + m.by + "/" + m.dir);
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
    server.log("sent " + (sent + 1) + "/" + tandem.incarnation() + "/" + dir);
    tandem.post("up", { n = ++sent, by = tandem.incarnation(), dir = dir });
    keep();
}
next();`

// programs has the versions of both sides' code, compiled once for all worlds.
var programs sync.Map

// deploymentOf returns the id of the deployment of a version.
func deploymentOf(version int) string { return strconv.Itoa(version) }

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
	made := &life.Program{
		Agent: agent, Device: device, DeviceSHA: hex.EncodeToString(sum[:]),
		Env: map[string]string{"DEPLOYMENT_ID": deploymentOf(version)},
	}
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
