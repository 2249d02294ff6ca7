package core

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/spool"
	"github.com/tandem-iot/tandem/mqtt"
)

// keptLine is a line of the log that is kept on the disk until it is acknowledged.
type keptLine struct {
	Mark   tandem.Mark
	After  uint64 // the newest entry of the journal of messages before it
	Time   int64  // when it was written, in milliseconds since 1970; 0: unknown
	Sure   bool   // Time is by the server's clock
	Mono   int64  // when it was written, in milliseconds, on the scale of its boot
	Topic  string
	Where  string // the place in the code that it is about, as JSON; "": none
	Text   []byte
	placed uint64 // its entry in the journal of lines; 0: none yet
}

// lines is what is known of kept lines beside their journal.
type lines struct {
	unplaced []*item       // those for which the journal has no room yet, and all lines after them
	unsure   []*item       // those in the journal that are not known to be on disk
	freed    int64         // bytes that were given up since a segment was had
	retryAt  time.Duration // when the disk is asked for a segment again
}

// lostLines says that lines were given up, until a line of the log has said so. It has the number and the
// place of the last of them.
type lostLines struct {
	Mark  tandem.Mark `json:"mark"`
	Entry uint64      `json:"entry"`
	Count uint64      `json:"count"`

	item *item // that says so
	old  bool  // an earlier boot may have said so
}

// Sizes of the journal of lines, in bytes. It goes in small segments, because lines are given up by segments.
const (
	linesSegment = 256 << 10
	linesAhead   = 32 << 10 // for which there should be room before an event
	largestLine  = 16 << 10 // that is kept on the disk; the log cuts them to 4 KB
	mostLost     = 8        // of lostLines
)

// encode returns the body of a line's record.
func (k *keptLine) encode() []byte {
	b := make([]byte, 0, len(k.Topic)+len(k.Where)+len(k.Text)+64)
	sure := uint64(0)
	if k.Sure {
		sure = 1
	}
	for _, n := range []uint64{k.Mark.Boot, k.Mark.Seq, k.After, uint64(k.Time), sure, uint64(k.Mono)} {
		b = binary.AppendUvarint(b, n)
	}
	for _, text := range []string{k.Topic, k.Where} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return append(b, k.Text...)
}

// decodeLine reads what encode has returned. The text is part of body.
func decodeLine(seq uint64, body []byte) (*keptLine, bool) {
	r := reader{data: body}
	k := &keptLine{placed: seq}
	k.Mark = tandem.Mark{Boot: r.uvarint(), Seq: r.uvarint()}
	k.After = r.uvarint()
	k.Time = int64(r.uvarint())
	k.Sure = r.uvarint() == 1
	k.Mono = int64(r.uvarint())
	k.Topic, k.Where = string(r.bytes()), string(r.bytes())
	k.Text = r.data
	return k, !r.bad
}

// keepLine keeps a line on the disk. Until writeLines it is nowhere else.
func (c *Core) keepLine(topic string, text []byte, where string) {
	c.run.line++
	k := &keptLine{
		Mark: tandem.Mark{Boot: c.disk.Boot, Seq: c.run.line}, After: c.disk.journal.last,
		Mono: c.now.Mono.Milliseconds(), Topic: topic, Where: where, Text: text,
	}
	if now := c.clocks.read(); c.posts.timed || now.After(earliest) && now.Unix() >= c.disk.Time {
		k.Time, k.Sure = now.UnixMilli(), c.posts.timed
	}
	it := c.lineItem(k)
	it.counts = c.run.gen
	c.lines.unplaced = append(c.lines.unplaced, c.out.number(it))
	c.placeLines()
}

// lineItem returns a kept line as it goes to the server.
func (c *Core) lineItem(k *keptLine) *item {
	m := k.Mark
	m.Boot += c.disk.Base
	it := &item{kept: k, keep: true, line: true, seq: k.After, lineSeq: k.placed}
	it.publish = mqtt.Publish{Topic: k.Topic, QoS: 1, Payload: k.Text, Props: &mqtt.Properties{
		User: numbering(m, c.clock.Now()),
	}}
	add := func(key, value string) {
		if value != "" {
			it.publish.Props.User = append(it.publish.Props.User, mqtt.UserProperty{Key: key, Value: value})
		}
	}
	add(propertyWhere, k.Where)
	if at := c.writtenAt(k); at != 0 {
		add(propertyWritten, decimal(uint64(at)))
	}
	return it
}

// propertyWritten is the property of a line with the time at which it was written, in milliseconds since
// 1970.
const propertyWritten = "written"

// writtenAt returns when a line was written, in milliseconds since 1970, 0 if that is not known. A clock that was
// wrong then is right now; what is sure is how much time has passed since, within one boot.
func (c *Core) writtenAt(k *keptLine) int64 {
	now := c.clocks.read().UnixMilli()
	switch {
	case k.Sure:
		return k.Time
	case k.Mark.Boot == c.disk.Boot && c.posts.timed:
		return now - (c.now.Mono.Milliseconds() - k.Mono)
	case k.Time > now:
		return 0
	}
	return k.Time
}

// placeLines puts lines into the journal, as far as it has room; the others wait until it has more. Those that
// cannot be kept on the disk stay in memory, in their order.
func (c *Core) placeLines() {
	j := &c.disk.lines
	for len(c.lines.unplaced) > 0 {
		it := c.lines.unplaced[0]
		var body []byte
		if it.kept != nil {
			body = it.kept.encode()
		}
		if it.kept == nil || c.disk.sick != nil || len(body) > largestLine {
			c.lines.unplaced = c.lines.unplaced[1:]
			c.lineInMemory(it)
			continue
		}
		recent := c.posts.timed && !j.more() && c.out.kept.len() < readPosts
		full, ok := j.add(recordLine, body)
		c.writeLines(full)
		if !ok {
			if c.roomForLines(); c.reserving(j) {
				return
			}
			if len(c.lines.unplaced) > 0 {
				c.lines.unplaced = c.lines.unplaced[1:]
				c.lineInMemory(it)
			}
			continue
		}
		c.lines.unplaced = c.lines.unplaced[1:]
		it.kept.placed, it.lineSeq = j.last, j.last
		j.current().mark = it.kept.Mark
		c.lines.unsure = append(c.lines.unsure, it)
		if recent {
			j.skip()
			c.out.kept.push(it)
		}
	}
}

// writeLines has lines written, after all messages that were made before them; nil is none.
func (c *Core) writeLines(b *batch) {
	if b != nil {
		c.writeBatch(c.disk.journal.take())
		c.writeBatch(b)
	}
}

// lineInMemory keeps a line in memory alone, behind those before it.
func (c *Core) lineInMemory(it *item) {
	it.lineSeq = c.disk.lines.last
	if it.kept != nil && it.kept.placed != 0 {
		it.lineSeq = it.kept.placed - 1
	}
	it.kept = nil
	for _, lost := range c.out.insert(it) {
		c.settled(lost, true)
	}
}

// linesWritten takes note that lines are on disk.
func (c *Core) linesWritten(entries span) {
	c.lines.unsure = slices.DeleteFunc(c.lines.unsure, func(it *item) bool { return it.kept.placed <= entries.last })
}

// linesNotWritten goes on after a write of lines has failed: they stay in memory. If some are on the disk all the
// same, the server knows their numbers.
func (c *Core) linesNotWritten(o *operation, err error) {
	j := &c.disk.lines
	c.sicken(err)
	j.seal(o.name)
	j.settled.add(o.entries.first, o.entries.last)
	failed := slices.Clone(c.lines.unsure)
	c.linesWritten(o.entries)
	for _, it := range failed[:len(failed)-len(c.lines.unsure)] {
		c.out.kept.delete(it)
		c.lineInMemory(it)
	}
	c.complain(fmt.Sprintf("the device's disk does not work: %v. Lines of the log are kept in memory until it does", err))
}

// roomForLines has the journal of lines get room before it has none. When it can have no more, its oldest lines
// go.
func (c *Core) roomForLines() {
	j := &c.disk.lines
	if c.reserving(j) || j.room() >= linesAhead || c.disk.sick != nil {
		return
	}
	size := c.available(c.linesSize())
	switch {
	case size < smallestSegment:
		c.noRoomForLines(true)
	case c.now.Mono >= c.lines.retryAt:
		c.askRoom(j, size)
	}
}

// linesSize returns the size of a segment of lines.
func (c *Core) linesSize() int64 {
	return min(linesSegment, max(smallestSegment, c.cfg.JournalSize/16))
}

// noRoomForLines gives up the oldest lines if that can help; else those that wait for room stay in memory.
// helps says that it does for sure: it is no disk that others have filled.
func (c *Core) noRoomForLines(helps bool) {
	j := &c.disk.lines
	needed := j.active > 0 || len(c.lines.unplaced) > 0
	if needed && (helps || c.lines.freed < c.linesSize()) && c.giveUpLines(&c.lines.freed) {
		if c.roomForLines(); c.reserving(j) {
			return
		}
	}
	for _, it := range c.lines.unplaced {
		c.lineInMemory(it)
	}
	c.lines.unplaced = nil
}

// lineRoomFailed goes on after the disk had no segment for lines.
func (c *Core) lineRoomFailed() {
	c.noRoomForLines(false)
	if !c.reserving(&c.disk.lines) {
		c.lines.retryAt = c.now.Mono + diskPause
	}
}

// lineRoom goes on after a segment for lines was had.
func (c *Core) lineRoom() {
	c.lines.freed, c.lines.retryAt = 0, 0
	c.placeLines()
	c.writeLines(c.disk.lines.take())
	c.roomForLines()
}

// giveUpLines loses the oldest lines for the room that their segment takes, which it adds to freed. It reports
// false when there are none. What a connection was given is not lost by that.
func (c *Core) giveUpLines(freed *int64) bool {
	j := &c.disk.lines
	if len(j.segments) == 0 {
		return false
	}
	s := j.segments[0]
	if u := c.lines.unsure; len(u) > 0 && u[0].kept.placed <= s.last {
		return false // they are being written
	}
	*freed += s.size
	if s.first != 0 {
		c.loseLines(s)
	}
	c.disk.Gone = max(c.disk.Gone, s.last)
	c.count(forCounters)
	c.removeFile(j.name(s.number))
	j.drop()
	return true
}

// loseLines settles the lines of a segment, and has those counted that the server cannot have.
func (c *Core) loseLines(s *segment) {
	j := &c.disk.lines
	tried := spans{}
	for _, it := range slices.Concat(c.out.given, c.out.kept.list()) {
		switch {
		case it.kept == nil || it.lineSeq > s.last:
		case it.tried:
			tried.add(it.lineSeq, it.lineSeq)
		default:
			c.out.kept.delete(it)
		}
	}
	lost, ofRun := uint64(0), uint64(0)
	for _, p := range j.settled.missing(1, s.last) {
		for _, gap := range tried.missing(p.first, p.last) {
			lost += gap.last - gap.first + 1
			if gap.last > c.run.lines {
				ofRun += gap.last - max(gap.first, c.run.lines+1) + 1
			}
		}
	}
	j.settled.add(1, s.last)
	if lost > 0 {
		c.tellLost(lostLines{Mark: s.mark, Entry: s.last, Count: lost})
		c.countedOff(ofRun)
	}
}

// tellLost has a line of the log say that others are lost, or the one that is about to say so of those before
// them.
func (c *Core) tellLost(l lostLines) {
	list := c.disk.Lost
	if n := len(list); n > 0 {
		last := &list[n-1]
		if untold := !last.old && !last.item.tried; untold || n == mostLost {
			l.Count += last.Count
			c.out.remove(last.item)
			list = list[:n-1]
		}
	}
	l.item = c.lostItem(&l)
	c.disk.Lost = append(slices.Clip(list), l)
}

// lostItem puts the line about lost lines in its place.
func (c *Core) lostItem(l *lostLines) *item {
	const text = "%d lines of the log were lost here: the device's disk had no more room"
	it := c.lineItem(&keptLine{Mark: l.Mark, Topic: "log/error", Text: fmt.Appendf(nil, text, l.Count), placed: l.Entry})
	it.kept, it.tells = nil, l.Entry
	c.out.kept.insert(it, func(o *item) bool { return o.lineSeq > it.lineSeq })
	return it
}

// lostTold takes note that the log has the line about lost lines.
func (c *Core) lostTold(entry uint64) {
	c.disk.Lost = slices.DeleteFunc(slices.Clone(c.disk.Lost), func(l lostLines) bool { return l.Entry == entry })
	c.count(forCounters)
}

// rewindLines has the lines from before the power went sent again.
func (c *Core) rewindLines() {
	c.lines = lines{}
	c.disk.lines.rewind()
	for i := range c.disk.Lost {
		l := &c.disk.Lost[i]
		l.item, l.old = c.lostItem(l), true
	}
}

// lineRead puts a line that was read on its way, or reports that it is too old.
func (c *Core) lineRead(r spool.Record) bool {
	k, ok := decodeLine(r.Seq, r.Body)
	if !ok { // of another version: nothing else can be done with it
		c.disk.lines.settled.add(r.Seq, r.Seq)
		return true
	}
	if c.aged(c.writtenAt(k)) {
		return false
	}
	it := c.lineItem(k)
	if r.Seq > c.run.lines {
		it.counts = c.run.gen
	}
	c.out.kept.push(it)
	return true
}

// lineSettled forgets a kept line that needs no more sending.
func (c *Core) lineSettled(it *item) {
	c.disk.lines.settled.add(it.kept.placed, it.kept.placed)
	c.compact(&c.disk.lines)
	c.counted(it)
}

// counted tells the code that something it has kept needs no more sending.
func (c *Core) counted(it *item) {
	if it.counts == c.run.gen && it.counts != 0 {
		c.countedOff(1)
	}
}

// countedOff tells the code how much of what it has kept needs no more sending.
func (c *Core) countedOff(n uint64) {
	if n > 0 {
		c.feed(&device.Settled{Count: int(n)}, receipt{})
	}
}
