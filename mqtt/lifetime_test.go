package mqtt

import (
	"reflect"
	"testing"
	"time"
)

// TestTakeUp has a connection break in the middle of every kind of handshake.
func TestTakeUp(t *testing.T) {
	s := opened(t, connect5, nil, nil, nil)
	for _, m := range []*Publish{
		{Topic: "a", QoS: 1}, {Topic: "b", QoS: 2}, {Topic: "c", QoS: 2}, {Topic: "d"},
	} {
		publish(t, s, m)
	}
	drain(s)
	feed(t, t0, s, unhex(t, "50 02 0003")) // c is received
	publish(t, s, &Publish{Topic: "e", QoS: 1})
	publish(t, s, &Publish{Topic: "f"})
	feed(t, t0, s, unhex(t, "34 06 0001 78 0001 00  34 06 0001 79 0002 00  32 06 0001 7a 0003 00"))
	must(t, s.Ack(1, Success)) // its PUBREC is lost
	st := s.State()
	if _, err := s.Publish(&Publish{Topic: "a"}); err != ErrClosed {
		t.Errorf("Publish after State: %v", err)
	}

	resumed := "10 0e 0004 4d515454 05 00 003c 00 0001 61"
	s = NewServer(t0, nil)
	feed(t, t0, s, unhex(t, resumed))
	must(t, s.Accept(t0, nil, copyState(st)))
	says(t, s, "20 0b 01 00 08 21 0040 27 00041000  62 02 0003"+
		"3a 06 0001 61 0001 00  3c 06 0001 62 0002 00  32 06 0001 65 0004 00")
	// The client repeats x and y; neither is delivered again, y is still due for Ack.
	packets := unhex(t, "3c 06 0001 78 0001 00 3c 06 0001 79 0002 00 3a 06 0001 7a 0003 00")
	if events := feed(t, t0, s, packets); len(events) != 1 || events[0].(*Publish).Topic != "z" {
		t.Errorf("got %v", events)
	}
	says(t, s, "50 02 0001")
	must(t, s.Ack(3, Success))
	says(t, s, "")
	must(t, s.Ack(2, Success))
	says(t, s, "50 02 0002 40 02 0003")
	events := feed(t, t0, s, unhex(t, "70 02 0003 40 02 0001 50 03 0002 97 40 02 0004"))
	want := []Event{
		&Delivered{PacketID: 3}, &Delivered{PacketID: 1},
		&Delivered{PacketID: 2, Code: QuotaExceeded}, &Delivered{PacketID: 4},
	}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("got %v, want %v", events, want)
	}
	if id := publish(t, s, &Publish{Topic: "g", QoS: 1}); id != 5 {
		t.Errorf("the next identifier is %d", id)
	}

	// A client that has lost its half gets the messages as new ones.
	s = NewServer(t0, nil)
	feed(t, t0, s, unhex(t, connect5))
	must(t, s.Accept(t0, nil, copyState(st)))
	says(t, s, "20 0b 00 00 08 21 0040 27 00041000  32 06 0001 61 0001 00  34 06 0001 62 0002 00  32 06 0001 65 0004 00")
	if events := feed(t, t0, s, nil); !reflect.DeepEqual(events, []Event{&Delivered{PacketID: 3}}) {
		t.Errorf("got %v", events)
	}
	if err := s.Ack(2, Success); err != ErrUnknownPacket {
		t.Errorf("Ack for a message that the client will send again: %v", err)
	}
}

func copyState(st *State) *State {
	return &State{
		Outgoing: append([]Outgoing(nil), st.Outgoing...),
		Incoming: append([]Incoming(nil), st.Incoming...), LastID: st.LastID,
	}
}

func TestTakeUpByAStricterPeer(t *testing.T) {
	s := opened(t, connect5, nil, nil, nil)
	publish(t, s, &Publish{Topic: "a", QoS: 1, Payload: make([]byte, 100)})
	publish(t, s, &Publish{Topic: "b", QoS: 1})
	st := s.State()
	small := "10 13 0004 4d515454 05 00 003c 05 27 00000040 0001 61" // packets of 64 bytes
	s = opened(t, small, nil, nil, st)
	if events := feed(t, t0, s, nil); !reflect.DeepEqual(events, []Event{&Delivered{PacketID: 1, Code: PacketTooLarge}}) {
		t.Errorf("got %v", events)
	}
	if _, err := s.Publish(&Publish{Topic: "a", Payload: make([]byte, 60)}); ReasonOf(err) != PacketTooLarge {
		t.Errorf("Publish of a large message: %v", err)
	}
	if left := s.State().Outgoing; len(left) != 1 || left[0].Message.Topic != "b" {
		t.Errorf("left: %+v", left)
	}
}

func TestPublishRefuses(t *testing.T) {
	c, _ := connected(t, &Connect{Version: V5, ClientID: "a", CleanStart: true}, &Config{QueueLength: 2}, nil, nil, nil)
	for _, tc := range []struct {
		p    *Publish
		code Reason
	}{
		{&Publish{Topic: "+"}, TopicNameInvalid},
		{&Publish{Topic: ""}, TopicNameInvalid},
		{&Publish{Topic: "\xff"}, MalformedPacket},
		{&Publish{Topic: "a", QoS: 3}, QoSNotSupported},
		{&Publish{Topic: "a", Props: &Properties{SubscriptionIDs: []uint32{1}}}, ProtocolError},
		{&Publish{Topic: "a", Props: &Properties{ReasonString: "x"}}, ProtocolError},
		{&Publish{Topic: "a", Payload: make([]byte, 261<<10)}, PacketTooLarge},
	} {
		if _, err := c.Publish(tc.p); err == nil || ReasonOf(err) != tc.code {
			t.Errorf("Publish of %.60v: %v, want %v", tc.p, err, tc.code)
		}
	}
	publish(t, c, &Publish{Topic: "a", QoS: 1})
	publish(t, c, &Publish{Topic: "a"})
	if _, err := c.Publish(&Publish{Topic: "a"}); err != ErrQueueFull {
		t.Errorf("third message: %v", err)
	}
	drain(c)
	publish(t, c, &Publish{Topic: "a"}) // QoS 0 is gone with Output
}

// TestQueueStaysSmall has one message that is never acknowledged and many that
// are, behind which the queue must not grow.
func TestQueueStaysSmall(t *testing.T) {
	c, _ := connected(t, &Connect{Version: V311, ClientID: "a", CleanStart: true}, nil, nil, nil, nil)
	for i := range 70000 {
		id := publish(t, c, &Publish{Topic: "a", QoS: 1})
		if i > 0 && id == 1 {
			t.Fatal("the identifier of a message under way is used again")
		}
		drain(c)
		if i > 0 {
			feed(t, t0, c, []byte{0x40, 2, byte(id >> 8), byte(id)})
		}
	}
	if n := cap(c.out.queue); n > 8 {
		t.Errorf("the queue has %d places for %d messages", n, c.out.live)
	}
}

func TestPeerReceiveMaximum(t *testing.T) {
	two := "10 11 0004 4d515454 05 02 003c 03 21 0002 0001 61"
	s := opened(t, two, nil, nil, nil)
	for i := range 4 {
		publish(t, s, &Publish{Topic: string(rune('a' + i)), QoS: byte(2 - i%2)})
	}
	says(t, s, "34 06 0001 61 0001 00 32 06 0001 62 0002 00")
	feed(t, t0, s, unhex(t, "50 02 0001"))
	says(t, s, "62 02 0001") // PUBREC makes no room
	feed(t, t0, s, unhex(t, "70 02 0001"))
	says(t, s, "34 06 0001 63 0003 00")
	feed(t, t0, s, unhex(t, "40 02 0002"))
	says(t, s, "32 06 0001 64 0004 00")
}

func TestOutputComesInPieces(t *testing.T) {
	c, s := connected(t, &Connect{Version: V5, ClientID: "a", CleanStart: true}, nil, nil, nil, nil)
	for range 10 {
		publish(t, s, &Publish{Topic: "a", Payload: make([]byte, 50<<10)})
	}
	must(t, s.Disconnect(ServerMoved, &Properties{ServerReference: "b"}))
	pieces, events := 0, 0
	for b := s.Output(nil); len(b) > 0; b = s.Output(nil) {
		pieces++
		if len(b) > outputChunk+51<<10 {
			t.Errorf("a piece of %d bytes", len(b))
		}
		got := feed(t, t0, c, b)
		events += len(got)
		if last, ok := got[len(got)-1].(*Disconnect); ok && (last.Code != ServerMoved || last.Props.ServerReference != "b") {
			t.Errorf("got %+v", last)
		}
	}
	if pieces != 5 || events != 11 {
		t.Errorf("%d pieces with %d events", pieces, events)
	}
	if _, _, err := c.Feed(t0, nil); err != ErrClosed {
		t.Errorf("Feed after DISCONNECT: %v", err)
	}
}

func TestDisconnect(t *testing.T) {
	s := opened(t, connect311, nil, nil, nil)
	publish(t, s, &Publish{Topic: "a"})
	must(t, s.Disconnect(ShuttingDown, nil))
	says(t, s, "30 03 0001 61") // 3.1.1 has no DISCONNECT for servers
	if err := s.Disconnect(ShuttingDown, nil); err != ErrClosed {
		t.Errorf("second Disconnect: %v", err)
	}
	s = opened(t, connect5, nil, nil, nil)
	if err := s.Disconnect(Banned, nil); ReasonOf(err) != ProtocolError {
		t.Errorf("Disconnect with a code for CONNACK: %v", err)
	}
	if ev := feed(t, t0, s, unhex(t, "e0 01 04"))[0].(*Disconnect); ev.Clean() {
		t.Errorf("got %+v", ev)
	}
	says(t, s, "")
}

func TestServerKeepAlive(t *testing.T) {
	ms := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Millisecond) }
	s := NewServer(t0, nil)
	if !s.Deadline().Equal(t0.Add(connectTimeout)) {
		t.Errorf("Deadline before CONNECT is %v", s.Deadline())
	}
	_, _, err := s.Feed(ms(599_000), unhex(t, connect5)[:5])
	must(t, err)
	if err := s.Tick(ms(600_000)); err != ErrTimeout {
		t.Errorf("a CONNECT that takes for ever: %v", err)
	}
	says(t, s, "")

	s = NewServer(t0, nil)
	feed(t, t0, s, unhex(t, connect5))
	if !s.Deadline().IsZero() {
		t.Error("the application has a deadline")
	}
	must(t, s.Accept(ms(20000), &Properties{ServerKeepAlive: Some[uint16](10)}, nil))
	drain(s)
	b := unhex(t, "30 04 0001 61 00 c000")
	for i, tc := range []struct{ at, bytes, deadline int }{
		{30000, 0, 35000},
		{31000, 3, 46000}, // a part of a packet
		{45000, 3, 46000}, // nothing new
		{45999, 7, 60999},
	} {
		must(t, s.Tick(ms(tc.at)))
		n, _, err := s.Feed(ms(tc.at), b[:tc.bytes])
		must(t, err)
		if !s.Deadline().Equal(ms(tc.deadline)) {
			t.Errorf("step %d: Deadline is %v, want %v", i, s.Deadline(), ms(tc.deadline))
		}
		if i == 3 && n != 6 {
			t.Errorf("%d bytes are taken", n)
		}
	}
	if err := s.Tick(ms(61000)); err != ErrTimeout {
		t.Errorf("Tick says %v", err)
	}
	says(t, s, "e0 01 8d")
	if !s.Deadline().IsZero() {
		t.Error("a closed session has a deadline")
	}
	if s := opened(t, "10 0d 0004 4d515454 04 02 0000 0001 61", nil, nil, nil); !s.Deadline().IsZero() {
		t.Error("a deadline without keep alive")
	}
}

func TestClientPings(t *testing.T) {
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	c, err := NewClient(t0, nil, &Connect{Version: V5, ClientID: "a", CleanStart: true, KeepAlive: 60}, nil)
	must(t, err)
	drain(c)
	_, _, err = c.Feed(t0, unhex(t, "20 06 00 00 03 13 0014")) // the server wants 20 s
	must(t, err)
	drain(c)
	for _, tc := range []struct {
		at          int
		hears, says string
		publish     bool
	}{
		{at: 10}, // CONNECT was said
		{at: 20, says: "c000"},
		{at: 30, hears: "d000"},
		{at: 40, hears: "30 04 0001 61 00", publish: true},
		{at: 50, publish: true, says: "c000"}, // nothing was heard
	} {
		_, ev, err := c.Feed(at(tc.at), unhex(t, tc.hears))
		must(t, err)
		if ev != nil {
			_, _, err = c.Feed(at(tc.at), nil)
			must(t, err)
		}
		if tc.publish {
			publish(t, c, &Publish{Topic: "a"})
			says(t, c, "30 04 0001 61 00")
		}
		if !c.Deadline().Equal(at(tc.at)) {
			t.Errorf("Deadline is %v, want %v", c.Deadline(), at(tc.at))
		}
		must(t, c.Tick(at(tc.at)))
		says(t, c, tc.says)
	}
	must(t, c.Tick(at(59)))
	if err := c.Tick(at(60)); err != ErrTimeout {
		t.Errorf("a silent server: %v", err)
	}
	says(t, c, "")
}

// TestRepeated has peers say again what they have said.
func TestRepeated(t *testing.T) {
	s := opened(t, connect311, nil, nil, nil)
	one := "32 05 0001 61 0001 3a 05 0001 61 0001 34 05 0001 62 0002 3c 05 0001 62 0002"
	if events := feed(t, t0, s, unhex(t, one)); len(events) != 2 {
		t.Errorf("got %v", events)
	}
	must(t, s.Ack(1, Success))
	must(t, s.Ack(2, QuotaExceeded))
	says(t, s, "40 02 0001 50 02 0002")
	if events := feed(t, t0, s, unhex(t, "3c 05 0001 62 0002")); len(events) != 0 {
		t.Errorf("got %v", events)
	}
	says(t, s, "50 02 0002")
	feed(t, t0, s, unhex(t, "62 02 0002 62 02 0002"))
	says(t, s, "70 02 0002 70 02 0002")

	publish(t, s, &Publish{Topic: "a", QoS: 2})
	publish(t, s, &Publish{Topic: "a", QoS: 1})
	drain(s)
	feed(t, t0, s, unhex(t, "50 02 0001 50 02 0001 50 02 0009 40 02 0009 70 02 0009"))
	says(t, s, "62 02 0001 62 02 0001 62 02 0009")
	if events := feed(t, t0, s, unhex(t, "70 02 0001 70 02 0001 40 02 0002 40 02 0002")); len(events) != 2 {
		t.Errorf("got %v", events)
	}
}

// TestWrongHandshake has clients answer in ways that fit no message.
func TestWrongHandshake(t *testing.T) {
	for _, tc := range []struct{ name, hex string }{
		{"PUBACK for QoS 2", "40 02 0002"},
		{"PUBREC for QoS 1", "50 02 0001"},
		{"PUBCOMP before PUBREC", "70 02 0002"},
		{"PUBACK for what was not sent", "40 02 0003"},
		{"PUBREL before PUBREC", "34 06 0001 61 0001 00 62 02 0001"},
		{"QoS 1 with the identifier of a QoS 2 message", "34 06 0001 61 0007 00 32 06 0001 61 0007 00"},
	} {
		s := opened(t, connect5, nil, nil, nil)
		publish(t, s, &Publish{Topic: "a", QoS: 1})
		publish(t, s, &Publish{Topic: "a", QoS: 2})
		drain(s)
		publish(t, s, &Publish{Topic: "a", QoS: 1})
		if err := answerAll(t, s, unhex(t, tc.hex)); ReasonOf(err) != ProtocolError {
			t.Errorf("%s: Feed says %v", tc.name, err)
		}
	}
}

func TestUnreleasedMessagesAreBounded(t *testing.T) {
	s := opened(t, connect311, nil, nil, nil)
	for i := 1; ; i++ {
		b := append(unhex(t, "34 05 0001 61"), byte(i>>8), byte(i))
		_, _, err := s.Feed(t0, b)
		if err != nil {
			if i != maxKnown+1 || ReasonOf(err) != QuotaExceeded {
				t.Errorf("message %d: %v", i, err)
			}
			return
		}
		must(t, s.Ack(uint16(i), Success))
		drain(s)
	}
}

func TestLastWordsFit(t *testing.T) {
	s := opened(t, "10 13 0004 4d515454 05 02 003c 05 27 00000010 0001 61", nil, nil, nil) // packets of 16 bytes
	must(t, s.Disconnect(ServerMoved, &Properties{ServerReference: "a.long.name.example:8883"}))
	says(t, s, "e0 01 9d")
}
