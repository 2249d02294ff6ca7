package gateway

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestMosquittoNames: a client that is not ours, and strict about topics, sends and receives
// messages of any name.
func TestMosquittoNames(t *testing.T) {
	names := []string{
		"reading", "", "a/b", "/", "+", "a#b", "\x00\n\x7f\u0085", "$SYS/x", "50%", "%41%>", "\xff", "\ufffe", "é 日本",
		strings.Repeat("n", 64<<10), strings.Repeat("#", 64<<10),
	}
	for _, version := range []string{"311", "5"} {
		for _, name := range names {
			wire := tandem.EscapeName(name)
			h := newHost()
			h.connect = func(_ tandem.DeviceID, l tandem.Link) error {
				l.Send("device/"+wire, tandem.Message{Name: wire, Data: []byte(`{"x":1}`)})
				return nil
			}
			addr, _ := start(t, &Gateway{Host: h})
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			run := func(tool, in string, args ...string) string {
				cmd := exec.CommandContext(t.Context(), tool, append([]string{
					"-h", host, "-p", port, "-V", version, "-i", deviceID, "-u", deviceID, "-P", key, "-q", "1",
				}, args...)...)
				cmd.Stdin = strings.NewReader(in)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%s %s, %.20q: %v %.200s", tool, version, name, err, out)
				}
				return string(out)
			}
			topic, payload := tandem.WriteTopic("agent/"+wire, []byte(`{"x":1}`))
			run("mosquitto_pub", string(payload), "-t", topic, "-s")
			h.next(t, "connect")
			if m := h.next(t, "agent/"+wire).message; m.Name != wire || string(m.Data) != `{"x":1}` {
				t.Errorf("%s: the agent gets %.50q, not %.50q: %.50q", version, m.Name, wire, m.Data)
			}
			topic, payload = tandem.WriteTopic("device/"+wire, []byte(`{"x":1}`))
			got := run("mosquitto_sub", "", "-t", "device/#", "-C", "1", "-W", "10", "-F", "%t %p")
			if want := topic + " " + string(payload) + "\n"; got != want {
				t.Errorf("%s: mosquitto_sub gets %.50q, not %.50q", version, got, want)
			}
		}
	}
}
