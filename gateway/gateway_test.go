package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

// versions runs a test for both.
func versions(t *testing.T, f func(t *testing.T, v mqtt.Version)) {
	t.Run("3.1.1", func(t *testing.T) { f(t, mqtt.V311) })
	t.Run("5", func(t *testing.T) { f(t, mqtt.V5) })
}

func TestMessages(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		addr, _ := start(t, &Gateway{Host: h})
		d := join(t, addr, v)
		ev := h.next(t, "connect")
		if ev.id != deviceID || ev.address != "127.0.0.1" {
			t.Fatalf("%+v", ev)
		}
		link := ev.link
		for qos := range byte(3) {
			id := d.publish("agent/a/b", "hello", qos, nil)
			ev := h.next(t, "agent/a/b")
			if ev.id != deviceID || ev.message.Name != "a/b" || string(ev.message.Data) != "hello" ||
				ev.message.Format != tandem.FormatJSON {
				t.Fatalf("%+v", ev)
			}
			if qos > 0 {
				d.delivered(id, mqtt.Success)
			}
		}
		for _, topic := range []string{"log", "log/error", "sys/hello", "sys/status"} {
			d.publish(topic, "line", 0, nil)
			if ev := h.next(t, topic); ev.message.Name != "" || string(ev.message.Data) != "line" {
				t.Fatalf("%+v", ev)
			}
		}
		if codes := d.subscribe("device/#"); codes[0] != mqtt.GrantedQoS1 {
			t.Fatal(codes)
		}
		link.Send("sys/agent", tandem.Message{Data: []byte("not subscribed to")})
		link.Send("device/x", tandem.Message{Name: "x", Data: []byte(`{"a":1}`)})
		if p := d.message("device/x", `{"a":1}`); p.QoS != 1 {
			t.Errorf("%+v", p)
		}
		if err := d.s.Disconnect(mqtt.Success, nil); err != nil {
			t.Fatal(err)
		}
		d.flush()
		if h.next(t, "goodbye").link != link {
			t.Error("another link")
		}
	})
}

func TestUpperCaseDevice(t *testing.T) {
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h})
	c := connecting(mqtt.V311)
	c.ClientID, c.Username = "0123456789ABCDEF", "0123456789abcDEF"
	if ack := want[*mqtt.Connack](open(t, addr, c)); ack.Code != mqtt.Success {
		t.Fatal(ack.Code)
	}
	h.next(t, "connect")
}

func TestNotLetIn(t *testing.T) {
	for _, tc := range []struct {
		name          string
		id, user, key string
		v311, v5      mqtt.Reason
	}{
		{"wrong key", deviceID, deviceID, "wrong", mqtt.NotAuthorized, mqtt.NotAuthorized},
		{"unknown device", "00000000000000aa", "00000000000000aa", key, mqtt.NotAuthorized, mqtt.NotAuthorized},
		{"not a device id", "toaster", "toaster", key, mqtt.ClientIDInvalid, mqtt.ClientIDInvalid},
		{"another's name", deviceID, otherID, key, mqtt.BadCredentials, mqtt.BadCredentials},
		{"no name", deviceID, "", key, mqtt.BadCredentials, mqtt.BadCredentials},
		{"no key", deviceID, deviceID, "", mqtt.BadCredentials, mqtt.BadCredentials},
		{"store is broken", deviceID, deviceID, "broken store", mqtt.ServerUnavailable, mqtt.ServerUnavailable},
		{"deleted meanwhile", otherID, otherID, key, mqtt.NotAuthorized, mqtt.NotAuthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			versions(t, func(t *testing.T, v mqtt.Version) {
				h := newHost()
				h.connect = func(tandem.DeviceID, tandem.Link) error { return tandem.Errorf(tandem.NotFound, "no device") }
				addr, stop := start(t, &Gateway{Host: h})
				c := connecting(v)
				c.ClientID = tc.id
				c.Username = tc.user
				c.Password = []byte(tc.key)
				c.HasUsername, c.HasPassword = tc.user != "", tc.key != "" && (tc.user != "" || v == mqtt.V5)
				d := open(t, addr, c)
				code := map[mqtt.Version]mqtt.Reason{mqtt.V311: tc.v311, mqtt.V5: tc.v5}[v]
				if ack := want[*mqtt.Connack](d); ack.Code != code {
					t.Errorf("CONNACK %v, want %v", ack.Code, code)
				}
				if ev := d.next(); ev != nil {
					t.Errorf("got %T after the refusal", ev)
				}
				d.nc.Close()
				stop()
			})
		})
	}
}

func TestAssignedClientID(t *testing.T) {
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h})
	c := connecting(mqtt.V5)
	c.ClientID, c.KeepAlive = "", 0
	c.Props = &mqtt.Properties{SessionExpiry: mqtt.Some[uint32](100)}
	ack := want[*mqtt.Connack](open(t, addr, c))
	if ack.Code != mqtt.Success || ack.Props.AssignedClientID != deviceID || ack.Props.ServerKeepAlive.Value != 40 ||
		ack.Props.SessionExpiry != mqtt.Some[uint32](0) {
		t.Errorf("%+v %+v", ack, ack.Props)
	}
}

func TestForeignTopics(t *testing.T) {
	for _, topic := range []string{"agent", "device/x", "sys/agent", "log/x", "x", "$SYS/x", "agents/x"} {
		t.Run(topic, func(t *testing.T) {
			log, text := journal()
			addr, _ := start(t, &Gateway{Host: newHost(), Logger: log})

			d := join(t, addr, mqtt.V5)
			for _, qos := range []byte{1, 2} {
				d.delivered(d.publish(topic, "x", qos, nil), mqtt.NotAuthorized)
			}
			d.publish(topic, "x", 0, nil)
			d.closed(mqtt.NotAuthorized)

			for qos := range byte(3) {
				d := join(t, addr, mqtt.V311)
				d.publish(topic, "x", qos, nil)
				d.closed(mqtt.Success)
			}
			if got := strings.Count(text(), "the device's message is refused"); got != 4 {
				t.Errorf("%d lines in the log:\n%s", got, text())
			}
		})
	}
}

func TestSubscriptions(t *testing.T) {
	for _, tc := range []struct {
		filter   string
		v311, v5 mqtt.Reason
	}{
		{"device/#", 1, 1},
		{"device/+", 1, 1},
		{"device/a/+/c", 1, 1},
		{"sys/#", 1, 1},
		{"sys/agent", 1, 1},
		{"#", mqtt.UnspecifiedError, mqtt.NotAuthorized},
		{"+/a", mqtt.UnspecifiedError, mqtt.NotAuthorized},
		{"device", mqtt.UnspecifiedError, mqtt.NotAuthorized},
		{"agent/#", mqtt.UnspecifiedError, mqtt.NotAuthorized},
		{"$SYS/#", mqtt.UnspecifiedError, mqtt.NotAuthorized},
		{"$share/g/device/#", mqtt.UnspecifiedError, mqtt.SharedSubscriptionsNotSupported},
	} {
		t.Run(tc.filter, func(t *testing.T) {
			versions(t, func(t *testing.T, v mqtt.Version) {
				addr, _ := start(t, &Gateway{Host: newHost()})
				code := map[mqtt.Version]mqtt.Reason{mqtt.V311: tc.v311, mqtt.V5: tc.v5}[v]
				if got := join(t, addr, v).subscribe(tc.filter)[0]; got != code {
					t.Errorf("SUBACK %v, want %v", got, code)
				}
			})
		})
	}
}

func TestTime(t *testing.T) {
	addr, _ := start(t, &Gateway{Host: newHost()})
	d := join(t, addr, mqtt.V311)
	d.subscribe("sys/#")
	p := want[*mqtt.Publish](d)
	var told struct{ Time time.Time }
	if err := json.Unmarshal(p.Payload, &told); err != nil || p.Topic != "sys/time" ||
		time.Since(told.Time).Abs() > time.Minute {
		t.Errorf("%s %s %v", p.Topic, p.Payload, err)
	}
}

func TestFormats(t *testing.T) {
	compact, err := codec.FromJSON(nil, []byte(`{"a":[1,"x"]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := tandem.Message{Name: "x", Format: tandem.FormatCompact, Data: compact}
	cbor := "\xa1\x61a\x82\x01\x61x"
	for name, tc := range map[string]struct{ payload, contentType string }{
		"":        {`{"a":[1,"x"]}`, ""},
		"json":    {`{"a":[1,"x"]}`, ""},
		"compact": {string(compact), tandem.ContentCompact},
		"cbor":    {cbor, tandem.ContentCBOR},
	} {
		h := newHost()
		log, text := journal()
		addr, _ := start(t, &Gateway{Host: h, Logger: log})
		c := connecting(mqtt.V5)
		if name != "" {
			c.Props = &mqtt.Properties{User: []mqtt.UserProperty{{Key: "format", Value: name}}}
		}
		d := open(t, addr, c)
		want[*mqtt.Connack](d)
		link := h.next(t, "connect").link
		d.subscribe("device/#")
		link.Send("device/x", tandem.Message{Format: tandem.FormatCompact, Data: []byte("not an encoded value")})
		link.Send("device/x", m)
		link.Send("device/x", tandem.Message{Data: []byte("as it is")})
		if name == "compact" {
			d.message("device/x", "not an encoded value")
		} else if !strings.Contains(text(), "cannot encode a message in the device's format") {
			t.Errorf("%s: %s", name, text())
		}
		if p := d.message("device/x", tc.payload); p.Props.ContentType != tc.contentType {
			t.Errorf("%s: content type %q", name, p.Props.ContentType)
		}
		d.message("device/x", "as it is")
	}
}

// A name that is not in its wire form is the host's fault.
func TestTopicsThatCannotBeSent(t *testing.T) {
	log, text := journal()
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h, Logger: log})
	d := join(t, addr, mqtt.V5)
	link := h.next(t, "connect").link
	d.subscribe("device/#")
	for _, name := range []string{"a+b", "#", "\x00", "\xff"} {
		link.Send("device/"+name, tandem.Message{Name: name})
	}
	link.Send("device/ä/", tandem.Message{})
	d.message("device/ä/", "")
	if n := strings.Count(text(), "cannot be sent to the device"); n != 4 {
		t.Errorf("%d lines in the log:\n%.2000s", n, text())
	}
}

func TestManySubscriptions(t *testing.T) {
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h})
	d := join(t, addr, mqtt.V5)
	link := h.next(t, "connect").link
	for i := range session.MaxFilters {
		d.subscribe(fmt.Sprintf("device/%d", i))
	}
	if got := d.subscribe("device/#", "device/0"); got[0] != mqtt.QuotaExceeded || got[1] != mqtt.GrantedQoS1 {
		t.Errorf("SUBACK %v", got)
	}
	if _, err := d.s.Unsubscribe("device/0", "device/#"); err != nil {
		t.Fatal(err)
	}
	d.flush()
	if got := want[*mqtt.Unsuback](d).Codes; got[0] != mqtt.Success || got[1] != mqtt.NoSubscriptionExisted {
		t.Errorf("UNSUBACK %v", got)
	}
	link.Send("device/0", tandem.Message{Data: []byte("unwanted")})
	link.Send("device/1", tandem.Message{Data: []byte("wanted")})
	d.message("device/1", "wanted")
	if _, err := d.s.Subscribe(
		mqtt.Subscription{Filter: "device/1", QoS: 0},
		mqtt.Subscription{Filter: "device/2", QoS: 2},
	); err != nil {
		t.Fatal(err)
	}
	d.flush()
	if got := want[*mqtt.Suback](d).Codes; got[0] != mqtt.Success || got[1] != mqtt.GrantedQoS1 {
		t.Errorf("SUBACK %v", got)
	}
	link.Send("device/1", tandem.Message{Data: []byte("at QoS 0")})
	if p := d.message("device/1", "at QoS 0"); p.QoS != 0 {
		t.Errorf("QoS %d", p.QoS)
	}
}

func TestEarlyMessages(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		log, text := journal()
		h.connect = func(_ tandem.DeviceID, l tandem.Link) error {
			for i := range session.EarlyCount + 5 { // before CONNACK
				l.Send("device/x", tandem.Message{Data: fmt.Append(nil, i)})
			}
			return nil
		}
		addr, _ := start(t, &Gateway{Host: h, Logger: log})
		d := join(t, addr, v)
		h.next(t, "connect").link.Send("sys/agent", tandem.Message{Data: []byte("one too many")})
		d.subscribe("device/#", "sys/#")
		want[*mqtt.Publish](d) // the time
		for i := range session.EarlyCount {
			d.message("device/x", fmt.Sprint(i))
		}
		if n := strings.Count(text(), "messages to the device are dropped"); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, text())
		}
	})
}

func TestProperties(t *testing.T) {
	h := newHost()
	clock := new(hlc.Clock)
	addr, _ := start(t, &Gateway{Host: h, Clock: clock})
	c := connecting(mqtt.V5)
	d := open(t, addr, c)
	want[*mqtt.Connack](d)
	link := h.next(t, "connect").link
	ahead := hlc.At(time.Now().Add(30 * time.Second))
	d.publish("agent/x", "\x01", 0, &mqtt.Properties{
		ContentType: tandem.ContentCompact,
		User: []mqtt.UserProperty{
			{Key: "boot", Value: "7"}, {Key: "seq", Value: "9"}, {Key: "clock", Value: ahead.String()},
		},
	})
	if m := h.next(t, "agent/x").message; m.Format != tandem.FormatCompact || m.Mark != (tandem.Mark{Boot: 7, Seq: 9}) {
		t.Errorf("%+v", m)
	}
	if now := clock.Now(); now <= ahead {
		t.Errorf("the device's clock %v was not observed: %v", ahead, now)
	}
	for props, format := range map[*mqtt.Properties]tandem.Format{
		{ContentType: tandem.ContentCBOR}: tandem.FormatCBOR,
		{ContentType: tandem.ContentJSON}: tandem.FormatJSON,
		{ContentType: "text/plain"}:       tandem.FormatJSON,
		{User: []mqtt.UserProperty{{Key: "boot", Value: "x"}, {Key: "seq", Value: "1"}, {Key: "clock", Value: "z"}}}: tandem.FormatJSON,
		{User: []mqtt.UserProperty{{Key: "boot", Value: "1"}}}:                                                       tandem.FormatJSON,
	} {
		d.publish("agent/x", "", 0, props)
		if m := h.next(t, "agent/x").message; m.Format != format || m.Mark != (tandem.Mark{}) {
			t.Errorf("%+v", m)
		}
	}
	before := clock.Now()
	d.subscribe("device/#")
	link.Send("device/x", tandem.Message{Data: []byte("1")})
	p := d.message("device/x", "1")
	text, _ := p.Props.Get("clock")
	if stamp, err := hlc.Parse(text); err != nil || stamp <= before {
		t.Errorf("clock %q, %v, after %v", text, err, before)
	}
	if p.Props.ContentType != "" {
		t.Errorf("JSON is called %s", p.Props.ContentType)
	}
}

func TestUnknownFormat(t *testing.T) {
	addr, _ := start(t, &Gateway{Host: newHost()})
	c := connecting(mqtt.V5)
	c.Props = &mqtt.Properties{User: []mqtt.UserProperty{{Key: "format", Value: "xml"}}}
	if ack := want[*mqtt.Connack](open(t, addr, c)); ack.Code != mqtt.UnspecifiedError ||
		!strings.Contains(ack.Props.ReasonString, "json, compact or cbor") {
		t.Errorf("%+v %+v", ack, ack.Props)
	}
}

func TestRetainedAndWillAreIgnored(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		addr, _ := start(t, &Gateway{Host: h})
		c := connecting(v)
		c.Will = &mqtt.Will{Topic: "agent/will", Payload: []byte("x"), QoS: 1, Retain: true}
		d := open(t, addr, c)
		want[*mqtt.Connack](d)
		h.next(t, "connect")
		if _, err := d.s.Publish(&mqtt.Publish{Topic: "agent/x", Retain: true}); err != nil {
			t.Fatal(err)
		}
		d.flush()
		h.next(t, "agent/x")
		d.nc.Close()
		h.next(t, "lost")
	})
}

func TestSizes(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		g := &Gateway{Host: h}
		addr, _ := start(t, g)
		d := join(t, addr, v)
		link := h.next(t, "connect").link
		full := strings.Repeat("x", tandem.MessageSize-1)
		d.delivered(d.publish("agent/n", full, 1, nil), mqtt.Success)
		if m := h.next(t, "agent/n").message; string(m.Data) != full {
			t.Errorf("%d bytes", len(m.Data))
		}
		d.subscribe("device/#")
		link.Send("device/n", tandem.Message{Data: []byte(full)})
		d.message("device/n", full)

		tooLarge := mqtt.PacketTooLarge
		if v < mqtt.V5 {
			tooLarge = mqtt.Success // it cannot be told
		}
		d.publish("agent/n", full+"x", 1, nil)
		d.closed(tooLarge)
		saysTooLarge(t, g, h)
	})
	// Larger than the packets that are taken at all; our client would not send it.
	h := newHost()
	g := &Gateway{Host: h}
	addr, _ := start(t, g)
	d := join(t, addr, mqtt.V5)
	h.next(t, "connect")
	raw, err := mqtt.Append(nil, &mqtt.Publish{Topic: "agent/n", Payload: make([]byte, 300<<10)}, mqtt.V5)
	if err != nil {
		t.Fatal(err)
	}
	go d.nc.Write(raw) // ends with the connection
	d.closed(mqtt.PacketTooLarge)
	saysTooLarge(t, g, h)
}

// saysTooLarge checks that the device's log says why it was disconnected.
func saysTooLarge(t *testing.T, g *Gateway, h *testHost) {
	t.Helper()
	if line := string(h.next(t, "log/error").message.Data); !strings.Contains(line, "its message is too large") {
		t.Errorf("the log says %q", line)
	}
	h.next(t, "lost")
	if n := g.Over()[tandem.OverFromDevice]; n != 1 {
		t.Errorf("counted %d times", n)
	}
}

func TestAcknowledgedWhenHandled(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		h.fromDevice = h.keep
		addr, _ := start(t, &Gateway{Host: h})
		d := join(t, addr, v)
		link := h.next(t, "connect").link
		d.subscribe("device/#")
		first, second := d.publish("agent/1", "", 1, nil), d.publish("agent/2", "", 1, nil)
		one, two := h.next(t, "agent/1"), h.next(t, "agent/2")
		two.handled()
		// The acknowledgement of the second waits for that of the first.
		link.Send("device/x", tandem.Message{})
		d.message("device/x", "")
		one.handled()
		d.delivered(first, mqtt.Success)
		d.delivered(second, mqtt.Success)
	})
}

func TestHandledAfterTheEnd(t *testing.T) {
	h := newHost()
	h.fromDevice = h.keep
	addr, stop := start(t, &Gateway{Host: h})
	d := join(t, addr, mqtt.V5)
	link := h.next(t, "connect").link
	d.publish("agent/1", "", 1, nil)
	ev := h.next(t, "agent/1")
	d.nc.Close()
	h.next(t, "lost")
	stop()
	ev.handled()
	link.Send("device/x", tandem.Message{})
	link.Close("twice")
}

// Messages from several goroutines arrive, those of each in order, while the
// device sends as well.
func TestConcurrentSends(t *testing.T) {
	const senders, count = 4, 50
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		addr, _ := start(t, &Gateway{Host: h})
		d := join(t, addr, v)
		link := h.next(t, "connect").link
		d.subscribe("device/#")
		var wg sync.WaitGroup
		defer wg.Wait()
		for s := range senders {
			wg.Go(func() {
				for i := range count {
					link.Send(fmt.Sprintf("device/%d", s), tandem.Message{Data: fmt.Append(nil, i)})
				}
			})
		}
		var next [senders]int
		for range senders * count {
			p := want[*mqtt.Publish](d)
			s := int(p.Topic[len(p.Topic)-1] - '0')
			if string(p.Payload) != fmt.Sprint(next[s]) {
				t.Fatalf("message %s of %d, want %d", p.Payload, s, next[s])
			}
			next[s]++
			if err := d.s.Ack(p.PacketID, mqtt.Success); err != nil {
				t.Fatal(err)
			}
			d.publish("agent/x", "", 1, nil)
		}
		for range senders * count {
			h.next(t, "agent/x")
		}
	})
}

// A host that falls behind slows the device down and nothing else.
func TestBackpressure(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		h.fromDevice = h.keep
		addr, _ := start(t, unrated(&Gateway{Host: h}))
		d := join(t, addr, v)
		h.next(t, "connect")
		const count = 3 * session.HandlingCount
		sent := make(chan bool)
		go func() {
			defer close(sent)
			for i := range count {
				raw, err := mqtt.Append(nil, &mqtt.Publish{Topic: "agent/x", Payload: fmt.Append(nil, i)}, v)
				if err == nil {
					_, err = d.nc.Write(raw)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		}()
		var waiting []hostEvent
		for i := range count {
			ev := h.next(t, "agent/x")
			if string(ev.message.Data) != fmt.Sprint(i) {
				t.Fatalf("message %s at the place of %d", ev.message.Data, i)
			}
			if waiting = append(waiting, ev); len(waiting) == session.HandlingCount {
				if n := len(h.events); n > 0 {
					t.Fatalf("%d messages more than the limit", n)
				}
				for _, ev := range waiting {
					ev.handled()
				}
				waiting = waiting[:0]
			}
		}
		<-sent
	})
}

// A 3.1.1 device does not know how many messages may be unacknowledged.
func TestBlockedSession(t *testing.T) {
	h := newHost()
	h.fromDevice = h.keep
	addr, _ := start(t, &Gateway{Host: h})
	d := join(t, addr, mqtt.V311)
	h.next(t, "connect")
	var ids []uint16
	for range 200 {
		ids = append(ids, d.publish("agent/x", "", 1, nil))
	}
	for range ids {
		h.next(t, "agent/x").handled()
	}
	for _, id := range ids {
		d.delivered(id, mqtt.Success)
	}
}

func TestTakeOver(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		addr, _ := start(t, &Gateway{Host: h})
		d := join(t, addr, v)
		first := h.next(t, "connect").link
		newer := join(t, addr, v)
		why := mqtt.SessionTakenOver
		if v < mqtt.V5 {
			why = mqtt.Success
		}
		d.closed(why)
		for range 2 {
			switch ev := <-h.events; {
			case ev.what == "lost" && ev.link == first:
			case ev.what == "connect" && ev.link != first:
			default:
				t.Errorf("%+v", ev)
			}
		}
		newer.publish("agent/x", "", 0, nil)
		h.next(t, "agent/x")
	})
}

func TestClosedByTheHost(t *testing.T) {
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h})
	d := join(t, addr, mqtt.V5)
	link := h.next(t, "connect").link
	d.subscribe("device/#")
	link.Send("device/x", tandem.Message{Data: []byte("last")})
	link.Close("the device was deleted")
	d.message("device/x", "last")
	ev := want[*mqtt.Disconnect](d)
	if ev.Code != mqtt.AdministrativeAction || ev.Props.ReasonString != "the device was deleted" {
		t.Errorf("%+v %+v", ev, ev.Props)
	}
	h.next(t, "lost")
}

func TestStop(t *testing.T) {
	h := newHost()
	addr, stop := start(t, &Gateway{Host: h})
	d := join(t, addr, mqtt.V5)
	h.next(t, "connect")
	stranger, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	done := make(chan bool)
	go func() { stop(); close(done) }()
	d.closed(mqtt.ShuttingDown)
	d.nc.Close()
	h.next(t, "lost")
	if b, err := io.ReadAll(stranger); len(b) > 0 {
		t.Errorf("read %q, %v", b, err)
	}
	<-done
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Error("the listener is open")
	}
}

func TestTooManyConnections(t *testing.T) {
	log, text := journal()
	h := newHost()
	g := &Gateway{Host: h, Connections: 1, Logger: log}
	addr, _ := start(t, g)
	d := join(t, addr, mqtt.V5)
	h.next(t, "connect")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if b, err := io.ReadAll(nc); len(b) > 0 {
		t.Errorf("read %q, %v", b, err)
	}
	if !strings.Contains(text(), "there are too many") {
		t.Error(text())
	}
	d.publish("agent/x", "", 0, nil)
	h.next(t, "agent/x")
	if over, devices := g.Over()[tandem.OverConnections], g.Devices(); over != 1 || devices != 1 {
		t.Errorf("%d connections too many, %d devices", over, devices)
	}
}

// A device that takes nothing costs no more than the bound, and does not hold
// up the goroutine that sends to it.
func TestSlowDevice(t *testing.T) {
	log, text := journal()
	h := newHost()
	g := &Gateway{Host: h, Logger: log}
	addr, stop := start(t, g)
	d := join(t, addr, mqtt.V5)
	link := h.next(t, "connect").link
	if _, err := d.s.Subscribe(mqtt.Subscription{Filter: "device/#"}); err != nil {
		t.Fatal(err)
	}
	d.flush()
	want[*mqtt.Suback](d)
	for range 1000 { // of 64 KB, at QoS 0
		link.Send("device/x", tandem.Message{Data: make([]byte, 64<<10)})
	}
	if l := load(link); l.BacklogBytes > session.BacklogBytes+64<<10 || !l.Dropping {
		t.Errorf("%+v", l)
	}
	if n := strings.Count(text(), "messages to the device are dropped"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	if strings.Contains(text(), `msg=""`) {
		t.Error("a line of the log is empty")
	}
	if n := g.Over()[tandem.OverDeviceBacklog]; n < 900 {
		t.Errorf("%d dropped messages are counted", n)
	}
	stop() // although the device takes nothing
}

// TestUnreadAnswers: a device that asks and asks and reads nothing is not read from
// any more.
func TestUnreadAnswers(t *testing.T) {
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h})
	d := join(t, addr, mqtt.V5)
	link := h.next(t, "connect").link
	ping := bytes.Repeat([]byte{0xC0, 0}, 32<<10)
	for total := 0; ; total += len(ping) {
		if err := d.nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.nc.Write(ping); err != nil {
			break // it is stopped
		}
		if total > 100<<20 {
			t.Fatal("100 MB of pings were taken")
		}
	}
	if n := load(link).Answers; n > 2*session.UnreadAnswers+64<<10 {
		t.Errorf("%d answers wait", n)
	}
}

// load returns what the session of a link holds.
func load(l tandem.Link) session.Load {
	c := l.(*conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.Load()
}

func TestUnacknowledgedBacklog(t *testing.T) {
	h := newHost()
	addr, _ := start(t, &Gateway{Host: h})
	d := join(t, addr, mqtt.V5)
	link := h.next(t, "connect").link
	d.subscribe("device/#")
	const size = 100 << 10
	fit := 0
	for ; !load(link).Dropping; fit++ {
		link.Send("device/x", tandem.Message{Data: make([]byte, size)})
	}
	if fit--; fit != session.BacklogBytes/size {
		t.Errorf("%d messages fit", fit)
	}
	payload := string(make([]byte, size))
	for range fit {
		d.message("device/x", payload)
	}
	// A message of the device behind the acknowledgements shows that they came.
	d.publish("agent/x", "", 0, nil)
	if ev := h.next(t, "log/error"); !strings.Contains(string(ev.message.Data), "reads them too slowly") {
		t.Errorf("the device's log is told %q", ev.message.Data)
	}
	h.next(t, "agent/x")
	link.Send("device/x", tandem.Message{Data: []byte("room again")})
	d.message("device/x", "room again")
}
