package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

// FuzzSession has what data says happen to a session: bytes and packets of the
// device, answers of the host in any order, messages for the device, time, and
// ends. It must not panic, acknowledge what was not handled, or exceed a bound.
func FuzzSession(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomly(seed, 400))
	}
	f.Fuzz(func(t *testing.T, data []byte) { play(t, data) })
}

// TestRandomSessions is a part of FuzzSession that always runs.
func TestRandomSessions(t *testing.T) {
	ends := map[string]int{}
	for seed := range uint64(1000) {
		p := play(t, randomly(seed, 100+int(seed%2000)))
		ends[fmt.Sprintf("%+v", p.end)]++
	}
	if len(ends) != 4 {
		t.Errorf("not all ways to end were seen: %v", ends)
	}
}

func randomly(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// player is a shell that checks what the session wants.
type player struct {
	t    *testing.T
	data []byte
	s    Session
	v    mqtt.Version
	now  time.Duration
	in   []byte

	connects, ends int
	failed         bool
	end            tandem.LinkEnd
	seq            uint64
	open           map[uint64]uint16 // messages that are not handled, with their packet identifiers
	due            map[uint16]int    // acknowledgements that may come
	batches        int               // that the device has sent
	part           map[uint64]string // the batch of each message that came in one and is not handled
	left           map[string]int    // messages of each batch that are not handled
	received       map[uint16]bool   // QoS 2 messages that have been handled
}

func (p *player) byte() byte {
	if len(p.data) == 0 {
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return b
}

func (p *player) time() tandem.Now {
	return tandem.Now{Wall: time.Unix(0, 0).Add(p.now), Mono: p.now}
}

func play(t *testing.T, data []byte) *player {
	p := &player{
		t: t, data: data, v: mqtt.V311,
		open: map[uint64]uint16{}, due: map[uint16]int{}, received: map[uint16]bool{},
		part: map[uint64]string{}, left: map[string]int{},
	}
	stamp := hlc.Timestamp(0)
	first := p.byte()
	cfg := &Config{KeepAlive: 40 * time.Second, Stamp: func() hlc.Timestamp { stamp++; return stamp }}
	if first&16 != 0 {
		cfg.Rates = fuzzRates
	}
	p.s = New(cfg, p.time())
	if first&1 != 0 {
		p.v = mqtt.V5
	}
	if first&6 != 0 {
		c := &mqtt.Connect{
			Version: p.v, CleanStart: true, KeepAlive: uint16(p.byte()), ClientID: deviceID,
			HasUsername: true, Username: deviceID, HasPassword: true, Password: []byte(key),
		}
		if first&8 != 0 && p.v == mqtt.V5 {
			c.Props = &mqtt.Properties{ReceiveMaximum: mqtt.Some(uint16(p.byte()%4 + 1))}
		}
		p.packet(c)
		p.feed()
	}
	for len(p.data) > 0 && p.ends == 0 {
		p.step()
		p.check()
	}
	p.s.Closed(p.time())
	p.ask()
	p.handle(0)
	p.check()
	if p.ends != p.connects {
		t.Fatalf("the host was told of %d connections and %d ends", p.connects, p.ends)
	}
	return p
}

// step does what the next bytes say.
func (p *player) step() {
	switch op := p.byte(); op % 16 {
	case 0, 1, 2, 3, 4:
		p.packet(p.choose())
		p.feed()
	case 5, 6:
		p.handle(uint64(p.byte()))
	case 7, 8:
		p.send()
	case 9:
		p.now += time.Duration(p.byte()) * 100 * time.Millisecond
		if at, ok := p.s.Deadline(); ok && at <= p.now {
			p.s.Tick(p.time())
			p.ask()
		}
	case 10, 11, 12:
		p.write(nil)
	case 13:
		p.feed()
	case 14:
		p.rare()
	default:
		if op < 32 { // bytes without sense, mostly the end
			p.in = append(p.in, p.byte(), p.byte())
			p.feed()
		}
	}
}

func (p *player) rare() {
	switch op := p.byte(); op {
	case 0, 1:
		p.s.Break(errors.New("broken"))
	case 2:
		p.s.End(mqtt.ShuttingDown, "stop", "")
	case 3:
		p.write(errors.New("broken"))
	case 4, 5:
		p.s.Closed(p.time())
		p.ask()
	default:
		if seq := uint64(op) % (p.seq + 1); p.hasOpen(seq) && op > 200 {
			p.s.Taken(seq, errors.New("no"))
			p.failed = true
			delete(p.open, seq)
		}
	}
}

func (p *player) hasOpen(seq uint64) bool {
	_, ok := p.open[seq]
	return ok
}

// choose is a packet that a device may send.
func (p *player) choose() mqtt.Packet {
	id := uint16(p.byte()%8 + 1)
	switch op := p.byte(); op % 16 {
	case 0, 1, 2, 3, 4, 5:
		m := &mqtt.Publish{Topic: "agent/x", QoS: op >> 4 % 3, Payload: make([]byte, int(p.byte())<<(op>>5))}
		if m.QoS > 0 {
			m.PacketID = id
		}
		switch {
		case op == 0xf5:
			m.Topic = "elsewhere"
		case op%16 == 4:
			n := int(p.byte() % 5)
			m.Topic, m.Payload = batch.Topic, p.batch(n)
			if n == 0 && m.QoS > 0 { // there is nothing to handle
				p.due[id]++
				p.received[id] = true
			}
		}
		return m
	case 6:
		return &mqtt.Subscribe{PacketID: id, Filters: []mqtt.Subscription{{Filter: "device/#", QoS: op >> 4 % 3}}}
	case 7:
		return &mqtt.Subscribe{PacketID: id, Filters: []mqtt.Subscription{{Filter: fmt.Sprintf("sys/%d", op), QoS: 1}}}
	case 8:
		return &mqtt.Unsubscribe{PacketID: id, Filters: []string{"device/#"}}
	case 9, 10, 11, 12:
		return &mqtt.Ack{Kind: mqtt.TypePuback, PacketID: id}
	case 13:
		return &mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: id}
	case 14:
		if op == 0xee {
			return &mqtt.Disconnect{}
		}
	}
	return &mqtt.Ping{}
}

// batch returns the payload of a batch. The data of each message says which batch it is in.
func (p *player) batch(n int) []byte {
	p.batches++
	name := fmt.Sprint("batch ", p.batches)
	p.left[name] = n
	var packets []byte
	for range n {
		var err error
		if packets, err = batch.Append(packets, &mqtt.Publish{Topic: "agent/x", Payload: []byte(name)}); err != nil {
			p.t.Fatal(err)
		}
	}
	if n == 4 && p.byte() > 200 {
		return append([]byte{0}, packets[:len(packets)-3]...) // the last is cut
	}
	return batch.Pack(packets)
}

func (p *player) packet(packet mqtt.Packet) {
	raw, err := mqtt.Append(nil, packet, p.v)
	if err != nil {
		p.t.Fatal(err)
	}
	p.in = append(p.in, raw...)
}

func (p *player) feed() {
	for again := true; again && !p.s.Full(); {
		var n int
		n, again = p.s.Feed(p.time(), p.in)
		p.in = p.in[n:]
		p.ask()
	}
}

// ask answers what the session asks, in part.
func (p *player) ask() {
	var q Question
	for p.s.Next(&q) {
		if p.ends > 0 {
			p.t.Fatalf("%+v after the end", q)
		}
		switch q.Kind {
		case Authenticate:
			var b Budget
			b.charge(p.now, &p.s.cfg.Rates, connects, int(p.byte()%4))
			p.s.Inherit(p.now, b)
			p.s.Authenticated(nil)
		case Connect:
			p.connects++
			p.s.Connected(p.time(), nil)
		case Deliver:
			if p.seq++; q.Seq != p.seq || p.failed {
				p.t.Fatalf("message %d is asked to be delivered at the place of %d, failed %v", q.Seq, p.seq, p.failed)
			}
			h := p.s.handling[len(p.s.handling)-1]
			p.open[q.Seq] = h.id
			if h.part {
				p.part[q.Seq] = string(q.Message.Data)
			}
			p.s.Taken(q.Seq, nil)
		case Disconnect:
			p.ends++
			p.end = q.End
		}
	}
}

// handle has the host handle a message, one that it has or another.
func (p *player) handle(n uint64) {
	seq := p.seq - n%(p.seq+2)
	if id, ok := p.open[seq]; ok {
		delete(p.open, seq)
		name, part := p.part[seq]
		p.left[name]--
		if id != 0 && (!part || p.left[name] == 0) {
			p.due[id]++
			p.received[id] = true
		}
	}
	p.s.Handled(p.now, seq)
}

func (p *player) send() {
	m := tandem.Message{Data: make([]byte, int(p.byte())<<(p.byte()%11))}
	topic := [...]string{"device/x", "device/y", "sys/1", "device/+"}[p.byte()%4]
	if p.byte() < 64 && topic[0] == 'd' {
		m.Post = 1
	}
	p.s.Send(topic, m)
}

// write writes what there is to write, and checks it.
func (p *player) write(err error) {
	if p.s.Writing() {
		p.s.Written(p.now, err)
		return
	}
	raw := p.s.Output(nil)
	for len(raw) > 0 {
		packet, n, err := mqtt.Decode(raw, p.v, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		raw = raw[n:]
		a, ok := packet.(*mqtt.Ack)
		switch {
		case !ok || a.Code != mqtt.Success:
		case a.Kind == mqtt.TypePubrec && !p.received[a.PacketID]:
			p.t.Fatalf("%+v without a handled message", a)
		case a.Kind == mqtt.TypePuback:
			if p.due[a.PacketID]--; p.due[a.PacketID] < 0 {
				p.t.Fatalf("%+v without a handled message", a)
			}
		}
	}
}

// check checks the bounds.
func (p *player) check() {
	l := p.s.Load()
	const reports = 8 // of the session itself, beyond the bound
	for _, b := range []struct {
		what     string
		is, most int
	}{
		{"messages that the host handles", l.Handling, HandlingCount + reports},
		{"their bytes", l.HandlingBytes, HandlingBytes + tandem.MessageSize},
		{"messages to acknowledge", l.Backlog, BacklogCount},
		{"bytes of the backlog", l.BacklogBytes, BacklogBytes + tandem.MessageSize},
		{"early messages", l.Early, EarlyCount},
		{"early bytes", l.EarlyBytes, EarlyBytes},
		{"posts", l.Posts, PostCount},
		{"bytes of posts", l.PostBytes, PostBytes + tandem.MessageSize},
		{"filters", l.Filters, MaxFilters},
		{"batches", len(p.s.batches), HandlingCount + 1},
		{"reports", len(p.s.reports), reports},
	} {
		if b.is > b.most || b.is < 0 {
			p.t.Fatalf("%s: %d, more than %d", b.what, b.is, b.most)
		}
	}
	if l.Handling < len(p.open) && !p.failed {
		p.t.Fatalf("%d messages are being handled, the session knows %d", len(p.open), l.Handling)
	}
	if at, ok := p.s.Deadline(); !p.s.leaving && p.s.rest > p.now && (!ok || at > p.s.rest) {
		p.t.Fatalf("the session rests until %v and is not woken then: %v %v", p.s.rest, at, ok)
	}
	p.s.Notices()
}

// fuzzRates are reached by few packets.
var fuzzRates = Rates{
	messages: {10 * time.Millisecond, 40}, traffic: {time.Millisecond, 2000},
	reports: {100 * time.Millisecond, 2}, connects: {time.Second, 2},
}
