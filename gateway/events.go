package gateway

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

// handle handles what the device has said. The lock is held, and let go of
// while the host is called.
func (c *conn) handle(ev mqtt.Event) {
	switch ev := ev.(type) {
	case *mqtt.Connect:
		c.connect(ev)
	case *mqtt.Publish:
		c.publish(ev)
	case *mqtt.Subscribe:
		c.subscribe(ev)
	case *mqtt.Unsubscribe:
		c.unsubscribe(ev)
	case *mqtt.Delivered:
		c.delivered(ev)
	case *mqtt.Disconnect:
		c.leaving, c.clean = true, ev.Clean()
		return
	}
	c.tellAll()
}

// publish takes a message of the device.
func (c *conn) publish(p *mqtt.Publish) {
	name, toAgent := strings.CutPrefix(p.Topic, "agent/")
	switch {
	case toAgent && name != "":
	case p.Topic == "log", p.Topic == "log/error", p.Topic == "sys/hello", p.Topic == "sys/status":
		name = ""
	default:
		c.refusePublish(p)
		return
	}
	size := len(p.Payload)
	if len(name)+size > tandem.MessageSize {
		c.g.Logger.Info("device is disconnected: its message is too large", "device", c.id, "topic", p.Topic, "bytes", len(name)+size)
		c.endLocked(mqtt.PacketTooLarge, tooLarge)
		c.tellTooLarge()
		return
	}
	// The host keeps the data, and the buffer it is in now does not last.
	m := tandem.Message{Name: name, Data: bytes.Clone(p.Payload)}
	if p.Props != nil {
		m.Format, m.Mark = formatOf(p.Props), markOf(p.Props)
		if _, ok := p.Props.Get("post"); ok {
			m.Post = 1
		}
		c.observe(p.Props)
	}
	c.inflight++
	c.inflightBytes += size
	c.held, c.more = true, c.in.len() > 0
	topic, id := p.Topic, p.PacketID
	c.mu.Unlock()
	c.say(topic, m, func() { c.handled(id, size) })
	c.mu.Lock()
	c.held = false
}

// say gives the host a message. What the host does not take is not acknowledged:
// the device sends it again on another connection. The lock is not held.
func (c *conn) say(topic string, m tandem.Message, handled func()) {
	c.seq++
	err := c.g.Host.FromDevice(context.Background(), c.id, c.ref, c.seq, topic, m, handled)
	if err != nil {
		c.g.Logger.Info("a message of the device is not taken", "device", c.id, "topic", topic, "err", err)
		c.end(mqtt.ServerUnavailable, "the server cannot take messages at the moment; connect again")
	}
}

var tooLarge = "a message and its name may have " + strconv.Itoa(tandem.MessageSize) + " bytes"

// tellTooLarge has the device's log say why it is disconnected: one that speaks
// MQTT 3.1.1 cannot be told.
func (c *conn) tellTooLarge() {
	c.g.over.Add(tandem.OverFromDevice, 1)
	c.tell("the device was disconnected because its message is too large: " + tooLarge)
}

// refusePublish refuses a message to a topic that is not a device's.
func (c *conn) refusePublish(p *mqtt.Publish) {
	const why = "a device may publish to agent/<name>, log, log/error, sys/hello and sys/status"
	c.complain("the device's message is refused: "+why, "topic", p.Topic)
	if !c.v5 || p.QoS == 0 {
		// There is no other way to say it.
		c.endLocked(mqtt.NotAuthorized, why)
		return
	}
	c.must(c.session.Ack(p.PacketID, mqtt.NotAuthorized))
}

// complain logs what a device does wrong, the first time of a connection: it may
// well do it with every message. The device's log has it too, where its developer
// looks.
func (c *conn) complain(text, about string, value any) {
	if !c.complained {
		c.complained = true
		c.g.Logger.Info(text, "device", c.id, about, value)
		c.tell(fmt.Sprintf("%s (%s %v)", text, about, value))
	}
}

// tell has a line put into the device's log, when it says something next: what is
// wrong may be found within a call of the host's, or while it is silent.
func (c *conn) tell(line string) { c.lines = append(c.lines, line) }

// tellAll puts lines into the device's log. The lock is held, and let go of
// meanwhile.
func (c *conn) tellAll() {
	for len(c.lines) > 0 {
		m := tandem.Message{Data: []byte(c.lines[0])}
		c.lines = c.lines[1:]
		c.mu.Unlock()
		c.say("log/error", m, func() {})
		c.mu.Lock()
	}
	c.lines = nil
}

// handled is called by the host, on any goroutine, when a message has been
// dealt with.
func (c *conn) handled(id uint16, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inflight--
	c.inflightBytes -= size
	c.changed.Broadcast()
	if c.leaving {
		return
	}
	if id != 0 {
		c.must(c.session.Ack(id, mqtt.Success))
	}
	c.held = false
	if c.more && time.Since(c.flushed) < coalesceTime {
		return // the next message is there already, its end will do
	}
	c.flush()
}

// observe takes account of the clock of whoever sent a message.
func (c *conn) observe(p *mqtt.Properties) {
	text, ok := p.Get("clock")
	if !ok {
		return
	}
	if stamp, err := hlc.Parse(text); err != nil || !c.g.Clock.Observe(stamp) {
		c.g.Logger.Debug("device's clock is not believed", "device", c.id, "clock", text)
	}
}

// markOf returns the number a device has given a message.
func markOf(p *mqtt.Properties) tandem.Mark {
	boot, _ := p.Get("boot")
	seq, _ := p.Get("seq")
	b, err := strconv.ParseUint(boot, 10, 64)
	if err != nil {
		return tandem.Mark{} // not numbered
	}
	s, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return tandem.Mark{}
	}
	return tandem.Mark{Boot: b, Seq: s}
}

func (c *conn) subscribe(p *mqtt.Subscribe) {
	codes := make([]mqtt.Reason, len(p.Filters))
	for i, f := range p.Filters {
		codes[i] = c.grant(f, p.Props)
		if codes[i].Failed() {
			c.complain("the device's subscription is refused: "+codes[i].String(), "filter", f.Filter)
		}
	}
	c.must(c.session.Suback(p.PacketID, codes...))
	if len(c.filters) == 0 || c.leaving {
		return
	}
	defer c.postUnwanted()
	if c.subscribed {
		return
	}
	c.subscribed = true
	now := time.Now().UTC().Format(time.RFC3339Nano)
	c.put(parcel{topic: "sys/time", data: fmt.Appendf(nil, `{"time":%q}`, now)})
	for _, e := range c.early {
		c.put(e)
	}
	c.early, c.earlyBytes = nil, 0
}

// postUnwanted tries again what the device had not subscribed to before.
func (c *conn) postUnwanted() {
	list := c.unwanted
	c.unwanted = nil
	for _, e := range list {
		c.post(e)
	}
}

// grant adds a subscription and returns the code that says so, or why not.
func (c *conn) grant(s mqtt.Subscription, p *mqtt.Properties) mqtt.Reason {
	shared, _ := mqtt.Shared(s.Filter)
	switch {
	case shared && c.v5:
		return mqtt.SharedSubscriptionsNotSupported
	case p != nil && len(p.SubscriptionIDs) > 0:
		return mqtt.SubscriptionIDsNotSupported
	case !strings.HasPrefix(s.Filter, "device/") && !strings.HasPrefix(s.Filter, "sys/"):
		return mqtt.NotAuthorized
	}
	granted := filter{text: s.Filter, qos: min(s.QoS, 1)}
	for i := range c.filters {
		if c.filters[i].text == s.Filter {
			c.filters[i] = granted
			return mqtt.Reason(granted.qos)
		}
	}
	if len(c.filters) >= maxFilters {
		return mqtt.QuotaExceeded
	}
	c.filters = append(c.filters, granted)
	return mqtt.Reason(granted.qos)
}

func (c *conn) unsubscribe(p *mqtt.Unsubscribe) {
	codes := make([]mqtt.Reason, len(p.Filters))
	for i, text := range p.Filters {
		codes[i] = mqtt.NoSubscriptionExisted
		for j := range c.filters {
			if c.filters[j].text == text {
				c.filters = append(c.filters[:j], c.filters[j+1:]...)
				codes[i] = mqtt.Success
				break
			}
		}
	}
	c.must(c.session.Unsuback(p.PacketID, codes...))
}

// delivered takes note that the device has a message, or has refused it.
func (c *conn) delivered(d *mqtt.Delivered) {
	if d.Code.Failed() {
		c.complain("the device refuses a message", "reason", d.Code)
	}
	post := uint64(0)
	for i, u := range c.unacked {
		if u.id == d.PacketID {
			c.backlogBytes -= u.size
			c.unacked = append(c.unacked[:i], c.unacked[i+1:]...)
			post = u.post
			break
		}
	}
	if len(c.unacked) == 0 {
		c.unacked, c.overflowed = nil, false
	}
	if post != 0 {
		c.tellHandled(post)
	}
}

// must ends a connection whose session does not take an answer, as when the
// device has said that it takes no packets of the size.
func (c *conn) must(err error) {
	if err != nil {
		c.g.Logger.Info("device cannot be answered and is disconnected", "device", c.id, "err", err)
		c.endLocked(mqtt.ReasonOf(err), "")
	}
}
