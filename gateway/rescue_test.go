package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/mqtt"
)

// faulty is a host that panics for otherID: in the call at, or in handled when that is called
// on another goroutine.
type faulty struct {
	*testHost
	at string
}

func (h *faulty) fail(id tandem.DeviceID, at string) {
	if id == otherID && at == h.at {
		panic("the host fails at " + at)
	}
}

func (h *faulty) Connect(ctx context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string) error {
	h.fail(id, "Connect")
	return h.testHost.Connect(ctx, id, l, next, address)
}

func (h *faulty) FromDevice(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string,
	m tandem.Message, handled func()) error {
	h.fail(id, "FromDevice")
	return h.testHost.FromDevice(ctx, id, ref, seq, topic, m, handled)
}

func (h *faulty) Disconnect(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	h.testHost.Disconnect(ctx, id, ref, end)
	h.fail(id, "Disconnect")
	return nil
}

// TestPanicEndsOneConnection: wherever the host panics, that connection ends, the host is told
// once of its end, the operator is told with a stack, and other devices notice nothing.
func TestPanicEndsOneConnection(t *testing.T) {
	for _, at := range []string{"Authenticate", "Connect", "FromDevice", "Disconnect", "Feed", "Send"} {
		t.Run(at, func(t *testing.T) {
			log, text := journal()
			h := &faulty{newHost(), at}
			g := &Gateway{Host: h, Logger: log}
			g.Authenticate = func(ctx context.Context, l Login) (Standing, error) {
				h.fail(l.Device, "Authenticate")
				return authenticate(ctx, l)
			}
			addr, stop := start(t, g)
			quiet := join(t, addr, mqtt.V5)
			h.next(t, "connect")

			c := connecting(mqtt.V5)
			c.ClientID, c.Username = otherID, otherID
			bad := open(t, addr, c)
			if at != "Authenticate" && at != "Connect" {
				if ack := want[*mqtt.Connack](bad); ack.Code != mqtt.Success {
					t.Fatal(ack.Code)
				}
				link := h.next(t, "connect").link.(*conn)
				switch at {
				case "Feed":
					link.mu.Lock()
					link.session = session.New(nil, g.now()) // it panics without a configuration
					link.mu.Unlock()
				case "Send":
					bad.subscribe("device/#")
					g.config.Stamp = nil // of the next message
					if link.Send("device/x", tandem.Message{}) {
						t.Error("a message that panics counts as sent")
					}
				}
				if at != "Send" {
					bad.publish("agent/x", "", 1, nil)
				}
				if at == "Disconnect" {
					h.next(t, "agent/x")
					bad.nc.Close()
				}
				h.next(t, "lost")
			} else if at == "Connect" {
				h.next(t, "lost")
			}
			for at != "Disconnect" && bad.next() != nil {
			}
			waitFor(t, func() bool { return g.Faults() > 0 })
			for _, want := range []string{"internal error", "stack=", "panic=", "rescue.go"} {
				if !strings.Contains(text(), want) {
					t.Errorf("the log lacks %q:\n%s", want, text())
				}
			}
			quiet.delivered(quiet.publish("agent/x", "", 1, nil), mqtt.Success)
			h.next(t, "agent/x")
			quiet.nc.Close()
			h.next(t, "lost")
			stop()
			if len(h.events) > 0 {
				t.Errorf("the host is told %q besides", (<-h.events).what)
			}
		})
	}
}

// waitFor waits until something that has no event of its own is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); !so(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it does not happen")
		}
	}
}
