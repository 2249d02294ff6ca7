package session

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

const (
	deviceID = "0123456789abcdef"
	key      = "the key"
)

// TestScripts runs testdata/*.txt: what happens to a session, and what it then
// wants. See script.run for the commands.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := &script{t: t}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				s.out.Reset()
				s.t = t
				s.run(d)
				s.settle()
				return abridge(s.out.String())
			})
		})
	}
}

// script is a session with a shell that does what it is told, as package gateway
// does, and prints it.
type script struct {
	t       *testing.T
	s       Session
	v       mqtt.Version
	now     time.Duration
	stamp   hlc.Timestamp
	in      []byte
	stalled bool          // the device takes nothing
	joined  bool          // questions at the beginning are answered at once
	handle  bool          // messages are handled at once
	slow    time.Duration // each takes as long
	batched bool          // messages come in batches
	out     strings.Builder
}

func (s *script) time() tandem.Now {
	return tandem.Now{Wall: time.Unix(1_700_000_000, 0).Add(s.now), Mono: s.now}
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// arg returns the value of an argument.
func arg(d *datadriven.TestData, name, fallback string) string {
	for _, a := range d.CmdArgs {
		if a.Key == name {
			return strings.Join(a.Vals, ",")
		}
	}
	return fallback
}

func num(text string) (n uint64) {
	fmt.Sscan(text, &n)
	return n
}

// failure returns an error of the kind named, nil if none is.
func failure(d *datadriven.TestData) error {
	for kind := tandem.Internal; kind <= tandem.Unavailable; kind++ {
		if arg(d, "err", "") == strings.ReplaceAll(kind.String(), " ", "-") {
			return tandem.Errorf(kind, "no luck")
		}
	}
	return nil
}

// run does one command.
func (s *script) run(d *datadriven.TestData) {
	switch d.Cmd {
	case "open": // v=5 join keepalive=40 rates certificate: a new connection; join lets the device in, rates has it rated
		*s = script{t: s.t, v: mqtt.V311, joined: d.HasArg("join")}
		if arg(d, "v", "") == "5" {
			s.v = mqtt.V5
		}
		stamp := func() hlc.Timestamp { s.stamp++; return s.stamp }
		s.s = New(&Config{KeepAlive: 40 * time.Second, Stamp: stamp, Rates: rates(d)}, s.time())
		s.s.Certified(s.time(), d.HasArg("certificate"))
		if s.joined {
			s.feed(s.connect(d))
			s.out.Reset()
			s.joined = false
		}
	case "connect":
		s.feed(s.connect(d))
	case "device": // packets, one a line, that come in one read; handle: the host handles messages at once
		s.handle = d.HasArg("handle")
		s.slow, _ = time.ParseDuration(arg(d, "handle", ""))
		s.feed(s.packets(d.Input))
		s.handle = false
	case "inherit": // the device has connected as often before
		s.s.budget.charge(s.now, &DeviceRates, connects, int(num(d.CmdArgs[0].Key)))
		s.s.Inherit(s.now, Budget{})
	case "proceed": // after the session was full or rested
		s.s.Rest(s.now)
		s.ask()
		s.proceed()
	case "authenticated":
		s.s.Authenticated(failure(d))
		s.ask()
		s.proceed()
	case "connected":
		s.s.Connected(s.time(), failure(d))
		s.ask()
		s.proceed()
	case "taken":
		s.s.Taken(num(d.CmdArgs[0].Key), failure(d))
	case "handled":
		s.write(s.s.Handled(s.now, num(d.CmdArgs[0].Key)))
		s.proceed()
	case "send":
		s.send(d)
	case "wait":
		s.wait(d)
	case "measured": // so long takes a round trip on the link
		s.s.Measured(s.duration(d))
	case "tick": // although nothing may be due
		s.s.Tick(s.time())
	case "stall": // the device takes nothing
		s.stalled = true
	case "drain":
		s.stalled = false
		s.s.Written(s.now, nil)
		s.flush()
	case "break":
		s.s.Break(errors.New("reset by peer"))
	case "end":
		s.s.End(mqtt.ShuttingDown, "the server stops", arg(d, "server", ""))
	case "closed":
		s.s.Closed(s.time())
		s.ask()
	case "load":
		s.say("%+v", s.s.Load())
	default:
		s.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
}

// rates are those of the device that a command opens.
func rates(d *datadriven.TestData) Rates {
	if d.HasArg("rates") {
		return DeviceRates
	}
	return Rates{}
}

// connect is the CONNECT that a command says.
func (s *script) connect(d *datadriven.TestData) []byte {
	c := &mqtt.Connect{
		Version: s.v, CleanStart: true, KeepAlive: uint16(num(arg(d, "keepalive", "30"))), ClientID: arg(d, "id", deviceID),
		Username: arg(d, "user", deviceID), Password: []byte(arg(d, "key", key)),
	}
	c.HasUsername, c.HasPassword = c.Username != "", len(c.Password) > 0
	if s.v == mqtt.V5 {
		c.Props = &mqtt.Properties{}
		if format := arg(d, "format", ""); format != "" {
			c.Props.User = []mqtt.UserProperty{{Key: "format", Value: format}}
		}
		for _, name := range []string{batch.Property, "silence"} {
			if d.HasArg(name) {
				c.Props.User = append(c.Props.User, mqtt.UserProperty{Key: name, Value: arg(d, name, "")})
			}
		}
		if n := num(arg(d, "receive", "")); n > 0 {
			c.Props.ReceiveMaximum = mqtt.Some(uint16(n))
		}
		if n := num(arg(d, "size", "")); n > 0 {
			c.Props.MaximumPacketSize = mqtt.Some(uint32(n))
		}
	}
	return s.append(c)
}

func (s *script) append(p mqtt.Packet) []byte {
	raw, err := mqtt.Append(nil, p, s.v)
	if err != nil {
		s.t.Fatalf("%+v: %v", p, err)
	}
	return raw
}

// packets are those of the lines. A line that begins with *n is n packets, with
// identifiers that count up.
func (s *script) packets(lines string) (all []byte) {
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		var times int
		if _, err := fmt.Sscanf(words[0], "*%d", &times); err != nil {
			all = append(all, s.packet(words)...)
			continue
		}
		for i := range times {
			switch {
			case words[1] == "puback":
				words[2] = fmt.Sprint(i + 1)
			case words[1] == "publish" && words[3] != "0":
				words[4] = fmt.Sprint(i + 1)
			}
			all = append(all, s.packet(words[1:])...)
		}
	}
	return all
}

var acks = map[string]mqtt.Type{
	"puback": mqtt.TypePuback, "pubrec": mqtt.TypePubrec, "pubrel": mqtt.TypePubrel, "pubcomp": mqtt.TypePubcomp,
}

// packet is a packet of the device: its name, then
//
//	publish topic qos id data [key=value …]
//	subscribe id filter:qos …, unsubscribe id filter …
//	batch id plain|packed [packets between /]
//	puback id [code], and so on
func (s *script) packet(words []string) []byte {
	kind, words := words[0], words[1:]
	switch kind {
	case "raw":
		raw, err := hex.DecodeString(words[0])
		if err != nil {
			s.t.Fatal(err)
		}
		return raw
	case "ping":
		return s.append(&mqtt.Ping{})
	case "disconnect":
		p := &mqtt.Disconnect{}
		if len(words) > 0 {
			p.Code = mqtt.Reason(num(words[0]))
		}
		return s.append(p)
	case "publish":
		return s.append(publication(words))
	case "batch":
		return s.append(s.batch(words))
	case "subscribe":
		p := &mqtt.Subscribe{PacketID: uint16(num(words[0]))}
		for _, w := range words[1:] {
			text, qos, _ := strings.Cut(w, ":")
			p.Filters = append(p.Filters, mqtt.Subscription{Filter: text, QoS: byte(num(qos))})
		}
		return s.append(p)
	case "unsubscribe":
		return s.append(&mqtt.Unsubscribe{PacketID: uint16(num(words[0])), Filters: words[1:]})
	}
	p := &mqtt.Ack{Kind: acks[kind], PacketID: uint16(num(words[0]))}
	if len(words) > 1 {
		p.Code = mqtt.Reason(num(words[1]))
	}
	return s.append(p)
}

// batch is a batch of messages: its identifier, whether it is packed, and the packets. *n before a
// packet repeats it.
func (s *script) batch(words []string) *mqtt.Publish {
	v := s.v
	s.v, s.batched = mqtt.V5, true
	defer func() { s.v = v }()
	var packets []byte
	for text := range strings.SplitSeq(strings.Join(words[2:], " "), "/ ") {
		if text = strings.TrimSpace(text); text != "" {
			packets = append(packets, s.packets(text)...)
		}
	}
	p := &mqtt.Publish{Topic: batch.Topic, QoS: 1, PacketID: uint16(num(words[0])), Payload: append([]byte{0}, packets...)}
	if words[1] == "packed" {
		p.Payload = batch.Pack(packets)
	}
	if p.PacketID == 0 {
		p.QoS = 0
	}
	return p
}

func publication(words []string) *mqtt.Publish {
	p := &mqtt.Publish{Topic: words[0], QoS: byte(num(words[1])), PacketID: uint16(num(words[2]))}
	var size int
	if _, err := fmt.Sscanf(words[3], "*%d", &size); err == nil {
		p.Payload = make([]byte, size)
	} else {
		p.Payload = []byte(words[3])
	}
	for _, w := range words[4:] {
		k, v, _ := strings.Cut(w, "=")
		if p.Props == nil {
			p.Props = &mqtt.Properties{}
		}
		if k == "type" {
			p.Props.ContentType = v
			continue
		}
		p.Props.User = append(p.Props.User, mqtt.UserProperty{Key: k, Value: v})
	}
	return p
}

// feed is bytes that come in one read.
func (s *script) feed(raw []byte) {
	s.in = append(s.in, raw...)
	s.proceed()
}

// proceed has the session take what has been read, as far as it does.
func (s *script) proceed() {
	for again := true; again && !s.s.Leaving(); {
		if s.s.Full() {
			if s.flush(); s.s.Full() {
				s.say("full")
				return
			}
		}
		var n int
		n, again = s.s.Feed(s.time(), s.in)
		s.in = s.in[n:]
		s.ask()
	}
	if !s.s.Leaving() {
		s.flush()
	}
}

// ask prints what the session asks.
func (s *script) ask() {
	var q Question
	for s.s.Next(&q) {
		switch q.Kind {
		case Authenticate:
			s.say("authenticate %s %q", q.Device, q.Key)
			if s.joined {
				s.s.Authenticated(nil)
			}
		case Connect:
			s.say("connect %s from=%d format=%d", q.Device, q.Seq, s.s.Format())
			if s.joined {
				s.s.Connected(s.time(), nil)
			}
		case Deliver:
			s.deliver(&q)
		case Disconnect:
			s.say("disconnect clean=%v lost=%v", q.End.Clean, q.End.Lost)
		}
	}
}

// abridge leaves out the middle of many lines that are alike.
func abridge(out string) string {
	kind := func(line string) string {
		word, rest, _ := strings.Cut(line, " ")
		next, _, _ := strings.Cut(rest, " ")
		if word == "<" {
			return word + next
		}
		return word
	}
	lines := strings.SplitAfter(out, "\n")
	var b strings.Builder
	for i := 0; i < len(lines); {
		n := 1
		for i+n < len(lines) && kind(lines[i+n]) == kind(lines[i]) {
			n++
		}
		if n <= 10 {
			b.WriteString(strings.Join(lines[i:i+n], ""))
		} else {
			fmt.Fprintf(&b, "%s(%d lines)\n%s", lines[i], n-2, lines[i+n-1])
		}
		i += n
	}
	return b.String()
}

func (s *script) deliver(q *Question) {
	s.say("deliver %d %s %s", q.Seq, q.Topic, describe(q))
	if s.handle {
		s.now += s.slow
		if write := s.s.Handled(s.now, q.Seq); write || !s.batched {
			s.write(write)
		}
		s.s.Taken(q.Seq, nil)
	}
}

// describe is what a message of the device has besides its topic.
func describe(q *Question) string {
	m := q.Message
	text := abbreviate(m.Data)
	if m.Name != "" {
		text += " name=" + m.Name
	}
	if m.Format != tandem.FormatJSON {
		text += fmt.Sprintf(" format=%d", m.Format)
	}
	if m.Mark != (tandem.Mark{}) {
		text += fmt.Sprintf(" mark=%d/%d", m.Mark.Boot, m.Mark.Seq)
	}
	if m.Post != 0 {
		text += " post"
	}
	if m.Written != 0 {
		text += fmt.Sprintf(" written=%d", m.Written)
	}
	if q.Stamp != 0 {
		text += fmt.Sprintf(" stamp=%d", q.Stamp)
	}
	return text
}

func abbreviate(data []byte) string {
	if len(data) > 200 {
		return fmt.Sprintf("(%d bytes)", len(data))
	}
	return fmt.Sprintf("%q", data)
}

// send is a message of the host: send topic data post=1 after=1 format=1 times=1.
func (s *script) send(d *datadriven.TestData) {
	m := tandem.Message{Post: num(arg(d, "post", "")), After: num(arg(d, "after", ""))}
	m.Incarnation = num(arg(d, "incarnation", ""))
	m.Format = tandem.Format(num(arg(d, "format", "")))
	if len(d.CmdArgs) > 1 {
		m.Data = []byte(d.CmdArgs[1].Key)
	}
	if size := num(arg(d, "size", "")); size > 0 {
		m.Data = make([]byte, size)
	}
	var ok, write bool
	for range max(num(arg(d, "times", "")), 1) {
		ok, write = s.s.Send(d.CmdArgs[0].Key, m)
	}
	if !ok {
		s.say("not taken")
	}
	s.write(write)
}

func (s *script) write(now bool) {
	if !now {
		s.say("not written yet")
		return
	}
	s.flush()
}

// duration is the first argument of a command.
func (s *script) duration(d *datadriven.TestData) time.Duration {
	length, err := time.ParseDuration(d.CmdArgs[0].Key)
	if err != nil {
		s.t.Fatal(err)
	}
	return length
}

// wait lets time pass, and the session tick when it wants to.
func (s *script) wait(d *datadriven.TestData) {
	until := s.now + s.duration(d)
	for {
		at, ok := s.s.Deadline()
		if !ok || at > until {
			s.now = until
			return
		}
		s.now = at
		s.say("tick at %v", at)
		s.s.Tick(s.time())
		s.settle()
	}
}

// settle prints what the last event has brought about besides.
func (s *script) settle() {
	for _, n := range s.s.Notices() {
		if n.Over != "" {
			s.say("over %s", n.Over)
		}
		if n.Text != "" {
			s.say("note %d: %s %v", n.Level, n.Text, n.Args)
		}
	}
	if s.s.Leaving() && !s.s.closed {
		s.flush()
		s.say("leaving linger=%v", s.s.Linger())
	}
}

// flush prints what the session writes.
func (s *script) flush() {
	for !s.s.Writing() {
		raw := s.s.Output(nil)
		if len(raw) == 0 {
			return
		}
		for len(raw) > 0 {
			p, n, err := mqtt.Decode(raw, s.v, 0)
			if err != nil {
				s.t.Fatal(err)
			}
			s.say("< %s", show(p))
			raw = raw[n:]
		}
		if !s.stalled {
			s.s.Written(s.now, nil)
		}
	}
}

// show is a packet for the device, in a line.
func show(p mqtt.Packet) string {
	switch p := p.(type) {
	case *mqtt.Connack:
		text := "connack " + p.Code.String() + reason(p.Props)
		if p.Props != nil && p.Props.ServerKeepAlive.Set {
			text += fmt.Sprintf(" keepalive=%d", p.Props.ServerKeepAlive.Value)
		}
		if p.Props != nil && p.Props.AssignedClientID != "" {
			text += " id=" + p.Props.AssignedClientID
		}
		if size, ok := p.Props.Get(batch.Property); ok {
			text += " batch=" + size
		}
		return text
	case *mqtt.Publish:
		text := fmt.Sprintf("publish %s qos=%d id=%d %s", p.Topic, p.QoS, p.PacketID, abbreviate(p.Payload))
		if p.Props != nil {
			if p.Props.ContentType != "" {
				text += " " + p.Props.ContentType
			}
			for _, u := range p.Props.User {
				text += " " + u.Key + "=" + u.Value
			}
		}
		return text
	case *mqtt.Ack:
		return fmt.Sprintf("%s %d %v", p.Kind, p.PacketID, p.Code)
	case *mqtt.Suback:
		return fmt.Sprintf("suback %d %v", p.PacketID, p.Codes)
	case *mqtt.Unsuback:
		return fmt.Sprintf("unsuback %d %v", p.PacketID, p.Codes)
	case *mqtt.Disconnect:
		text := "disconnect " + p.Code.String() + reason(p.Props)
		if p.Props != nil && p.Props.ServerReference != "" {
			text += " server=" + p.Props.ServerReference
		}
		return text
	}
	return p.Type().String()
}

func reason(p *mqtt.Properties) string {
	if p == nil || p.ReasonString == "" {
		return ""
	}
	return ": " + p.ReasonString
}
