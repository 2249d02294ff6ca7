package core

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/mqtt"
)

// observe takes note of the clock that a message carries.
func (c *Core) observe(p *mqtt.Publish) {
	if t, ok := p.Props.Get("clock"); ok {
		if stamp, err := hlc.Parse(t); err == nil {
			c.clock.Observe(stamp)
		}
	}
}

// agentMessage returns a message of the agent. It reports false for one of the
// server itself.
func agentMessage(p *mqtt.Publish) (m tandem.Message, ok bool) {
	name, data, ok := tandem.ReadTopic("device/", p.Topic, p.Payload)
	if !ok {
		return m, false
	}
	// The payload is the session's, and the machine may be busy.
	m = tandem.Message{Name: name, Format: formatOf(p), Data: append([]byte(nil), data...)}
	m.Incarnation = numbered(p, "incarnation")
	if p.QoS > 0 {
		m.Post = numbered(p, "post")
		m.After = numbered(p, "after")
	}
	return m, true
}

// numbered returns a number among the user properties, 0 for none.
func numbered(p *mqtt.Publish, key string) uint64 {
	text, ok := p.Props.Get(key)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
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

// heardOf notes the agent's incarnation that a message carries; 0 is none. When it
// is a new one, its announcement was lost with a link.
func (c *Core) heardOf(incarnation uint64) {
	if incarnation <= c.peer {
		return
	}
	if c.peer != 0 {
		c.feed(&device.PeerStarted{Incarnation: incarnation}, receipt{})
	}
	c.peer = incarnation
}

// news is sys/agent.
type news struct {
	Event       string        `json:"event"` // started, restarted, moved; running in answer to hello
	Reason      tandem.Reason `json:"reason"`
	Incarnation uint64        `json:"incarnation"`
}

// heardOfAgent takes news of the agent. What says only that it runs is news when
// it is another incarnation than we knew: then its start was missed.
func (c *Core) heardOfAgent(s news) {
	known := c.peer
	c.peer = s.Incarnation
	switch {
	case s.Incarnation == known:
	case s.Event == "started" || s.Event == "restarted" || known != 0:
		c.feed(&device.PeerStarted{Reason: s.Reason, Incarnation: s.Incarnation}, receipt{})
	}
}

// order takes what the server itself has to say.
func (c *Core) order(p *mqtt.Publish) {
	var err error
	switch p.Topic {
	case "sys/agent":
		var s news
		if err = json.Unmarshal(p.Payload, &s); err == nil {
			c.heardOfAgent(s)
		}
	case "sys/code":
		var k code
		if err = json.Unmarshal(p.Payload, &k); err == nil {
			err = c.deploy(&k)
		}
	case "sys/numbers":
		err = c.orderNumbers(p.Payload)
	case "sys/posts":
		var s postsMessage
		if err = json.Unmarshal(p.Payload, &s); err == nil {
			c.numberedBy(s.Numbering)
		}
	case "sys/restart":
		s := struct {
			Reason tandem.Reason `json:"reason"`
		}{}
		if err = json.Unmarshal(p.Payload, &s); err == nil {
			if s.Reason == "" {
				s.Reason = tandem.ReasonRestart
			}
			c.restart(s.Reason)
		}
	case "sys/time":
		s := struct {
			Time time.Time `json:"time"`
		}{}
		if err = json.Unmarshal(p.Payload, &s); err == nil {
			c.setTime(s.Time)
		}
	}
	if err != nil {
		c.log(Warn, "cannot parse the server's message", "topic", p.Topic, "error", err.Error())
	}
}

// setTime takes the server's time. The code reads it from now on if this machine's is wrong.
func (c *Core) setTime(t time.Time) {
	if off := c.clocks.told(t); off != 0 {
		c.log(Warn, "this machine's clock is wrong; the code gets the server's time",
			"off", off.Round(time.Second).String())
	}
}

// deploy takes new code. It is on disk before it runs; code that cannot be
// compiled is not kept.
func (c *Core) deploy(k *code) error {
	if c.cfg.OwnCode {
		c.log(Info, "the server's code is not taken, because a file is run")
		return nil
	}
	if k.same(c.disk.code) {
		return nil
	}
	if sum := codeOf(k.Text, nil).SHA; k.SHA != sum {
		return tandem.Errorf(tandem.Invalid, "the code's checksum is %s, not %s as told", sum, k.SHA)
	}
	if _, err := c.cfg.Compile(k.Text, k.Env); err != nil {
		c.complainAt(err.Error(), imp.PlaceOf(err), k)
		return nil
	}
	c.disk.code = k
	c.writeFile(codeFile, k)
	c.log(Info, "new code", "sha", k.SHA)
	switch c.life.phase {
	case running:
		c.feed(&device.Shutdown{Reason: device.ShutdownNewSquirrel}, receipt{})
	case waitingForCode:
		c.startAfter(0, device.WakeNewSquirrel, tandem.ReasonReload)
	case starting:
		c.life.phase, c.life.startAt = pausing, c.now.Mono // with the new code instead
		c.life.plan = plan{}
	}
	return nil
}
