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
	post    *keptPost // when it is a tandem.post, or a send that is kept like one
	kept    *keptLine // when it is a line that is kept on the disk
	tells   uint64    // entry of the lostLines that it tells of; 0: none
	counts  uint64    // the run of the code that counts it, as one that it has kept; 0: none does

	made    uint64 // counts items
	seq     uint64 // of the newest post before it, or its own
	lineSeq uint64 // of the newest kept line before it, or its own

	packet uint16 // while it waits for the acknowledgement
}

// outbox is what is on its way to the server, in order. First come those that were given to
// this connection. Of what waits, posts and kept lines are apart, because most of them are in their journals:
// the numbers of the newest of them before an item say where it goes among them.
type outbox struct {
	given []*item // to this connection, in order
	queue fifo    // what else waits, in order
	posts fifo    // posts that wait and are in memory, in order; those in the journal come later
	kept  fifo    // kept lines that do

	journal *journal // of posts
	log     *journal // of kept lines
	made    uint64   // counts items
	lines   int      // how many items of queue are lines
	flown   int      // how many of the messages given wait for their acknowledgement
	said    int      // how many of the lines given do
}

// fifo is a queue of items.
type fifo struct {
	items []*item
	first int // index of the first that is left
}

func (f *fifo) len() int      { return len(f.items) - f.first }
func (f *fifo) list() []*item { return f.items[f.first:] }
func (f *fifo) push(it *item) { f.items = append(f.items, it) }
func (f *fifo) set(l []*item) { f.items, f.first = l, 0 }

func (f *fifo) front() *item {
	if f.len() == 0 {
		return nil
	}
	return f.items[f.first]
}

func (f *fifo) pop() {
	f.items[f.first] = nil
	f.first++
	switch {
	case f.len() == 0:
		f.set(f.items[:0])
	case f.first > 64 && f.first > len(f.items)/2:
		f.set(slices.Delete(f.items, 0, f.first))
	}
}

// insert puts an item before the first that is behind it.
func (f *fifo) insert(it *item, behind func(*item) bool) {
	i := len(f.items)
	for i > f.first && behind(f.items[i-1]) {
		i--
	}
	f.items = slices.Insert(f.items, i, it)
}

// delete takes out an item, and reports whether it was there.
func (f *fifo) delete(it *item) bool {
	if f.front() == it {
		f.pop()
		return true
	}
	i := slices.Index(f.list(), it)
	if i >= 0 {
		f.items = slices.Delete(f.items, f.first+i, f.first+i+1)
	}
	return i >= 0
}

// add puts an item at the end. When too many lines wait, the oldest are lost and
// returned, and a line in their place says so.
func (o *outbox) add(it *item) (lost []*item) {
	it.seq, it.lineSeq = o.journal.last, o.log.last
	return o.insert(o.number(it))
}

// number gives an item the next number.
func (o *outbox) number(it *item) *item {
	o.made++
	it.made = o.made
	return it
}

// insert is add for an item that knows its place.
func (o *outbox) insert(it *item) (lost []*item) {
	for it.line && o.lines >= maxKept {
		lost = append(lost, o.makeWay())
	}
	o.queue.insert(it, func(other *item) bool { return other.made > it.made })
	if it.line {
		o.lines++
	}
	return lost
}

// addNews puts an item behind what is in memory. It does not wait for the journals.
func (o *outbox) addNews(it *item) {
	o.add(it)
	it.seq, it.lineSeq = o.journal.cursor.seq, o.log.cursor.seq
}

// addPost puts a post at the end of those in memory.
func (o *outbox) addPost(it *item) {
	o.made++
	it.made, it.seq = o.made, it.post.seq
	o.posts.push(it)
}

// Outgoing returns how much is to be sent, or waits for its acknowledgement, beside what is in the
// journals and not in memory.
func (c *Core) Outgoing() int {
	return len(c.out.given) + c.out.queue.len() + c.out.posts.len() + c.out.kept.len()
}

// makeWay loses the oldest line that waits and that the server cannot have. The first of
// the lost gives its place and its number to a line that stands for all of them. There is
// always one: no more than maxSaid lines were tried.
func (o *outbox) makeWay() *item {
	isLine := func(it *item) bool { return it.line && !it.tried }
	list := o.queue.list()
	i := slices.IndexFunc(list, isLine)
	first, lost := list[i], list[i]
	if first.lost == 0 {
		first = &item{keep: true, line: true, made: lost.made, seq: lost.seq, lineSeq: lost.lineSeq, publish: lost.publish}
		first.publish.Props = unplaced(lost.publish.Props)
		list[i] = first
	} else {
		lost = list[i+1+slices.IndexFunc(list[i+1:], isLine)]
		o.remove(lost)
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

// next returns the first item that waits, nil if none does, or if it is in the journal.
func (o *outbox) next() *item {
	other, line := o.queue.front(), o.kept.front()
	post, log := o.journal.head(), o.log.head()
	if it := o.posts.front(); it != nil {
		post = it.seq
	}
	if line != nil {
		log = line.lineSeq
	}
	switch {
	case other != nil && other.seq < post && other.lineSeq < log:
		return other
	case log == noEntry:
		return o.posts.front()
	case line == nil || line.seq < post: // it says which posts go before it
		return line
	}
	return o.posts.front()
}

// give notes that the first item that waits was given to the connection, as
// packet; 0 when it is not acknowledged.
func (o *outbox) give(packet uint16) {
	it := o.next()
	switch it {
	case o.posts.front():
		o.posts.pop()
	case o.kept.front():
		o.kept.pop()
	default:
		o.queue.pop()
		if it.line {
			o.lines--
		}
	}
	it.packet, it.tried = packet, true
	o.given = append(o.given, it)
	*o.count(it)++
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

// remove takes an item out, wherever it is.
func (o *outbox) remove(it *item) {
	switch {
	case o.posts.delete(it), o.kept.delete(it):
	case o.queue.delete(it):
		if it.line {
			o.lines--
		}
	default:
		if i := slices.Index(o.given, it); i >= 0 {
			o.takeBack(i)
		}
	}
}

// takeBack takes out an item that was given to the connection. Most are the first.
func (o *outbox) takeBack(i int) {
	*o.count(o.given[i])--
	if i > 0 {
		o.given = slices.Delete(o.given, i, i+1)
		return
	}
	o.given[0] = nil
	if o.given = o.given[1:]; len(o.given) == 0 {
		o.given = nil
	}
}

// acknowledged takes the item with a packet identifier out and returns it, nil if
// there is none.
func (o *outbox) acknowledged(packet uint16) *item {
	for i, it := range o.given {
		if it.packet == packet {
			o.takeBack(i)
			return it
		}
	}
	return nil
}

// unsend prepares for the next connection: what is kept is to be sent again,
// the rest is lost.
func (o *outbox) unsend() {
	var posts, lines, others []*item
	for _, it := range o.given {
		switch {
		case it.post != nil:
			posts = append(posts, it)
		case it.kept != nil || it.tells != 0:
			lines = append(lines, it)
		default:
			others = append(others, it)
		}
	}
	o.posts.set(append(posts, o.posts.list()...))
	o.kept.set(append(lines, o.kept.list()...))
	o.queue.set(slices.DeleteFunc(append(others, o.queue.list()...), func(it *item) bool { return !it.keep }))
	o.given = nil
	o.flown = 0
	o.said = 0
	o.lines = 0
	for _, it := range o.queue.list() {
		if it.line {
			o.lines++
		}
	}
}

// forget withdraws what the code was told has failed. What was sent already
// cannot be taken back, but is not sent again.
func (o *outbox) forget(gen, id uint64) {
	is := func(it *item) bool { return it.gen == gen && it.id == id && it.post == nil } // posts are not withdrawn
	if i := slices.IndexFunc(o.queue.list(), is); i >= 0 {
		o.remove(o.queue.list()[i])
	} else if i := slices.IndexFunc(o.given, is); i >= 0 {
		o.given[i].keep, o.given[i].gen = false, 0
	}
}

// withdraw takes out what the code has made of late: it has not happened.
func (o *outbox) withdraw(gen, made uint64) {
	for _, f := range []*fifo{&o.queue, &o.posts} {
		for _, it := range slices.Clone(f.list()) {
			if it.made > made && (it.gen == gen || it.post != nil && it.post.seq != 0) {
				o.remove(it)
			}
		}
	}
}

// send puts a message of the code on its way.
func (c *Core) send(e *device.Send) {
	c.run.seq++
	m := e.Message
	m.Mark = tandem.Mark{Boot: c.disk.boot(), Seq: c.run.seq}
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
	if e.Keep {
		c.keepLine(topic, text, placeText(e.Where, c.run.code))
		return
	}
	c.addLineAt(&item{gen: c.run.gen, id: e.ID}, topic, text, e.Where, c.run.code)
}

// placeText returns the JSON of a place in some code; nil is none.
func placeText(at *tandem.Where, k *code) string {
	if at == nil {
		return ""
	}
	said := *at
	if k != nil {
		said.Deployment = k.Env["DEPLOYMENT_ID"]
	}
	return string(encode(said))
}

// addLineAt is addLine for a line about a place in some code, of which a property tells the
// server.
func (c *Core) addLineAt(it *item, topic string, text []byte, at *tandem.Where, k *code) {
	c.addLine(it, topic, text)
	if where := placeText(at, k); where != "" {
		it.publish.Props.User = append(it.publish.Props.User, mqtt.UserProperty{Key: propertyWhere, Value: where})
	}
}

// addLine puts a line on its way. By its number the server knows a line that it has had.
func (c *Core) addLine(it *item, topic string, text []byte) {
	it.line, it.keep = true, true
	c.run.line++
	mark := tandem.Mark{Boot: c.disk.boot(), Seq: c.run.line}
	it.publish = mqtt.Publish{Topic: topic, QoS: 1, Payload: text, Props: &mqtt.Properties{
		User: numbering(mark, c.clock.Now()),
	}}
	if len(c.lines.unplaced) > 0 { // it goes behind them
		it.seq = c.disk.journal.last
		c.lines.unplaced = append(c.lines.unplaced, c.out.number(it))
		return
	}
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
	switch {
	case it.kept != nil:
		c.lineSettled(it)
		return
	case it.tells != 0:
		c.lostTold(it.tells)
		return
	case it.counts != 0:
		c.counted(it)
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
