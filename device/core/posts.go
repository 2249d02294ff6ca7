package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/spool"
	"github.com/tandem-iot/tandem/mqtt"
)

// posts are those of both sides that have not been handled, but for those in the journals.
type posts struct {
	old     []*keptPost // of the code, in order, as a former version has left them
	arrived []*arrived  // of the agent, in order
	timed   bool        // the server has told the time since the device was switched on
	reading uint64      // number of the ReadFile that has some of a journal read; 0: none
	from    *journal    // which it reads
	piece   piece       // of it
}

// keptPost is a tandem.post of the code, or an agent.send that is kept like one, until the agent has
// handled it.
type keptPost struct {
	Mark tandem.Mark `json:"mark"`
	Name string      `json:"name"`
	Data []byte      `json:"data"`
	cause
	Time int64 `json:"-"` // milliseconds since 1970 by the server's clock; 0: unknown

	seq  uint64 // in the journal; 0: file has it
	file string
	send bool
}

// arrived is a post of the agent that has not been handled.
type arrived struct {
	message  tandem.Message // Post is its number
	receipts []receipt      // of each time that it came over the newest connection
	fed      bool           // the running code has it, or it waits for it
	foreign  bool           // of an agent that is not there any more: its number says nothing
}

// after reports whether a post was made after another.
func (k cause) after(o cause) bool {
	return k.Cause > o.Cause || k.Cause == o.Cause && k.Nth > o.Nth
}

// causeHere returns what has caused a post of the code.
func (c *Core) causeHere(e *device.Post) cause {
	n := c.causeOf(e.Cause)
	if n == 0 {
		return cause{}
	}
	return cause{c.disk.state.Numbering, n, e.Nth}
}

// caused takes note of a post that was made while one of the agent's was
// handled. It reports false for one that was made before.
func (s *durable) caused(k cause) (news bool) {
	if k.Numbering != s.Numbering || !k.after(s.cause) {
		return false
	}
	s.cause = k
	return true
}

// rewindPosts has what was posted before the power went sent again.
func (c *Core) rewindPosts() {
	c.posts.reading, c.posts.timed = 0, false
	c.disk.journal.rewind()
	c.rewindLines()
	for _, k := range c.posts.old {
		c.out.addPost(c.postItem(k))
	}
}

// post keeps a post of the code and puts it on its way.
func (c *Core) post(e *device.Post) {
	c.run.seq++
	k := &keptPost{
		Mark: tandem.Mark{Boot: c.disk.Boot, Seq: c.run.seq},
		Name: e.Message.Name, Data: e.Message.Data, cause: c.causeHere(e), Time: c.stampOf(), send: e.Send,
	}
	c.run.room.Bytes -= int64(k.size() + device.PostOverhead)
	if k.Cause != 0 && !c.disk.state.caused(k.cause) {
		// An agent's post is handled once more: this was on its way before, or is.
		c.feed(&device.Handled{ID: e.ID}, receipt{})
		if k.send {
			c.feed(&device.Settled{Count: 1}, receipt{})
		}
		return
	}
	j := &c.disk.journal
	recent := !j.more() && c.out.posts.len() < readPosts
	full, ok := j.add(k.kind(), k.encode())
	c.writeBatch(full)
	if !ok {
		panic("core: there is no room for a post that was promised some")
	}
	k.seq = j.last
	c.run.posted(k.seq, e.ID)
	if recent {
		j.skip()
		c.out.addPost(c.postItem(k))
	}
}

// posted notes which entry of the journal a post of the code is. Both are numbered without
// gaps, but for posts that were not made again.
func (r *run) posted(seq, id uint64) {
	if n := len(r.posts); n == 0 || seq-r.posts[n-1].seq != id-r.posts[n-1].id {
		r.posts = append(r.posts, postID{seq, id})
	}
}

// postID says which post of the code an entry of the journal is. Those that follow are the
// following ones, up to the next postID.
type postID struct{ seq, id uint64 }

// idOf returns the post of the running code that an entry is, 0 if it is of another run.
func (r *run) idOf(seq uint64) uint64 {
	for _, p := range slices.Backward(r.posts) {
		if p.seq <= seq {
			return p.id + seq - p.seq
		}
	}
	return 0
}

// postItem returns a post as it goes to the server.
func (c *Core) postItem(k *keptPost) *item {
	m := k.Mark
	m.Boot += c.disk.Base
	props := messageProperties(m, c.clock.Now())
	props.User = append(props.User, mqtt.UserProperty{Key: "post", Value: "1"})
	it := &item{keep: true, post: k, publish: mqtt.Publish{QoS: 1, Props: props}}
	if k.send && k.seq > c.run.messages {
		it.counts = c.run.gen
	}
	it.publish.Topic, it.publish.Payload = tandem.WriteTopic("agent/"+k.Name, k.Data)
	return it
}

// postSettled forgets a post that the agent has handled. Should a power cut bring
// it back, the agent knows that it has had it.
func (c *Core) postSettled(it *item) {
	k := it.post
	if k.seq == 0 {
		if i := slices.Index(c.posts.old, k); i >= 0 {
			c.posts.old = slices.Delete(c.posts.old, i, i+1)
		}
		c.removeFile(k.file)
	} else {
		c.disk.journal.settled.add(k.seq, k.seq)
		c.compact(&c.disk.journal)
	}
	c.feed(&device.Handled{ID: c.run.idOf(k.seq)}, receipt{})
	c.counted(it)
}

// compact notes what is settled, and removes segments that are not needed any more.
func (c *Core) compact(j *journal) {
	for s := j.oldest(); s != nil && c.disk.sick == nil; s = j.oldest() {
		c.markSettled(j, true)
		if j == &c.disk.journal && c.disk.state.cause != c.disk.causes {
			// What the segment knows of causes must be known without it.
			c.keepState(forProbe)
		}
		c.removeFile(j.name(s.number))
		j.drop()
		c.disk.shrink = 0
		c.reserve()
	}
	if n := j.settled.count(); n >= j.marked+marksEvery || n > j.marked && j.waiting() == 0 {
		c.markSettled(j, false)
	}
}

// markSettled notes in a journal what is settled, and that all that was written is durable.
// Nothing waits for it; last is for what is noted before a segment goes.
func (c *Core) markSettled(j *journal, last bool) {
	if !j.marks(last) {
		return
	}
	c.writeBatch(j.take())
	j.mark()
	b := j.take()
	o := c.askFor(forMark, b.name)
	o.of = j
	o.effect = &WriteAt{Number: o.number, Name: b.name, Offset: b.offset, Data: b.data, Flush: last}
	c.ask(o)
}

// reserve has the journal of messages get room, until it has enough for what one event may post.
func (c *Core) reserve() {
	d := &c.disk
	j := &d.journal
	size := min(segmentSize, max(smallestSegment, c.cfg.JournalSize/4))
	if c.reserving(j) || j.room() >= size-markRoom || d.sick != nil {
		return
	}
	if size = c.available(size >> d.shrink); size < smallestSegment {
		c.noRoom(0, c.limitReached())
		return
	}
	c.askRoom(j, size)
}

// reserving reports whether a journal is about to get room.
func (c *Core) reserving(j *journal) bool {
	is := func(o *operation) bool { return o.purpose == forRoom && o.of == j }
	return slices.ContainsFunc(c.disk.asked, is)
}

// available returns how much of a size the limit of both journals allows.
func (c *Core) available(size int64) int64 {
	return min(size, c.cfg.JournalSize-c.disk.journal.allocated()-c.disk.lines.allocated()) &^ 7
}

func (c *Core) limitReached() error {
	return fmt.Errorf("the log of messages has reached its limit of %d KB", c.cfg.JournalSize>>10)
}

// askRoom has a journal get a segment.
func (c *Core) askRoom(j *journal, size int64) {
	o := c.askFor(forRoom, j.name(j.numbered+1))
	o.of, o.size = j, size
	o.effect = &Reserve{Number: o.number, Name: o.name, Size: size}
	c.ask(o)
}

// noRoom takes note that a segment of a size cannot be had for messages: with fewer lines perhaps it can, or a
// smaller one.
func (c *Core) noRoom(size int64, err error) {
	d := &c.disk
	// On a disk that others have filled it is in vain.
	if (size == 0 || d.freed < size) && c.giveUpLines(&d.freed) {
		c.reserve()
		return
	}
	if size/2 >= smallestSegment {
		d.shrink++
		c.reserve()
		return
	}
	if d.full == nil {
		c.log(Warn, "no more room for messages of tandem.post", "error", err.Error(),
			"room", decimal(uint64(d.journal.room())), "waiting", decimal(d.journal.waiting()+uint64(len(c.posts.old))))
	}
	d.full, d.retryAt = err, c.now.Mono+diskPause
}

// tellRoom tells the code how much it may post and whether anything can be kept.
func (c *Core) tellRoom() {
	m := c.run.machine
	if room := c.room(); m != nil && room != c.run.room {
		c.run.room = room
		c.perform(c.drive(m, &room))
	}
}

// room returns what the code may post now.
func (c *Core) room() (r device.Room) {
	if c.disk.sick != nil {
		return device.Room{Unwritable: "the device's disk does not work: " + c.disk.sick.Error()}
	}
	r.Bytes = c.disk.journal.room()
	switch {
	case c.disk.full != nil:
		r.Full = c.disk.full.Error()
	case r.Bytes == 0:
		r.Full = "the log of messages has none yet"
	}
	return r
}

// Reading: as much of the journal is read ahead.
const (
	readPosts = 64       // items
	readBytes = 64 << 10 // at a time
)

// readAhead has some of the journals read, when there is a connection that can take it.
func (c *Core) readAhead() {
	if !c.linked() || c.held() {
		return
	}
	// The server tells the time on each connection: before that it is not known what is too old, and perhaps
	// not when a line was written.
	if c.cfg.KeptFor == 0 || c.posts.timed {
		c.readFrom(&c.disk.journal, &c.out.posts)
	}
	if c.posts.timed {
		c.readFrom(&c.disk.lines, &c.out.kept)
	}
}

// readFrom has some of a journal read, if few of its entries are in memory and nothing else is being read.
func (c *Core) readFrom(j *journal, memory *fifo) {
	if c.posts.reading != 0 || memory.len() >= readPosts || !j.more() {
		return
	}
	p, ok := j.unread()
	if !ok {
		return
	}
	c.posts.reading = c.number()
	c.posts.from, c.posts.piece = j, p
	c.emit(&ReadFile{Number: c.posts.reading, Name: j.name(p.segment), Offset: p.offset, Size: p.size})
}

// fileRead takes in what was read of the journal.
func (c *Core) fileRead(ev *FileRead) {
	if ev.Number != c.posts.reading {
		return
	}
	c.posts.reading = 0
	if ev.Err != nil {
		c.log(Error, "cannot read the log of messages", "error", ev.Err.Error())
	}
	j := c.posts.from
	list, lost := j.read(c.posts.piece, ev.Data)
	if len(lost) > 0 {
		c.complain(lostText(lost, j.what()))
		c.compact(j)
	}
	aged, counted := 0, uint64(0)
	for _, r := range list {
		if !c.entryRead(j, r) {
			j.settled.add(r.Seq, r.Seq)
			aged++
			counted += c.countOf(r)
		}
	}
	c.countedOff(counted)
	if aged > 0 {
		c.complain(fmt.Sprintf("%d %s are not sent, because they are older than %v", aged, j.what(), c.cfg.KeptFor))
		c.compact(j)
	}
}

// countOf returns 1 for an entry that the running code counts as one that it has kept, else 0.
func (c *Core) countOf(r spool.Record) uint64 {
	if r.Kind == recordSend && r.Seq > c.run.messages || r.Kind == recordLine && r.Seq > c.run.lines {
		return 1
	}
	return 0
}

// entryRead puts an entry of a journal on its way, or reports that it is too old.
func (c *Core) entryRead(j *journal, r spool.Record) bool {
	if j == &c.disk.lines {
		return c.lineRead(r)
	}
	k, ok := decodePost(r)
	switch {
	case !ok: // of another version: nothing else can be done with it
		j.settled.add(r.Seq, r.Seq)
	case c.aged(k.Time):
		return false
	default:
		c.out.addPost(c.postItem(k))
	}
	return true
}

// stampOf returns the time that a post gets. A clock that the server has not set right is not
// one to tell an age by.
func (c *Core) stampOf() int64 {
	if !c.posts.timed {
		return 0
	}
	return c.clocks.read().UnixMilli()
}

// aged reports whether what was made at a time, in milliseconds since 1970, is too old to be sent.
func (c *Core) aged(made int64) bool {
	if c.cfg.KeptFor == 0 || made == 0 || !c.posts.timed {
		return false
	}
	return c.clocks.read().Sub(time.UnixMilli(made)) > c.cfg.KeptFor
}

// arrive takes a post of the agent. It is acknowledged when it has been handled,
// whichever run of the code does it.
func (c *Core) arrive(m tandem.Message, r receipt) {
	newest := c.disk.state.Applied
	if m.Post <= newest {
		c.acknowledge(r)
		return
	}
	for _, a := range c.posts.arrived {
		if a.foreign {
			continue
		}
		if a.message.Post == m.Post {
			// The server waits for each that it has sent over this connection.
			old := func(o receipt) bool { return o.conn != r.conn }
			a.receipts = append(slices.DeleteFunc(a.receipts, old), r)
			return
		}
		newest = a.message.Post
	}
	if m.After > newest {
		// One is missing. If this were handled first, that one never could be.
		c.drop(device.NoServer, errors.New("a post of the agent is missing; on a new connection it comes again"))
		return
	}
	c.posts.arrived = append(c.posts.arrived, &arrived{message: m, receipts: []receipt{r}})
	c.feedPosts()
}

// feedPosts gives the code what of the agent's posts it has not had. What could not be noted as
// handled is not.
func (c *Core) feedPosts() {
	for _, a := range slices.Clone(c.posts.arrived) {
		if c.run.machine == nil || c.disk.sick != nil {
			return
		}
		if !a.fed {
			a.fed = true
			c.mail.queue = append(c.mail.queue, waiting{ev: &device.AgentMessage{Message: a.message}, post: a})
			c.pump()
		}
	}
}

// applied ends a post that has been handled.
func (c *Core) applied(a *arrived) {
	if s := &c.disk.state; a.message.Post > s.Applied && !a.foreign {
		s.Applied = a.message.Post
		c.keepState(forState)
	}
	if i := slices.Index(c.posts.arrived, a); i >= 0 {
		c.posts.arrived = slices.Delete(c.posts.arrived, i, i+1)
	}
	for _, r := range a.receipts {
		c.acknowledge(r)
	}
}
