package gateway

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// TestSilentOnTCP: a silent device is given up on a real socket, too, be it a
// device or a stranger's half a packet later.
func TestSilentOnTCP(t *testing.T) {
	t.Parallel() // it takes as long as the keep-alive
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h})
	c := connecting(mqtt.V5)
	c.KeepAlive = 1
	silent := open(t, addr, c)
	want[*mqtt.Connack](silent)
	h.next(t, "connect")

	c = connecting(mqtt.V5)
	c.ClientID = otherID
	c.Username = otherID
	c.KeepAlive = 1
	halting := open(t, addr, c)
	want[*mqtt.Connack](halting)
	h.next(t, "connect")
	if _, err := halting.nc.Write([]byte{0x30}); err != nil {
		t.Fatal(err)
	}

	silent.closed(mqtt.KeepAliveTimeout)
	halting.closed(mqtt.KeepAliveTimeout)
	silent.nc.Close()
	halting.nc.Close()
	for range 2 {
		h.next(t, "lost")
	}
}

// TestNotTaken: a message that the host does not take is not acknowledged, and
// those behind it are not given to the host: the device sends them again.
func TestNotTaken(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		h.fromDevice = func(ev hostEvent) error {
			h.events <- ev
			if string(ev.message.Data) == "2" {
				return tandem.Errorf(tandem.Unavailable, "the agent is elsewhere")
			}
			ev.handled()
			return nil
		}
		addr, _ := start(t, &Gateway{Host: h})
		d := join(t, addr, v)
		h.next(t, "connect")
		var all []byte
		for i, data := range []string{"1", "2", "3"} {
			var err error
			p := &mqtt.Publish{Topic: "agent/x", Payload: []byte(data), QoS: 1, PacketID: uint16(i + 1)}
			if all, err = mqtt.Append(all, p, v); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.nc.Write(all); err != nil {
			t.Fatal(err)
		}
		h.next(t, "agent/x")
		h.next(t, "agent/x")
		h.next(t, "lost")
		var got []byte
		buf := make([]byte, 512)
		for {
			n, err := d.nc.Read(buf)
			if got = append(got, buf[:n]...); err != nil {
				break
			}
		}
		var acked []uint16
		told := mqtt.Success
		for len(got) > 0 {
			p, n, err := mqtt.Decode(got, v, 0)
			if err != nil {
				t.Fatal(err)
			}
			got = got[n:]
			switch p := p.(type) {
			case *mqtt.Ack:
				acked = append(acked, p.PacketID)
			case *mqtt.Disconnect:
				told = p.Code
			}
		}
		if why := map[mqtt.Version]mqtt.Reason{mqtt.V5: mqtt.ServerBusy}[v]; told != why {
			t.Errorf("the device is told %v, want %v", told, why)
		}
		if len(acked) != 1 || acked[0] != 1 {
			t.Errorf("acknowledged %v, want only the first", acked)
		}
	})
}

// TestLost: the host hears whether something that it sent did not get across.
func TestLost(t *testing.T) {
	for _, tc := range []struct {
		name      string
		qos       byte
		post      uint64
		take, bye bool // the device acknowledges what it is sent; it says good-bye
		want      tandem.LinkEnd
	}{
		{name: "not acknowledged", qos: 1, want: tandem.LinkEnd{Lost: true}},
		{name: "acknowledged", qos: 1, take: true, want: tandem.LinkEnd{}},
		{name: "good-bye", qos: 1, bye: true, want: tandem.LinkEnd{Clean: true, Lost: true}},
		{name: "post", qos: 1, post: 1, want: tandem.LinkEnd{}},
		{name: "QoS 0", qos: 0, want: tandem.LinkEnd{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost()
			addr, _ := start(t, &Gateway{Host: h, Node: "a"})
			d := join(t, addr, mqtt.V5)
			link := h.next(t, "connect").link
			if ref := link.Ref(); ref.Node != "a" || ref.ID == 0 {
				t.Errorf("%+v", ref)
			}
			if _, err := d.s.Subscribe(mqtt.Subscription{Filter: "device/#", QoS: tc.qos}); err != nil {
				t.Fatal(err)
			}
			d.flush()
			want[*mqtt.Suback](d)
			link.Send("device/x", tandem.Message{Post: tc.post})
			p := want[*mqtt.Publish](d)
			if tc.take {
				if err := d.s.Ack(p.PacketID, mqtt.Success); err != nil {
					t.Fatal(err)
				}
			}
			what := "lost"
			if tc.bye {
				what = "goodbye"
				if err := d.s.Disconnect(mqtt.Success, nil); err != nil {
					t.Fatal(err)
				}
			}
			d.flush()
			d.nc.Close()
			if ev := h.next(t, what); ev.end != tc.want {
				t.Errorf("%+v, want %+v", ev.end, tc.want)
			}
		})
	}
}

// TestReferences: each connection has a reference of its own, also when the node
// has been started again.
func TestReferences(t *testing.T) {
	seen := map[uint64]bool{}
	for range 2 {
		h := newHost()
		addr, stop := start(t, &Gateway{Host: h})
		for range 3 {
			d := join(t, addr, mqtt.V5)
			id := h.next(t, "connect").link.Ref().ID
			if seen[id] {
				t.Errorf("%d is used twice", id)
			}
			seen[id] = true
			d.nc.Close()
			h.next(t, "lost")
		}
		stop()
	}
}

// TestEndIsNotTaken: when the host cannot be told that a device has gone, the
// operator is.
func TestEndIsNotTaken(t *testing.T) {
	for _, err := range []error{nil, tandem.Errorf(tandem.Unavailable, "no such luck")} {
		h := newHost()
		h.disconnect = err
		log, text := journal()
		addr, stop := start(t, &Gateway{Host: h, Logger: log})
		join(t, addr, mqtt.V5).nc.Close()
		h.next(t, "connect")
		h.next(t, "lost")
		stop()
		if strings.Contains(text(), "was not told that a device has disconnected") != (err != nil) {
			t.Errorf("after %v: %s", err, text())
		}
	}
}
