package runner

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/mqtt"
)

// hello is sys/hello: who runs here. While the code is between two runs, it is
// about the last; before the first since the device was switched on, there is no
// code to speak of.
type hello struct {
	Boot        uint64        `json:"boot"`
	Incarnation uint64        `json:"incarnation"`
	Wake        string        `json:"wake"`
	Reason      tandem.Reason `json:"reason"`
	Runtime     string        `json:"runtime"`
	Code        string        `json:"code"` // SHA-256 of the code in hexadecimal, "" for none
	Running     bool          `json:"running"`
}

// started is sys/agent.
type started struct {
	Event       string        `json:"event"` // started, restarted, moved; running in answer to hello
	Reason      tandem.Reason `json:"reason"`
	Incarnation uint64        `json:"incarnation"`
}

// hello returns the message that says who runs here.
func (l *loop) hello() *mqtt.Publish {
	h := hello{
		Boot: l.files.Boot, Incarnation: l.files.Incarnation, Wake: device.WakeName(l.wake), Reason: l.reason,
		Runtime: Version, Running: l.phase == running,
	}
	if l.begun {
		h.Wake, h.Reason, h.Code = device.WakeName(l.woken), l.started, l.ran
	}
	return l.control("sys/hello", h)
}

func (l *loop) control(topic string, x any) *mqtt.Publish {
	return &mqtt.Publish{Topic: topic, QoS: 1, Payload: encode(x), Props: &mqtt.Properties{
		ContentType: tandem.ContentJSON, User: []mqtt.UserProperty{stamp(l.clock.Now())},
	}}
}

// encode returns the JSON of what is known to have one.
func encode(x any) []byte {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return b
}

// status returns sys/status: a line of the log that is not the code's.
func status(typ, msg string) []byte {
	return encode(struct {
		Type string `json:"type"`
		Msg  string `json:"msg"`
	}{typ, msg})
}

// receive takes a message from the server. It is acknowledged when it has been
// handled.
func (l *loop) receive(c *conn, p *mqtt.Publish) {
	if t, ok := p.Props.Get("clock"); ok {
		if stamp, err := hlc.Parse(t); err == nil {
			l.clock.Observe(stamp)
		}
	}
	ack := func() {}
	if id := p.PacketID; p.QoS > 0 {
		ack = func() { l.acknowledgeTo(c, id) }
	}
	name, ok := strings.CutPrefix(p.Topic, "device/")
	if !ok {
		l.order(p)
		ack()
		return
	}
	l.heardOf(p)
	// The payload is the session's, and the machine may be busy.
	m := tandem.Message{Name: name, Format: formatOf(p), Data: slices.Clone(p.Payload)}
	if text, ok := p.Props.Get("post"); ok && p.QoS > 0 {
		if seq, err := strconv.ParseUint(text, 10, 64); err == nil {
			after, _ := p.Props.Get("after")
			m.Post = seq
			m.After, _ = strconv.ParseUint(after, 10, 64) // nothing is no number, and none
			l.arrive(c, p.PacketID, m)
			return
		}
	}
	l.feed(&device.AgentMessage{Message: m}, ack)
}

func (l *loop) acknowledgeTo(c *conn, id uint16) {
	if c != l.conn || c.bye {
		return // the server sends it again, or gives it up
	}
	if err := c.client.Ack(id, mqtt.Success); err != nil {
		l.drop(device.NoServer, err)
	}
}

// formatOf returns the format of a message's data. We have asked for compact,
// but what came as JSON to the server stays so.
func formatOf(p *mqtt.Publish) tandem.Format {
	if p.Props != nil {
		switch p.Props.ContentType {
		case tandem.ContentCompact:
			return tandem.FormatCompact
		case tandem.ContentCBOR:
			return tandem.FormatCBOR
		}
	}
	return tandem.FormatJSON
}

// heardOf notes the agent's incarnation that a message carries. When it is a
// new one, its announcement was lost with a link.
func (l *loop) heardOf(p *mqtt.Publish) {
	text, ok := p.Props.Get("incarnation")
	if !ok {
		return
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > l.peer {
		if l.peer != 0 {
			l.feed(&device.PeerStarted{Incarnation: n}, nil)
		}
		l.peer = n
	}
}

// heardOfAgent takes news of the agent. What says only that it runs is news when
// it is another incarnation than we knew: then its start was missed.
func (l *loop) heardOfAgent(s started) {
	known := l.peer
	l.peer = s.Incarnation
	switch {
	case s.Incarnation == known:
	case s.Event == "started" || s.Event == "restarted" || known != 0:
		l.feed(&device.PeerStarted{Reason: s.Reason, Incarnation: s.Incarnation}, nil)
	}
}

// order takes what the server itself has to say.
func (l *loop) order(p *mqtt.Publish) {
	var err error
	switch p.Topic {
	case "sys/agent":
		var s started
		if err = json.Unmarshal(p.Payload, &s); err == nil {
			l.heardOfAgent(s)
		}
	case "sys/code":
		var c code
		if err = json.Unmarshal(p.Payload, &c); err == nil {
			err = l.deploy(&c)
		}
	case "sys/restart":
		var s struct {
			Reason tandem.Reason `json:"reason"`
		}
		if err = json.Unmarshal(p.Payload, &s); err == nil {
			if s.Reason == "" {
				s.Reason = tandem.ReasonRestart
			}
			l.restart(s.Reason)
		}
	case "sys/time":
		var s struct {
			Time time.Time `json:"time"`
		}
		if err = json.Unmarshal(p.Payload, &s); err == nil {
			l.setTime(s.Time)
		}
	}
	if err != nil {
		l.log.Warn("the server says what cannot be understood", "topic", p.Topic, "error", err)
	}
}

// clockTolerance is how far our clock may be off: the network may well need
// half a minute to bring the time.
const clockTolerance = time.Minute

// setTime takes the server's time. A clock that is wrong is put right when the
// code starts next, so that its timers are not upset.
func (l *loop) setTime(t time.Time) {
	off := time.Until(t)
	if off.Abs() < clockTolerance {
		off = 0
	}
	if off != 0 {
		l.log.Warn("this machine's clock is wrong; the code gets the server's time", "off", off.Round(time.Second))
	}
	l.next = off
}

// deploy takes new code. It is kept before it runs; code that cannot be
// compiled is not.
func (l *loop) deploy(c *code) error {
	if l.r.Code != "" {
		l.log.Info("the server's code is not taken, because a file is run")
		return nil
	}
	if have := l.files.code; have != nil && have.SHA == c.SHA && maps.Equal(have.Env, c.Env) {
		return nil
	}
	if sum := shaOf(c.Text); c.SHA != sum {
		return tandem.Errorf(tandem.Invalid, "the code's checksum is %s, not %s as told", sum, c.SHA)
	}
	if _, err := imp.Compile(tandem.DeviceSide, []byte(c.Text), c.Env); err != nil {
		l.complain(err.Error())
		return nil
	}
	if err := l.files.setCode(c); err != nil {
		l.fatal = err
		return nil
	}
	l.log.Info("new code", "sha", c.SHA)
	switch l.phase {
	case running:
		l.feed(&device.Shutdown{Reason: device.ShutdownNewSquirrel}, nil)
	case waitingForCode:
		l.startAfter(0, device.WakeNewSquirrel, tandem.ReasonReload)
	}
	return nil
}
