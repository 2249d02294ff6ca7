package core

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
	batches "github.com/tandem-iot/tandem/mqtt/batch"
)

// server is the other end of the device's connection: a real session, and a list
// of what it has seen.
type server struct {
	w       *world
	number  uint64 // of the connection, 0 for none
	session *mqtt.Server
	in      []byte
	said    map[uint16]string // what waits for the device's acknowledgement
	held    []uint16          // messages of the device that are not acknowledged

	code      mqtt.Reason // of CONNACK, if not Success
	config    mqtt.Config
	batch     bool // what is said waits for speak
	piece     int  // how many bytes arrive at a time, 0 for all
	hold      bool // messages for the agent are not acknowledged
	holdLines bool // and lines of the log neither
	stall     bool // what the device writes does not get through
	stalled   []*Write
	clocks    bool   // say the stamps of what the device publishes
	refuse    string // topic of messages that are refused

	batches int   // bytes of packets that are taken in a batch; 0: none are
	packed  []int // bytes of packets in each batch that has come

	seen []agentView // all that the device has published

	login      func(key string) mqtt.Reason // nil: code decides
	subscribed func()                       // the device can be told things
	delivered  func(text string)            // the device has acknowledged this
	handle     func(m *agentView)           // a message for the agent
	refuses    func(m *agentView) bool
}

// agentView is a message as the agent sees it.
type agentView struct {
	topic, payload string
	mark           tandem.Mark
	post           bool
	written        int64 // of a line: when, in milliseconds since 1970
}

func (s *server) accept(number uint64) {
	s.number, s.in, s.held, s.stalled = number, nil, nil, nil
	s.said = map[uint16]string{}
	s.session = mqtt.NewServer(sessionTime(s.w.now.Mono), &s.config)
}

// lose forgets the connection.
func (s *server) lose() { s.number, s.session = 0, nil }

func (s *server) closed(number uint64) {
	if s.number == number {
		s.lose()
	}
}

// receive takes what the device writes.
func (s *server) receive(e *Write) {
	switch {
	case s.number != e.Number:
		return
	case s.stall:
		s.stalled = append(s.stalled, e)
		return
	}
	s.in = append(s.in, e.Data...)
	for s.session != nil {
		n, ev, err := s.session.Feed(sessionTime(s.w.now.Mono), s.in)
		s.in = s.in[n:]
		if err != nil {
			if err != mqtt.ErrClosed {
				s.w.t.Error(err)
			}
			s.speak()
			s.end(errors.New("EOF"))
			return
		}
		if ev == nil {
			break
		}
		s.event(ev)
	}
	if s.session != nil {
		if s.w.lag == 0 {
			s.w.queue = append(s.w.queue, &Written{e.Number})
		}
		s.speak()
	}
}

// speak sends what the session has to say.
func (s *server) speak() {
	out := s.session.Output(nil)
	number := s.number
	for piece := range slices.Chunk(out, cmp.Or(s.piece, 1<<20)) {
		s.w.carry(func() { s.w.queue = append(s.w.queue, &Received{number, piece}) })
	}
}

// end breaks the connection.
func (s *server) end(err error) {
	if s.number != 0 {
		s.w.queue = append(s.w.queue, &Closed{s.number, err})
		s.lose()
	}
}

func (s *server) event(ev mqtt.Event) {
	var err error
	now := sessionTime(s.w.now.Mono)
	switch ev := ev.(type) {
	case *mqtt.Connect:
		s.w.say("> CONNECT")
		if s.login != nil {
			s.code = s.login(string(ev.Password))
		}
		if s.code != mqtt.Success {
			err = s.session.Refuse(s.code, nil)
			break
		}
		var props *mqtt.Properties
		if _, asked := ev.Props.Get(batches.Property); asked && s.batches > 0 {
			props = &mqtt.Properties{User: []mqtt.UserProperty{{Key: batches.Property, Value: itoa(s.batches)}}}
		}
		err = s.session.Accept(now, props, nil)
	case *mqtt.Subscribe:
		code := mqtt.Reason(1)
		if s.refuse == "subscriptions" {
			code = mqtt.NotAuthorized
		}
		err = s.session.Suback(ev.PacketID, 1, code)
		if s.subscribed != nil {
			s.subscribed()
		}
	case *mqtt.Publish:
		err = s.publish(ev)
	case *mqtt.Delivered:
		text := s.said[ev.PacketID]
		delete(s.said, ev.PacketID)
		s.w.say("> ack %s", text)
		if s.delivered != nil {
			s.delivered(text)
		}
	case *mqtt.Disconnect:
		s.w.say("> DISCONNECT")
		s.end(errors.New("EOF"))
	}
	if err != nil {
		s.w.t.Error(err)
	}
}

func (s *server) publish(p *mqtt.Publish) error {
	view := s.view
	if p.Topic == batches.Topic {
		view = s.unpack
	}
	refused := view(p)
	switch {
	case refused || p.QoS == 0 || s.session == nil:
		return nil
	case s.hold && (strings.HasPrefix(p.Topic, "agent/") || p.Topic == batches.Topic),
		s.holdLines && strings.HasPrefix(p.Topic, "log"):
		s.held = append(s.held, p.PacketID)
		return nil
	case s.refuse == p.Topic:
		return s.session.Ack(p.PacketID, mqtt.NotAuthorized)
	}
	return s.session.Ack(p.PacketID, mqtt.Success)
}

// unpack takes the messages of a batch.
func (s *server) unpack(p *mqtt.Publish) (refused bool) {
	rest, err := batches.Unpack(p.Payload, s.batches)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.w.say("> batch")
	s.packed = append(s.packed, len(rest))
	for len(rest) > 0 && s.session != nil { // a message may end it
		var one *mqtt.Publish
		if one, rest, err = batches.Next(rest); err != nil {
			s.w.t.Fatal(err)
		}
		refused = s.view(one) || refused
	}
	return refused
}

// view takes a message. It reports that it is refused: nothing is acknowledged then.
func (s *server) view(p *mqtt.Publish) (refused bool) {
	v := agentView{topic: p.Topic}
	v.payload = jsonOf(p.Payload, p.Props != nil && p.Props.ContentType == tandem.ContentCompact)
	v.mark = tandem.Mark{Boot: numbered(p, "boot"), Seq: numbered(p, "seq")}
	_, v.post = p.Props.Get("post")
	text := strings.TrimSpace(v.topic + " " + v.payload)
	if v.mark.Boot != 0 {
		text += " " + itoa(int(v.mark.Boot)) + "." + itoa(int(v.mark.Seq))
	}
	if v.post {
		text += " post"
	}
	if v.written = int64(numbered(p, propertyWritten)); v.written != 0 {
		text += " of " + time.UnixMilli(v.written).UTC().Format("15:04:05")
	}
	if s.clocks {
		text += " clock " + strconv.FormatUint(numbered(p, "clock"), 10)
	}
	if p.Dup {
		text += " dup"
	}
	s.w.say("> %s", text)
	if s.refuses != nil && s.refuses(&v) {
		return true
	}
	s.seen = append(s.seen, v)
	if s.handle != nil {
		s.handle(&v)
	}
	return false
}

// ack acknowledges up to n messages that were held.
func (s *server) ack(n int) {
	for ; n > 0 && len(s.held) > 0; n-- {
		if err := s.session.Ack(s.held[0], mqtt.Success); err != nil {
			s.w.t.Error(err)
		}
		s.held = s.held[1:]
	}
	s.speak()
}

// say sends the device a message. user are keys and values in turn.
func (s *server) say(topic string, payload []byte, user ...string) {
	p := &mqtt.Publish{Topic: topic, QoS: 1, Payload: payload, Props: &mqtt.Properties{ContentType: tandem.ContentJSON}}
	text := topic
	for i := 0; i+1 < len(user); i += 2 {
		p.Props.User = append(p.Props.User, mqtt.UserProperty{Key: user[i], Value: user[i+1]})
		if user[i] == "post" {
			text += " post " + user[i+1]
		}
	}
	id, err := s.session.Publish(p)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.said[id] = text
	if !s.batch {
		s.speak()
	}
}

// disconnect has the server leave, with a reason.
func (s *server) disconnect(code mqtt.Reason, another string) {
	var props *mqtt.Properties
	if another != "" {
		props = &mqtt.Properties{ServerReference: another}
	}
	if err := s.session.Disconnect(code, props); err != nil {
		s.w.t.Fatal(err)
	}
	s.speak()
	s.end(errors.New("EOF"))
}

// unstall lets through what the device has written.
func (s *server) unstall() {
	s.stall = false
	late := s.stalled
	s.stalled = nil
	for _, e := range late {
		s.receive(e)
	}
}

// letThrough lets one write through, but none that comes of it.
func (s *server) letThrough() {
	s.unstall()
	s.stall = true
}
