package gateway

import (
	"bytes"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// What becomes of a hostile device.
const (
	kept   = "kept"   // it has its connection, and what it did has no effect on others
	slowed = "slowed" // it is not read from any more, for now
)

// heldBytes is what one connection may hold in memory, whatever its device does.
const heldBytes = 8 << 20

// hostile is a device that was let in, and misbehaves. Its bytes are made by the test.
type hostile struct {
	t    *testing.T
	g    *Gateway
	h    *testHost
	nc   net.Conn
	v    mqtt.Version
	link tandem.Link

	left   []byte // to be written first
	pinged bool   // it has sent pings before
}

// send writes packets. It returns false when the gateway has closed or takes nothing any more.
func (p *hostile) send(list ...mqtt.Packet) bool { return p.raw(packets(p.t, p.v, list...)) }

// raw writes b after what was left before, and keeps what is not taken.
func (p *hostile) raw(b []byte) bool {
	if err := p.nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return false
	}
	if len(p.left) == 0 {
		p.left = b
	}
	n, err := p.nc.Write(p.left)
	p.left = p.left[n:]
	return err == nil
}

// flood sends the same until the device is over a limit, and then as much as is taken at once.
func (p *hostile) flood(b []byte) {
	b = bytes.Repeat(b, max(1, 64<<10/len(b)))
	over := func() (n int64) {
		for _, count := range p.g.Over() {
			n += count
		}
		return n
	}
	waitFor(p.t, func() bool { p.raw(b); return over() > 0 })
	for range 20 {
		p.raw(b)
	}
}

// outcome sends a ping and reads what the gateway says, for a moment when it should say nothing.
func (p *hostile) outcome(want string) string {
	p.send(&mqtt.Ping{})
	limit := patience
	if want == slowed {
		limit = 300 * time.Millisecond
	}
	if err := p.nc.SetReadDeadline(time.Now().Add(limit)); err != nil {
		p.t.Fatal(err)
	}
	var in []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := p.nc.Read(buf)
		in = append(in, buf[:n]...)
		for {
			packet, size, bad := mqtt.Decode(in, p.v, 0)
			if bad != nil {
				break
			}
			in = in[size:]
			switch packet := packet.(type) {
			case *mqtt.Disconnect:
				return packet.Code.String()
			case *mqtt.Ping:
				if !p.pinged {
					return kept
				}
			}
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return slowed
		case err != nil:
			return "closed"
		}
	}
}

func filters(n int, text string) (list []mqtt.Subscription) {
	for i := range n {
		list = append(list, mqtt.Subscription{Filter: "device/" + strings.Repeat(text, i+1)})
	}
	return list
}

// hostiles are devices that do what a device of ours never does.
var hostiles = []struct {
	name string
	do   func(p *hostile)
	end  [2]string // with MQTT 3.1.1, and with 5
}{
	{"floods pings and reads nothing", func(p *hostile) {
		p.pinged = true
		p.flood(packets(p.t, p.v, &mqtt.Ping{}))
	}, [2]string{slowed, slowed}},
	{"floods QoS 0", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Publish{Topic: "agent/x", Payload: []byte("1")}))
	}, [2]string{slowed, slowed}},
	{"floods its log", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Publish{Topic: "log", Payload: []byte("line")}))
	}, [2]string{slowed, slowed}},
	{"floods hello", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Publish{Topic: "sys/hello", Payload: []byte("{}")}))
	}, [2]string{slowed, slowed}},
	{"floods retained messages", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Publish{Topic: "agent/x", Retain: true, Payload: make([]byte, 1000)}))
	}, [2]string{slowed, slowed}},
	{"floods large messages", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Publish{Topic: "agent/x", Payload: make([]byte, 250_000)}))
	}, [2]string{slowed, slowed}},
	{"floods acknowledgements of nothing", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Ack{Kind: mqtt.TypePuback, PacketID: 1}))
	}, [2]string{slowed, slowed}},
	{"floods PUBREL", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: 1}))
	}, [2]string{slowed, slowed}},
	{"floods SUBSCRIBE", func(p *hostile) {
		p.flood(packets(p.t, p.v, &mqtt.Subscribe{PacketID: 1, Filters: filters(100, "a")}))
	}, [2]string{slowed, slowed}},
	{"reads nothing of what it subscribes to", func(p *hostile) {
		p.send(&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.Subscription{{Filter: "device/#"}}})
		waitFor(p.t, func() bool { return load(p.link).Filters == 1 })
		for range 1000 {
			p.link.Send("device/x", tandem.Message{Data: make([]byte, 64<<10)})
		}
	}, [2]string{kept, kept}},
	{"acknowledges nothing", func(p *hostile) {
		p.send(&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.Subscription{{Filter: "device/#", QoS: 1}}})
		waitFor(p.t, func() bool { return load(p.link).Filters == 1 })
		for range 10_000 {
			p.link.Send("device/x", tandem.Message{Data: make([]byte, 1000)})
		}
	}, [2]string{kept, kept}},
	{"sends half a packet", func(p *hostile) {
		raw := packets(p.t, p.v, &mqtt.Publish{Topic: "agent/x", Payload: make([]byte, 250_000)})
		p.raw(raw[:200_000])
	}, [2]string{slowed, slowed}}, // it waits for its own rest, and is not answered
	{"announces a packet of 256 MB", func(p *hostile) {
		p.raw([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0})
	}, [2]string{"closed", "packet too large"}},
	{"subscribes with 10,000 filters at once", func(p *hostile) {
		p.raw(many(0x82, p.v, 10_000, 0, 2, 'd', '/', 0))
	}, [2]string{"closed", "quota exceeded"}},
	{"unsubscribes with 10,000 filters at once", func(p *hostile) {
		p.raw(many(0xA2, p.v, 10_000, 0, 2, 'd', '/'))
	}, [2]string{"closed", "quota exceeded"}},
	{"subscribes with long filters", func(p *hostile) {
		const count = 30
		for range count {
			p.send(&mqtt.Subscribe{PacketID: 1, Filters: filters(1, strings.Repeat("a", 60_000))})
		}
		waitFor(p.t, func() bool { return p.g.Over()[tandem.OverSubscriptions] == count })
		if n := load(p.link).Filters; n != 0 {
			p.t.Errorf("%d subscriptions", n)
		}
	}, [2]string{kept, kept}},
	{"subscribes again and again", func(p *hostile) {
		p.send(&mqtt.Subscribe{PacketID: 1, Filters: filters(500, "a")})
		waitFor(p.t, func() bool { return p.g.Over()[tandem.OverSubscriptions] == 1 })
		if n := load(p.link).Filters; n == 0 || n > 32 {
			p.t.Errorf("%d subscriptions", n)
		}
	}, [2]string{kept, kept}},
	{"sends 50,000 user properties", func(p *hostile) {
		if p.v >= mqtt.V5 {
			var props []byte
			for range 50_000 {
				props = append(props, 38, 0, 0, 0, 0)
			}
			body := append([]byte{0, 7, 'a', 'g', 'e', 'n', 't', '/', 'x'}, varint(len(props))...)
			body = append(body, props...)
			p.raw(append(append([]byte{0x30}, varint(len(body))...), body...))
		}
	}, [2]string{kept, "quota exceeded"}},
	{"uses topic aliases that it was not given", func(p *hostile) {
		if p.v >= mqtt.V5 {
			p.send(&mqtt.Publish{Topic: "agent/x", Props: &mqtt.Properties{TopicAlias: mqtt.Some[uint16](1)}})
		}
	}, [2]string{kept, "topic alias invalid"}},
	{"sends more QoS 1 than it may", func(p *hostile) { p.unhandled(1) }, [2]string{slowed, "receive maximum exceeded"}},
	{"sends more QoS 2 than it may", func(p *hostile) { p.unhandled(2) }, [2]string{slowed, "receive maximum exceeded"}},
	{"releases no message of QoS 2", func(p *hostile) {
		for i := range 5000 {
			if !p.send(&mqtt.Publish{Topic: "agent/x", QoS: 2, PacketID: uint16(i + 1)}) {
				break
			}
		}
	}, [2]string{"closed", "receive maximum exceeded"}},
	{"uses a packet identifier twice", func(p *hostile) {
		p.h.hold.Store(true)
		p.send(&mqtt.Publish{Topic: "agent/x", QoS: 1, PacketID: 1}, &mqtt.Publish{Topic: "agent/x", QoS: 1, PacketID: 1})
	}, [2]string{"closed", "protocol error"}},
	{"floods AUTH", func(p *hostile) {
		p.raw(bytes.Repeat([]byte{0xF0, 0}, 1000))
	}, [2]string{"closed", "protocol error"}},
	{"sends CONNECT again", func(p *hostile) { p.send(connecting(p.v)) }, [2]string{"closed", "protocol error"}},
	{"sends what a server sends", func(p *hostile) {
		p.send(&mqtt.Suback{PacketID: 1, Codes: []mqtt.Reason{0}})
	}, [2]string{"closed", "protocol error"}},
	{"publishes elsewhere", func(p *hostile) {
		p.send(&mqtt.Publish{Topic: "$SYS/broker"})
	}, [2]string{"closed", "not authorized"}},
	{"sends its bytes one at a time", func(p *hostile) {
		for _, b := range packets(p.t, p.v, &mqtt.Publish{Topic: "agent/x", Payload: make([]byte, 500)}) {
			p.raw([]byte{b})
		}
	}, [2]string{kept, kept}},
}

// many is a packet that repeats an item.
func many(first byte, v mqtt.Version, count int, item ...byte) []byte {
	body := []byte{0, 1}
	if v >= mqtt.V5 {
		body = append(body, 0)
	}
	body = append(body, bytes.Repeat(item, count)...)
	return append(append([]byte{first}, varint(len(body))...), body...)
}

func varint(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// unhandled sends 300 messages that the agent does not handle.
func (p *hostile) unhandled(qos byte) {
	p.h.hold.Store(true)
	for i := range 300 {
		p.send(&mqtt.Publish{Topic: "agent/x", QoS: qos, PacketID: uint16(i + 1)})
	}
}

// TestHostileDevices: whatever a device does, it holds no more memory than its share, has a clear
// end, and another device is served meanwhile.
func TestHostileDevices(t *testing.T) {
	for _, tc := range hostiles {
		t.Run(tc.name, func(t *testing.T) {
			for i, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
				h := newHost()
				h.fromDevice = func(ev hostEvent) error {
					if ev.id == deviceID && h.hold.Load() {
						return nil
					}
					ev.handled()
					return nil
				}
				g := &Gateway{Host: h}
				addr, stop := start(t, g)
				c := connecting(mqtt.V5)
				c.ClientID, c.Username = otherID, otherID
				quiet := open(t, addr, c)
				want[*mqtt.Connack](quiet)
				h.next(t, "connect")
				bad := join(t, addr, v)
				p := &hostile{t: t, g: g, h: h, nc: bad.nc, v: v, link: h.next(t, "connect").link}
				before := memory()
				tc.do(p)
				quiet.delivered(quiet.publish("agent/x", "", 1, nil), mqtt.Success)
				if now := memory(); now > before+heldBytes {
					t.Errorf("%d bytes are held", now-before)
				}
				if got := p.outcome(tc.end[i]); got != tc.end[i] {
					t.Errorf("MQTT %v: %q, want %q", v, got, tc.end[i])
				}
				quiet.delivered(quiet.publish("agent/x", "", 1, nil), mqtt.Success)
				quiet.nc.Close()
				bad.nc.Close()
				stop()
			}
		})
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
