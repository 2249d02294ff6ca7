package core

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/spool"
)

// journal is a log of what the code wants kept: what its segments have, and where the next record
// goes. Its methods are pure; Core has done what they ask for. There are two, so that lines can be
// given up without those messages that were made between them.
type journal struct {
	suffix   string     // of the names of its segments
	segments []*segment // in order: full ones, the active one, then spare ones
	active   int        // index of the one that is written to; it may be beyond the end

	last    uint64 // number of the newest entry
	durable uint64 // number of the newest that is on disk
	settled spans  // entries that need no more sending, or never were any
	marked  uint64 // how many were when the last mark was written
	unsaid  bool   // what a power cut has torn is settled, and no mark says so yet

	batch    []byte // records that are not written yet
	batchAt  int64  // where in the active segment they go
	entries  span   // those in the batch; first is 0 when there are none
	cursor   cursor // what is to be read next
	need     int    // bytes of the entry there, when they are more than were read
	numbered uint64 // number of the newest segment
}

// cursor is a place in the journal: everything before it was read.
type cursor struct {
	segment int // index
	offset  int64
	seq     uint64 // of the last entry that was read
}

// segment is a file of the journal.
type segment struct {
	number uint64
	size   int64
	end    int64  // where the next record goes
	first  uint64 // its entries; 0: it has none
	last   uint64
	mark   tandem.Mark // of the newest of its lines
}

// Sizes of the journal, in bytes.
const (
	segmentSize     = 1 << 20
	smallestSegment = 64 << 10 // on a disk that is nearly full
	markRoom        = 4 << 10  // of a segment, for marks alone, so that what was handled can be noted on a full disk
	largestEntry    = tandem.MessageSize + device.PostOverhead
	marksEvery      = 32 // entries that are settled
	spansInMark     = 64
)

// Suffixes of the names of segments.
const (
	messagesSuffix = ".log"
	linesSuffix    = ".lines"
)

// name returns the name of a segment's file.
func (j *journal) name(n uint64) string { return fmt.Sprintf("%s%016d%s", postsDir, n, j.suffix) }

// SegmentNumber returns the number of a segment of a journal by the name of its file in the
// device's directory.
func SegmentNumber(name string) (n uint64, ok bool) {
	for _, suffix := range []string{messagesSuffix, linesSuffix} {
		text, ours := strings.CutSuffix(strings.TrimPrefix(name, postsDir), suffix)
		if !ours {
			continue
		}
		_, err := fmt.Sscanf(text, "%d", &n)
		j := journal{suffix: suffix}
		return n, err == nil && n != 0 && j.name(n) == name
	}
	return 0, false
}

// Kinds of records.
const (
	recordMark = 1 // which entries are settled, as far as is known
	recordPost = 2
	recordSend = 3 // an agent.send, kept like a post
	recordLine = 4 // of the log
)

// encode returns the body of a post's record.
func (k *keptPost) encode() []byte {
	b := make([]byte, 0, k.size()+device.PostOverhead/2)
	for _, n := range []uint64{k.Mark.Boot, k.Mark.Seq, k.Cause, uint64(k.Nth), uint64(k.Time)} {
		b = binary.AppendUvarint(b, n)
	}
	if k.Cause != 0 {
		b = binary.AppendUvarint(b, uint64(len(k.Numbering)))
		b = append(b, k.Numbering...)
	}
	b = binary.AppendUvarint(b, uint64(len(k.Name)))
	b = append(b, k.Name...)
	return append(b, k.Data...)
}

// kind returns the kind of a post's record.
func (k *keptPost) kind() byte {
	if k.send {
		return recordSend
	}
	return recordPost
}

// decodePost reads a post's record. The post's data is part of its body.
func decodePost(record spool.Record) (*keptPost, bool) {
	r := reader{data: record.Body}
	k := &keptPost{seq: record.Seq, send: record.Kind == recordSend}
	k.Mark = tandem.Mark{Boot: r.uvarint(), Seq: r.uvarint()}
	k.Cause = r.uvarint()
	k.Nth = uint32(r.uvarint())
	k.Time = int64(r.uvarint())
	if k.Cause != 0 {
		k.Numbering = string(r.bytes())
	}
	k.Name = string(r.bytes())
	k.Data = r.data
	return k, !r.bad
}

func (k *keptPost) size() int { return len(k.Name) + len(k.Data) }

// what says what its entries are.
func (j *journal) what() string {
	if j.suffix == linesSuffix {
		return "lines of the log"
	}
	return "kept messages"
}

// free returns the room for entries in a segment.
func (s *segment) free() int64 { return max(0, s.size-markRoom-s.end) }

// room returns the bytes of entries that fit for sure, whichever sizes they have, each counted
// with device.PostOverhead.
func (j *journal) room() int64 {
	var sum, largest int64
	for i := j.active; i < len(j.segments); i++ {
		free := j.segments[i].free()
		if i > j.active {
			sum -= largestEntry // that the one before has no room for
		}
		sum, largest = sum+free, max(largest, free)
	}
	return max(sum, largest)
}

// allocated returns the bytes of all segments.
func (j *journal) allocated() (n int64) {
	for _, s := range j.segments {
		n += s.size
	}
	return n
}

// waiting returns how many entries are not settled.
func (j *journal) waiting() uint64 { return j.last - j.settled.count() }

// more reports whether entries were not read yet.
func (j *journal) more() bool { return j.unreadSeq() <= j.last }

// head returns the first entry that was not read yet, noEntry if there is none.
func (j *journal) head() uint64 {
	if n := j.unreadSeq(); n <= j.last {
		return n
	}
	return noEntry
}

// noEntry is above the numbers of all entries.
const noEntry = math.MaxUint64

// unreadSeq returns the first entry that was not read yet, if there is one.
func (j *journal) unreadSeq() uint64 { return j.settled.after(j.cursor.seq + 1) }

// current returns the segment that is written to, nil when there is none.
func (j *journal) current() *segment {
	if j.active >= len(j.segments) {
		return nil
	}
	return j.segments[j.active]
}

// record adds a record to the batch. There must be room in the active segment.
func (j *journal) record(r spool.Record) {
	s := j.segments[j.active]
	if len(j.batch) == 0 {
		j.batchAt = s.end
	}
	before := len(j.batch)
	j.batch = spool.Append(j.batch, s.number, s.end, r)
	s.end += int64(len(j.batch) - before)
	if r.Seq == 0 {
		return
	}
	if s.first == 0 {
		s.first = r.Seq
	}
	if j.entries.first == 0 {
		j.entries.first = r.Seq
	}
	s.last = r.Seq
	j.entries.last = r.Seq
}

// mark adds a record of what is settled.
func (j *journal) mark() {
	s := j.segments[j.active]
	body := binary.AppendUvarint(nil, uint64(s.size))
	j.record(spool.Record{Kind: recordMark, Durable: j.durable, Body: j.settled.encode(body, spansInMark)})
	j.marked = j.settled.count()
}

// fits reports whether the active segment has room for an entry.
func (j *journal) fits(body int) bool {
	s := j.current()
	need := int64(spool.Size(body))
	if s != nil && s.end == 0 {
		need += markRoom // each begins with a mark
	}
	return s != nil && need <= s.free()
}

// batch is records that are to be written to a segment.
type batch struct {
	of      *journal
	name    string
	offset  int64
	data    []byte
	entries span // first is 0 when there are none
}

// take returns what is to be written, and begins the next batch. It returns nil when there is
// nothing.
func (j *journal) take() *batch {
	if len(j.batch) == 0 {
		return nil
	}
	b := &batch{j, j.name(j.segments[j.active].number), j.batchAt, j.batch, j.entries}
	j.batch, j.entries = nil, span{}
	return b
}

// add adds an entry with the next number, which is last then. full is a batch that must be written
// first, because the entry begins the next segment. It reports false when there is no room at all.
func (j *journal) add(kind byte, body []byte) (full *batch, ok bool) {
	for !j.fits(len(body)) {
		if j.active+1 >= len(j.segments) {
			return full, false
		}
		if b := j.take(); b != nil {
			full = b
		}
		j.active++
	}
	if s := j.segments[j.active]; s.end == 0 || j.unsaid && j.marks(true) {
		j.mark()
	}
	j.unsaid = false
	j.last++
	j.record(spool.Record{Kind: kind, Seq: j.last, Durable: j.durable, Body: body})
	return full, true
}

// oldest returns the oldest segment if all its entries are settled and it is written no more.
func (j *journal) oldest() *segment {
	if j.active == 0 || len(j.segments) == 0 {
		return nil
	}
	s := j.segments[0]
	if s.first != 0 && j.settled.after(s.first) <= s.last {
		return nil
	}
	return s
}

// drop forgets the oldest segment.
func (j *journal) drop() {
	j.segments = slices.Delete(j.segments, 0, 1)
	j.active = max(j.active-1, 0)
	if j.cursor.segment--; j.cursor.segment < 0 {
		j.cursor.segment, j.cursor.offset = 0, 0
	}
}

// rewind has everything that is not settled read again.
func (j *journal) rewind() { j.cursor = cursor{} }

// skip has the cursor behind an entry that was just added, because it need not be read.
func (j *journal) skip() {
	j.cursor = cursor{segment: j.active, offset: j.segments[j.active].end, seq: j.last}
}

// grow adds a segment that was allocated.
func (j *journal) grow(size int64) {
	j.numbered++
	j.segments = append(j.segments, &segment{number: j.numbered, size: size})
}

// seal has no more written to a segment: what is there behind its last record is not known.
func (j *journal) seal(name string) {
	for _, s := range j.segments {
		if j.name(s.number) == name {
			s.end = s.size
		}
	}
}

// marks reports whether there is room for a mark; keep is for one that may use the room that is
// kept for them.
func (j *journal) marks(keep bool) bool {
	s := j.current()
	if s == nil || s.end == 0 {
		return false
	}
	room := s.free()
	if keep {
		room = s.size - s.end
	}
	return room >= markRoom/2
}

// piece is a part of a segment that is being read.
type piece struct {
	segment uint64
	offset  int64
	size    int
	last    uint64 // entry of the segment, if the piece reaches so far; 0: it does not
}

// unread returns what is to be read next. It reports false when there is nothing.
func (j *journal) unread() (p piece, ok bool) {
	c := &j.cursor
	for ; c.segment < len(j.segments); c.segment, c.offset = c.segment+1, 0 {
		s := j.segments[c.segment]
		if s.first == 0 || j.settled.after(max(s.first, c.seq+1)) > s.last {
			continue
		}
		p = piece{segment: s.number, offset: c.offset, size: int(min(s.end-c.offset, int64(max(readBytes, j.need))))}
		if p.offset+int64(p.size) == s.end {
			p.last = s.last
		}
		return p, true
	}
	return piece{}, false
}

// read takes in a piece. It returns the entries that are not settled, and which turned out to be
// lost.
func (j *journal) read(p piece, data []byte) (list []spool.Record, lost []span) {
	c := &j.cursor
	if c.segment >= len(j.segments) || j.segments[c.segment].number != p.segment || c.offset != p.offset {
		return nil, nil
	}
	j.need = 0
	used := 0
	for j.need == 0 {
		f, ok := spool.Next(data[used:], p.segment, p.offset+int64(used))
		switch {
		case !ok:
			used += f.End
		case !f.Complete(data[used:]):
			used += f.Begin
			j.need = f.End - f.Begin
		default:
			used += f.End
			if f.Kind != recordMark && !f.Damaged && f.Seq > c.seq {
				lost = append(lost, j.pass(f.Seq-1)...)
				c.seq = f.Seq
				if !j.settled.has(f.Seq) {
					f.Body = slices.Clone(f.Body)
					list = append(list, f.Record)
				}
			}
			continue
		}
		break
	}
	c.offset += int64(used)
	if p.last != 0 {
		// What was not found is nowhere.
		lost = append(lost, j.pass(p.last)...)
		j.need = 0
	} else if used == 0 && j.need <= p.size {
		c.offset += int64(p.size)
		j.need = 0
	}
	return list, lost
}

// pass has the cursor behind an entry, and returns those before it that were not found.
func (j *journal) pass(seq uint64) (lost []span) {
	if seq <= j.cursor.seq {
		return nil
	}
	lost = j.settled.missing(j.cursor.seq+1, seq)
	for _, p := range lost {
		j.settled.add(p.first, p.last)
	}
	j.cursor.seq = seq
	return lost
}
