package agent

import (
	"fmt"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/chargetest"
)

// chargesPrelude is what the calls in testdata/charges/natives.txt may use, beside
// callsPrelude. N is the size of the data.
const chargesPrelude = `
f <- function(...) {};
s <- text(N);
t <- {};
for (local i = 0; i < N / 4; i++) t["k" + i] <- i;
json <- "[" + text(N - 2, "1,") + "1]";
query <- text(N, "a=b&");
coded <- text(N, "YWFh");
pattern <- text(N < 100 ? 8 : 128);
re <- regexp2("y");
timer <- imp.wakeup(3600, f);
fetch <- http.post("http://x", {}, s);
stream <- http.poststream("http://x", {}, f);
der <- key(N < 100 ? "private1" : "private4096");
derPublic <- key(N < 100 ? "public" : "public4096");
other <- mqtt.createclient();
client <- mqtt.createclient();
message <- client.createmessage("a", s);
device.on("online", @(_) client.connect("tcp://b", "id"));
device.on("offline", @(_) client.disconnect());
server.save(t);
`

// chargedFuel returns the fuel of a call with data of a size, of its handler and
// not of what comes of it later.
func chargedFuel(t *testing.T, call string, size int) int64 {
	row := fmt.Sprintf("device.on(\"row\", function(_) { %s; });\n", call)
	src := fmt.Sprintf("const N = %d;\n", size) + row + callsPrelude + callKeys + chargesPrelude
	h := &generousHost{world: newWorld(mustCompile(t, src))}
	h.do(&Boot{})
	h.do(&Request{1, &tandem.Request{Method: "GET"}})
	if len(call) > 7 && (call[:7] == "client." || call[:7] == "message") {
		h.do(&DeviceMessage{tandem.Message{Name: "online"}})
	}
	before := h.m.core.VM.FuelUsed()
	h.out.Reset()
	h.do(&DeviceMessage{tandem.Message{Name: "row"}})
	if h.m.Dead() && call != "server.restart()" {
		t.Fatalf("%s: %s", call, h.out.String())
	}
	return h.m.core.VM.FuelUsed() - before
}

// TestCharges: what each native that agents have costs.
func TestCharges(t *testing.T) {
	var natives []string
	for _, api := range []imp.API{imp.Shared, API} {
		for _, f := range api.Functions {
			if f.On.Has(tandem.AgentSide) {
				natives = append(natives, f.Name)
			}
		}
	}
	chargetest.Run(t, "testdata/charges/natives.txt", natives, chargedFuel)
}
