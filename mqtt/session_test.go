package mqtt

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	connect311 = "10 0d 0004 4d515454 04 02 003c 0001 61"    // keep alive 60 s
	connect5   = "10 0e 0004 4d515454 05 02 003c 00 0001 61" // the same
)

// opened returns a server session that has accepted the CONNECT in hex.
func opened(t testing.TB, hex string, cfg *Config, props *Properties, st *State) *Server {
	t.Helper()
	s := NewServer(t0, cfg)
	feed(t, t0, s, unhex(t, hex))
	if err := s.Accept(t0, props, st); err != nil {
		t.Fatal(err)
	}
	drain(s)
	return s
}

// says checks what a session has to say.
func says(t testing.TB, s end, want string) {
	t.Helper()
	if got := drain(s); !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("said % x, want %s", got, want)
	}
}

func publish(t testing.TB, s end, p *Publish) uint16 {
	t.Helper()
	id, err := s.Publish(p)
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return id
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAcceptAndRefuse(t *testing.T) {
	elsewhere := &Properties{ServerReference: "b"}
	for _, tc := range []struct {
		name, connect string
		answer        func(s *Server) error
		want          string
	}{
		{"accept", connect311, func(s *Server) error { return s.Accept(t0, nil, nil) }, "20 02 00 00"},
		{"accept", connect5, func(s *Server) error { return s.Accept(t0, nil, nil) }, "20 0b 00 00 08 21 0040 27 00041000"},
		{"go on", "10 0d 0004 4d515454 04 00 003c 0001 61", func(s *Server) error { return s.Accept(t0, nil, &State{}) }, "20 02 01 00"},
		{"clean start", connect311, func(s *Server) error { return s.Accept(t0, nil, &State{}) }, "20 02 00 00"},
		{"refuse", connect311, func(s *Server) error { return s.Refuse(BadCredentials, nil) }, "20 02 00 04"},
		{"refuse", connect5, func(s *Server) error { return s.Refuse(BadCredentials, nil) }, "20 03 00 86 00"},
		{"elsewhere", connect311, func(s *Server) error { return s.Refuse(UseAnotherServer, elsewhere) }, "20 02 00 03"},
		{"elsewhere", connect5, func(s *Server) error { return s.Refuse(UseAnotherServer, elsewhere) }, "20 07 00 9c 04 1c 0001 62"},
	} {
		s := NewServer(t0, nil)
		feed(t, t0, s, unhex(t, tc.connect))
		if !s.Blocked() {
			t.Errorf("%s: not blocked before the answer", tc.name)
		}
		if n, ev, err := s.Feed(t0, unhex(t, "c000")); n != 0 || ev != nil || err != nil {
			t.Errorf("%s: Feed before the answer: %d, %v, %v", tc.name, n, ev, err)
		}
		if _, err := s.Publish(&Publish{Topic: "a"}); err != ErrNotConnected {
			t.Errorf("%s: Publish before the answer: %v", tc.name, err)
		}
		must(t, tc.answer(s))
		says(t, s, tc.want)
		if err := s.Refuse(Banned, nil); err == nil {
			t.Errorf("%s: a second answer is taken", tc.name)
		}
	}
}

// TestServerErrors has a client break the rules, and looks at the last words.
func TestServerErrors(t *testing.T) {
	big := "30 ff7f"
	for _, tc := range []struct {
		name string
		hex  string // CONNECT and more
		want string // after CONNACK; of an error in CONNECT, all
		code Reason
	}{
		{"not MQTT", "47455420", "", ProtocolError},
		{"PUBLISH first", "30 03 0001 61", "", ProtocolError},
		{"old version", "10 0f 0006 4d5149736470 03 02 003c 0001 61", "20 02 00 01", UnsupportedVersion},
		{"new version", "10 0d 0004 4d515454 06 02 003c 0001 61", "20 03 00 84 00", UnsupportedVersion},
		{"malformed CONNECT", "10 0d 0004 4d515454 05 03 003c 0001 61", "20 03 00 81 00", MalformedPacket},
		{"malformed CONNECT", "10 0d 0004 4d515454 04 03 003c 0001 61", "", MalformedPacket},
		{"no client identifier", "10 0c 0004 4d515454 04 00 003c 0000", "20 02 00 02", ClientIDInvalid},
		{"authentication", "10 12 0004 4d515454 05 02 003c 04 15 0001 6d 0001 61", "20 03 00 8c 00", BadAuthMethod},
		{"second CONNECT", connect311 + connect311, "", ProtocolError},
		{"second CONNECT", connect5 + connect5, "82", ProtocolError},
		{"CONNACK", connect5 + "20 03 00 00 00", "82", ProtocolError},
		{"SUBACK", connect5 + "90 04 0001 00 00", "82", ProtocolError},
		{"PINGRESP", connect5 + "d0 00", "82", ProtocolError},
		{"AUTH", connect5 + "f0 00", "82", ProtocolError},
		{"malformed", connect5 + "00 00", "81", MalformedPacket},
		{"wildcard", connect5 + "30 04 0001 23 00", "90", TopicNameInvalid},
		{"too large", connect5 + big, "95", PacketTooLarge},
		{"alias above the maximum", connect5 + "30 07 0001 61 03 23 0003", "94", TopicAliasInvalid},
		{"alias without topic", connect5 + "30 06 0000 03 23 0001", "82", ProtocolError},
		{"QoS 2", connect5 + "34 06 0001 61 0001 00", "9b", QoSNotSupported},
		{"retained", connect5 + "31 04 0001 61 00", "9a", RetainNotSupported},
		{"subscription identifier", connect5 + "30 06 0001 61 02 0b 01", "82", ProtocolError},
		{"receive maximum", connect5 + "32 06 0001 61 0001 00 32 06 0001 61 0002 00 32 06 0001 61 0003 00", "93", ReceiveMaximumExceeded},
		{"identifier in use", connect5 + "32 06 0001 61 0001 00 3a 06 0001 61 0001 00", "82", ProtocolError},
		{"request identifier in use", connect5 + "82 07 0001 00 0001 61 00 82 07 0001 00 0001 61 00", "82", ProtocolError},
		{"PUBACK for what was not sent", connect5 + "40 02 0001", "", Success},
		{"session expiry raised", connect5 + "e0 07 00 05 11 00000001", "82", ProtocolError},
	} {
		s := NewServer(t0, &Config{ReceiveMaximum: 2, MaxPacketSize: 1000, TopicAliases: 2})
		err := answerAll(t, s, unhex(t, tc.hex))
		if err == nil && tc.code == Success {
			continue
		}
		if err == nil || ReasonOf(err) != tc.code {
			t.Errorf("%s: Feed says %v, want %v", tc.name, err, tc.code)
		}
		got := drain(s)
		if want := unhex(t, tc.want); len(want) == 1 {
			if p, n, err := Decode(got, V5, 0); err != nil || n != len(got) || p.(*Disconnect).Code != Reason(want[0]) {
				t.Errorf("%s: said % x (%v), want DISCONNECT with %x", tc.name, got, err, want)
			}
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s: said % x, want % x", tc.name, got, want)
		}
		if _, _, err := s.Feed(t0, unhex(t, "c000")); err != ErrClosed {
			t.Errorf("%s: Feed after the end: %v", tc.name, err)
		}
	}
}

// answerAll feeds all of b, accepts CONNECT with few rights and leaves the rest
// unanswered.
func answerAll(t *testing.T, s *Server, b []byte) error {
	for {
		n, ev, err := s.Feed(t0, b)
		if b = b[n:]; err != nil || ev == nil {
			return err
		}
		if _, connect := ev.(*Connect); connect {
			must(t, s.Accept(t0, &Properties{MaximumQoS: Some[byte](1), RetainAvailable: Some[byte](0)}, nil))
			drain(s)
		}
	}
}

func TestClientErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		v    Version
		hex  string
		want string
	}{
		{"PUBLISH first", V5, "30 04 0001 61 00", ""},
		{"session from nowhere", V311, "20 02 01 00", ""},
		{"second CONNACK", V5, "20 03 00 00 00 20 03 00 00 00", "82"},
		{"CONNECT", V5, "20 03 00 00 00" + connect5, "82"},
		{"SUBSCRIBE", V5, "20 03 00 00 00 82 07 0001 00 0001 61 00", "82"},
		{"PINGREQ", V5, "20 03 00 00 00 c0 00", "82"},
		{"SUBACK for nothing", V5, "20 03 00 00 00 90 04 0001 00 00", "82"},
		{"DISCONNECT", V311, "20 02 00 00 e0 00", ""},
		{"DISCONNECT with expiry", V5, "20 03 00 00 00 e0 07 00 05 11 00000001", "82"},
	} {
		c, err := NewClient(t0, nil, &Connect{Version: tc.v, ClientID: "a"}, nil)
		must(t, err)
		drain(c)
		b := unhex(t, tc.hex)
		for err == nil && len(b) > 0 {
			var n int
			n, _, err = c.Feed(t0, b)
			b = b[n:]
		}
		if ReasonOf(err) != ProtocolError {
			t.Errorf("%s: Feed says %v", tc.name, err)
		}
		got := drain(c)
		if tc.want == "" && len(got) > 0 || tc.want != "" && (len(got) < 3 || fmt.Sprintf("%x", got[2]) != tc.want) {
			t.Errorf("%s: said % x, want DISCONNECT with %q", tc.name, got, tc.want)
		}
	}
}

func TestClientRefused(t *testing.T) {
	st := &State{LastID: 7}
	c, err := NewClient(t0, nil, &Connect{Version: V5, ClientID: "a"}, st)
	must(t, err)
	drain(c)
	_, ev, err := c.Feed(t0, unhex(t, "20 07 00 9c 04 1c 0001 62"))
	must(t, err)
	if ack := ev.(*Connack); ack.Code != UseAnotherServer || ack.Props.ServerReference != "b" {
		t.Errorf("got %+v", ack)
	}
	if _, err := c.Publish(&Publish{Topic: "a"}); err != ErrClosed {
		t.Errorf("Publish after a refusal: %v", err)
	}
	if c.State() != st {
		t.Error("a refusal changes the state")
	}
}

func TestAcksLeaveInOrder(t *testing.T) {
	s := opened(t, connect5, nil, nil, nil)
	feed(t, t0, s, unhex(t, "32 06 0001 61 0001 00  34 06 0001 61 0002 00  32 06 0001 61 0003 00"))
	must(t, s.Ack(3, Success))
	must(t, s.Ack(2, Success))
	says(t, s, "")
	if err := s.Ack(3, Success); err != ErrUnknownPacket {
		t.Errorf("second Ack: %v", err)
	}
	if err := s.Ack(9, Success); err != ErrUnknownPacket {
		t.Errorf("Ack for nothing: %v", err)
	}
	if err := s.Ack(1, Banned); ReasonOf(err) != ProtocolError {
		t.Errorf("Ack with a code for other packets: %v", err)
	}
	must(t, s.Ack(1, QuotaExceeded))
	says(t, s, "40 03 0001 97  50 02 0002  40 02 0003")
	feed(t, t0, s, unhex(t, "62 02 0002 62 02 0002"))
	says(t, s, "70 02 0002 70 03 0002 92")
}

func TestBlocked(t *testing.T) {
	s := opened(t, connect311, &Config{ReceiveMaximum: 2}, nil, nil)
	b := unhex(t, "32 05 0001 61 0001  32 05 0001 61 0002  c000  32 05 0001 61 0003  30 03 0001 62")
	got := 0
	for range 10 {
		n, ev, err := s.Feed(t0, b)
		must(t, err)
		if b = b[n:]; ev != nil {
			got++
		}
	}
	if got != 2 || !s.Blocked() || len(b) != 12 {
		t.Fatalf("%d messages came, %d bytes are left", got, len(b))
	}
	says(t, s, "d000") // what stands before the message is taken
	if !s.Deadline().IsZero() {
		t.Error("a peer that is not read from has a deadline")
	}
	must(t, s.Ack(2, Success))
	if !s.Blocked() {
		t.Error("not blocked, but no answer could leave")
	}
	must(t, s.Ack(1, Success))
	if s.Blocked() {
		t.Error("blocked with room")
	}
	later := t0.Add(time.Hour)
	if err := s.Tick(later); err != nil {
		t.Errorf("the time during which the peer was not read from counts: %v", err)
	}
	if events := feed(t, later, s, b); len(events) != 2 {
		t.Errorf("got %v", events)
	}
	if want := later.Add(90 * time.Second); !s.Deadline().Equal(want) {
		t.Errorf("Deadline is %v, want %v", s.Deadline(), want)
	}
}

func TestSubscriptions(t *testing.T) {
	for _, v := range []Version{V311, V5} {
		c, s := connected(t, &Connect{Version: v, ClientID: "a", CleanStart: true}, nil, nil, nil, nil)
		one, err := c.Subscribe(Subscription{Filter: "a/#", QoS: 1}, Subscription{Filter: "b"})
		must(t, err)
		two, err := c.Unsubscribe("a/#")
		must(t, err)
		if _, err := c.Subscribe(Subscription{Filter: "a#"}); ReasonOf(err) != TopicFilterInvalid {
			t.Errorf("bad filter: %v", err)
		}
		events := feed(t, t0, s, drain(c))
		if sub := events[0].(*Subscribe); sub.PacketID != one || len(sub.Filters) != 2 {
			t.Errorf("got %+v", sub)
		}
		if err := s.Suback(one, Success); ReasonOf(err) != ProtocolError {
			t.Errorf("too few codes: %v", err)
		}
		if err := s.Unsuback(one, Success, Success); err != ErrUnknownPacket {
			t.Errorf("answer to another request: %v", err)
		}
		must(t, s.Suback(one, GrantedQoS1, NotAuthorized))
		must(t, s.Unsuback(two, Success))
		events = feed(t, t0, c, drain(s))
		if ack := events[0].(*Suback); ack.PacketID != one || ack.Codes[0] != GrantedQoS1 || !ack.Codes[1].Failed() {
			t.Errorf("got %+v", ack)
		}
		if ack := events[1].(*Unsuback); ack.PacketID != two {
			t.Errorf("got %+v", ack)
		}
	}
}

func TestManySubscriptionsBlock(t *testing.T) {
	s := opened(t, connect5, nil, nil, nil)
	var b []byte
	for i := range maxAsked + 1 {
		b = append(b, unhex(t, fmt.Sprintf("82 07 %04x 00 0001 61 00", i+1))...)
	}
	for range maxAsked + 1 {
		n, _, err := s.Feed(t0, b)
		must(t, err)
		b = b[n:]
	}
	if !s.Blocked() || len(b) != 9 {
		t.Fatalf("%d bytes are left", len(b))
	}
	must(t, s.Suback(5, Success))
	if events := feed(t, t0, s, b); s.Blocked() || len(events) != 1 {
		t.Errorf("got %v", events)
	}
}

func TestTopicAliases(t *testing.T) {
	connect := &Connect{Version: V5, ClientID: "a", CleanStart: true}
	c, s := connected(t, connect, &Config{TopicAliases: 1}, &Config{TopicAliases: 20}, nil, nil)
	for range 2 {
		publish(t, s, &Publish{Topic: "device/one"})
		publish(t, s, &Publish{Topic: "device/two"})
		publish(t, s, &Publish{Topic: "short"})
	}
	b := drain(s)
	if n := strings.Count(string(b), "device/one"); n != 1 {
		t.Errorf("the topic stands %d times", n)
	}
	var topics []string
	for _, ev := range feed(t, t0, c, b) {
		p := ev.(*Publish)
		topics = append(topics, p.Topic)
		if p.Props.given().TopicAlias.Set {
			t.Error("the application sees an alias")
		}
	}
	if got := strings.Join(topics, " "); got != "device/one device/two short device/one device/two short" {
		t.Errorf("got %s", got)
	}
	for range 2 {
		for i := range 12 {
			publish(t, c, &Publish{Topic: fmt.Sprintf("agent/topic/%d", i)})
		}
	}
	for i, ev := range feed(t, t0, s, drain(c)) {
		if want := fmt.Sprintf("agent/topic/%d", i%12); ev.(*Publish).Topic != want {
			t.Errorf("got %s, want %s", ev.(*Publish).Topic, want)
		}
	}
	aliased := &Publish{Topic: "a", Props: &Properties{TopicAlias: Some[uint16](1)}}
	if _, err := s.Publish(aliased); ReasonOf(err) != TopicAliasInvalid {
		t.Errorf("Publish with an alias: %v", err)
	}
}

// A message is unsent until Output has given it, and stays so while the peer's
// receive maximum holds it back, or when the peer has said DISCONNECT.
func TestUnsent(t *testing.T) {
	const receiveOne = "10 11 0004 4d515454 05 02 003c 03 21 0001 0001 61"
	s := opened(t, receiveOne, nil, nil, nil)
	expect := func(want bool) {
		t.Helper()
		if s.Unsent() != want {
			t.Errorf("Unsent() = %v", !want)
		}
	}
	expect(false)
	publish(t, s, &Publish{Topic: "a", QoS: 1})
	expect(true)
	drain(s)
	expect(false)
	publish(t, s, &Publish{Topic: "b"})
	drain(s)
	expect(true)
	feed(t, t0, s, unhex(t, "40 02 0001"))
	drain(s)
	expect(false)
	publish(t, s, &Publish{Topic: "c"})
	feed(t, t0, s, unhex(t, "e0 00"))
	drain(s)
	expect(true)
}
