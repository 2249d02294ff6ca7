package gateway

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// A post waits for a subscription that can acknowledge it; the host is told when
// the device has.
func TestPosts(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		addr, _ := start(t, &Gateway{Host: h})
		d := join(t, addr, v)
		link := h.next(t, "connect").link
		post := func(name string, number uint64) {
			link.Send("device/"+name, tandem.Message{Name: name, Data: []byte(name), Post: number})
		}
		post("a", 7)
		post("b", 8)
		if _, err := d.s.Subscribe(mqtt.Subscription{Filter: "device/a", QoS: 0}); err != nil {
			t.Fatal(err)
		}
		d.flush()
		want[*mqtt.Suback](d)
		ev := h.next(t, "log/error")
		if !strings.Contains(string(ev.message.Data), "until the device subscribes with QoS 1") {
			t.Errorf("the device's log is told %q", ev.message.Data)
		}
		d.subscribe("device/b")
		p := d.message("device/b", "b")
		if v == mqtt.V5 {
			if n, _ := p.Props.Get("post"); n != "8" {
				t.Errorf("post %q", n)
			}
		}
		if p.QoS != 1 {
			t.Errorf("with QoS %d", p.QoS)
		}
		if ev := h.next(t, "sys/handled"); string(ev.message.Data) != "8" {
			t.Errorf("handled %s", ev.message.Data)
		}
		d.subscribe("device/a")
		d.message("device/a", "a")
		if ev := h.next(t, "sys/handled"); string(ev.message.Data) != "7" {
			t.Errorf("handled %s", ev.message.Data)
		}
	})
}
