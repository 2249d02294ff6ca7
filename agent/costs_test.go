package agent

import (
	"strconv"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/chargetest"
	"github.com/tandem-iot/tandem/squirrel"
)

// receivers are what the methods of native classes are called on.
var receivers = map[string]string{
	"httprequest": "http.post(\"http://x\", t, s)", "httpstream": "http.poststream(\"http://x\", {}, f)",
	"httpresponse": "response", "regexp2": "regexp2(\"(x+)*y\")", "mqttclient": "client", "mqttmessage": "message",
}

// costNatives returns the natives of agent code as they are called.
func costNatives() (all []chargetest.Native) {
	for _, api := range []imp.API{imp.Shared, API} {
		for _, f := range api.Functions {
			if !f.On.Has(tandem.AgentSide) {
				continue
			}
			n := f.Native()
			call := chargetest.CallOf(f.Name, receivers)
			all = append(all, chargetest.Native{Call: call, Check: n.Check, Mask: n.Mask})
		}
	}
	return all
}

// costPrelude is what the calls may use beside the harness's prelude.
const costPrelude = `
response <- null;
http.onrequest(function(request, r) { response = r; });
json <- "[" + text(2 * N, "1,") + "1]"; query <- text(N, "a=b&"); coded <- text(N, "YWFh"); pattern <- text(100);
re <- regexp2("y"); timer <- imp.wakeup(3600, f);
fetch <- http.post("http://x", {}, "body"); stream <- http.poststream("http://x", {}, f);
der <- key("private1"); derPublic <- key("public");
other <- mqtt.createclient(); client <- mqtt.createclient(); message <- client.createmessage("a", "b");
rows <- [];
device.on("call", function(k) { rows[k](); });
`

// costMachine makes calls in an agent.
type costMachine struct{ w *world }

func newCostMachine(t testing.TB, prelude string, calls []string) chargetest.Machine {
	src := prelude + callKeys + costPrelude + chargetest.Rows(calls)
	cfg := mustCompile(t, src)
	cfg.Memory = 16 << 20
	cfg.Budget = 10 * time.Second
	w := newWorld(cfg)
	w.m.Step(w.now, &Boot{})
	w.m.Step(w.now, &Request{1, &tandem.Request{Method: "GET"}})
	if w.m.Dead() {
		t.Fatalf("the prelude has failed: %s", src)
	}
	w.m.core.VM.Collect()
	return &costMachine{w}
}

func (m *costMachine) Call(i int) chargetest.Sample {
	ev := &DeviceMessage{tandem.Message{Name: "call", Format: tandem.FormatJSON, Data: []byte(strconv.Itoa(i))}}
	m.w.now = m.w.now.Add(time.Hour) // all credits are back
	s := chargetest.Measure(m.w.m.core.VM, func() { m.w.m.Step(m.w.now, ev) })
	s.Over = m.w.m.Dead() || m.w.m.Busy()
	return s
}

// TestCosts: no native does more than it charges for, whatever its arguments are.
func TestCosts(t *testing.T) {
	chargetest.Costs(t, costNatives(), []string{"testdata/charges/natives.txt"}, newCostMachine,
		squirrel.Counted)
}

func FuzzCharges(f *testing.F) { chargetest.Fuzz(f, costNatives(), newCostMachine, squirrel.Counted) }
