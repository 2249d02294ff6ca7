package core

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

// window is how many messages may wait for their acknowledgement, and how many lines of
// the log: a line does not wait for the agent's handlers.
const window = 32

// maxKept bounds the lines that are kept while there is no link.
const maxKept = 1000

// item is something for the server: a message, a line, or news of ours.
type item struct {
	publish mqtt.Publish
	gen     uint64 // the run of the code that knows it by id; 0: none does
	id      uint64
	keep    bool      // sent again until acknowledged
	line    bool      // of the log
	lost    int       // of a line that stands for so many lost ones
	tried   bool      // it was given to a connection, so the server may have it
	post    *keptPost // when it is a tandem.post

	packet uint16 // while it waits for the acknowledgement
}

// outbox is what is on its way to the server, in order. The first items were
// given to this connection, the others wait.
type outbox struct {
	items []*item
	sent  int // how many were given to this connection
	lines int // how many of the others are lines
	flown int // how many of the messages sent wait for their acknowledgement
	said  int // how many of the lines sent do
}

// add puts an item at the end. When too many lines wait, the oldest are lost and
// returned, and a line in their place says so.
func (o *outbox) add(it *item) (lost []*item) {
	for it.line && o.lines >= maxKept {
		lost = append(lost, o.makeWay())
	}
	o.items = append(o.items, it)
	if it.line {
		o.lines++
	}
	return lost
}

// makeWay loses the oldest line that waits and that the server cannot have. The first of
// the lost gives its place and its number to a line that stands for all of them. There is
// always one: no more than window lines were tried.
func (o *outbox) makeWay() *item {
	isLine := func(it *item) bool { return it.line && !it.tried }
	i := o.sent + slices.IndexFunc(o.items[o.sent:], isLine)
	first, lost := o.items[i], o.items[i]
	if first.lost == 0 {
		first = &item{keep: true, line: true, publish: lost.publish}
		first.publish.Props = unplaced(lost.publish.Props)
		o.items[i] = first
	} else {
		next := i + 1 + slices.IndexFunc(o.items[i+1:], isLine)
		lost = o.items[next]
		o.delete(next)
	}
	first.lost++
	first.publish.Topic = "log/error"
	first.publish.Payload = fmt.Appendf(nil, "%d lines of the log were lost here: more than %d waited for a link",
		first.lost, maxKept)
	return lost
}

// unplaced returns properties without the place that the line was about.
func unplaced(p *mqtt.Properties) *mqtt.Properties {
	if p == nil {
		return nil
	}
	others := *p
	others.User = slices.DeleteFunc(slices.Clone(p.User), func(u mqtt.UserProperty) bool { return u.Key == propertyWhere })
	return &others
}

// propertyWhere is the property of a line with its place in the code.
const propertyWhere = "where"

// next returns the first item that waits, nil if none does.
func (o *outbox) next() *item {
	if o.sent == len(o.items) {
		return nil
	}
	return o.items[o.sent]
}

// give notes that the first item that waits was given to the connection, as
// packet; 0 when it is not acknowledged.
func (o *outbox) give(packet uint16) {
	it := o.items[o.sent]
	it.packet, it.tried = packet, true
	o.sent++
	*o.count(it)++
	if it.line {
		o.lines--
	}
}

// count returns the number that counts an item while it waits for its acknowledgement.
func (o *outbox) count(it *item) *int {
	switch {
	case it.packet == 0:
		return new(int)
	case it.line:
		return &o.said
	}
	return &o.flown
}

func (o *outbox) delete(i int) {
	it := o.items[i]
	switch {
	case i >= o.sent:
		if it.line {
			o.lines--
		}
	default:
		o.sent--
		*o.count(it)--
	}
	o.items = slices.Delete(o.items, i, i+1)
}

func (o *outbox) remove(it *item) {
	if i := slices.Index(o.items, it); i >= 0 {
		o.delete(i)
	}
}

// acknowledged takes the item with a packet identifier out and returns it, nil if
// there is none.
func (o *outbox) acknowledged(packet uint16) *item {
	for i, it := range o.items[:o.sent] {
		if it.packet == packet {
			o.delete(i)
			return it
		}
	}
	return nil
}

// unsend prepares for the next connection: what is kept is to be sent again,
// the rest is lost.
func (o *outbox) unsend() {
	o.items = slices.DeleteFunc(o.items, func(it *item) bool { return !it.keep })
	o.sent = 0
	o.lines = 0
	o.flown = 0
	o.said = 0
	for _, it := range o.items {
		if it.line {
			o.lines++
		}
	}
}

// forget withdraws what the code was told has failed. What was sent already
// cannot be taken back, but is not sent again.
func (o *outbox) forget(gen, id uint64) {
	for i, it := range o.items {
		if it.gen != gen || it.id != id || it.post != nil { // posts are numbered apart, and not withdrawn
			continue
		}
		if i >= o.sent {
			o.delete(i)
		} else {
			it.keep, it.gen = false, 0
		}
		return
	}
}

// send puts a message of the code on its way.
func (c *Core) send(e *device.Send) {
	c.run.seq++
	m := e.Message
	m.Mark = tandem.Mark{Boot: c.disk.Boot, Seq: c.run.seq}
	it := &item{gen: c.run.gen, id: e.ID, keep: true, publish: mqtt.Publish{
		QoS: 1, Props: messageProperties(m.Mark, c.clock.Now()),
	}}
	it.publish.Topic, it.publish.Payload = tandem.WriteTopic("agent/"+m.Name, m.Data)
	c.out.add(it)
}

// line puts a line of the log on its way.
func (c *Core) line(e *device.Log) {
	topic, text := "log", []byte(e.Msg)
	switch e.Type {
	case tandem.LogDevice:
	case tandem.LogDeviceError:
		topic = "log/error"
	default:
		topic, text = "sys/status", status(e.Type, e.Msg)
	}
	c.addLineAt(&item{gen: c.run.gen, id: e.ID}, topic, text, e.Where, c.run.code)
}

// addLineAt is addLine for a line about a place in some code, of which a property tells the
// server.
func (c *Core) addLineAt(it *item, topic string, text []byte, at *tandem.Where, k *code) {
	c.addLine(it, topic, text)
	if at == nil {
		return
	}
	said := *at
	if k != nil {
		said.Deployment = k.Env["DEPLOYMENT_ID"]
	}
	where := mqtt.UserProperty{Key: propertyWhere, Value: string(encode(said))}
	it.publish.Props.User = append(it.publish.Props.User, where)
}

// addLine puts a line on its way. By its number the server knows a line that it has had.
func (c *Core) addLine(it *item, topic string, text []byte) {
	it.line, it.keep = true, true
	c.run.line++
	mark := tandem.Mark{Boot: c.disk.Boot, Seq: c.run.line}
	it.publish = mqtt.Publish{Topic: topic, QoS: 1, Payload: text, Props: &mqtt.Properties{
		User: numbering(mark, c.clock.Now()),
	}}
	for _, lost := range c.out.add(it) {
		c.settled(lost, true)
	}
}

// announce logs a line about the device that is not its code's.
func (c *Core) announce(msg string) {
	c.addLine(&item{}, "sys/status", status(tandem.LogStatus, msg))
}

// complain logs an error of ours where the owner of the code will see it.
func (c *Core) complain(msg string) { c.complainAt(msg, nil, nil) }

// complainAt is complain for an error in a place of some code; a nil place is none.
func (c *Core) complainAt(msg string, at *tandem.Where, k *code) {
	c.log(Error, msg)
	c.addLineAt(&item{}, "log/error", []byte(msg), at, k)
}

// status returns sys/status: a line of the log that is not the code's.
func status(typ, msg string) []byte {
	return encode(struct {
		Type string `json:"type"`
		Msg  string `json:"msg"`
	}{typ, msg})
}

// settled tells the code that something needs no more sending.
func (c *Core) settled(it *item, refused bool) {
	if it.post != nil {
		c.postSettled(it)
		return
	}
	if it.gen == 0 || it.gen != c.run.gen {
		return
	}
	ev := &device.Sent{ID: it.id}
	if refused {
		ev.Code = device.Refused
	}
	c.feed(ev, receipt{})
}

func stamp(t hlc.Timestamp) mqtt.UserProperty {
	return mqtt.UserProperty{Key: "clock", Value: t.String()}
}

// messageProperties are those of an agent.send.
func messageProperties(m tandem.Mark, t hlc.Timestamp) *mqtt.Properties {
	return &mqtt.Properties{ContentType: tandem.ContentCompact, User: numbering(m, t)}
}

// numbering has the user properties of what the server must not take twice.
func numbering(m tandem.Mark, t hlc.Timestamp) []mqtt.UserProperty {
	return []mqtt.UserProperty{
		stamp(t),
		{Key: propertyBoot, Value: decimal(m.Boot)},
		{Key: "seq", Value: decimal(m.Seq)},
	}
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
