package core

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/spool"
)

// Segment is what a segment of the journal has, as far as a start needs to know. ScanSegment
// makes it.
type Segment struct {
	lines  bool // it is one of the log's lines
	number uint64
	size   int64
	spool.Report

	present spans // entries
	durable uint64
	marked  bool  // it has a mark, of which the newest says
	settled spans // what is settled
	told    int64 // and how large the segment is

	newest tandem.Mark // of the entries
	cause  cause       // the newest of an entry
}

// ScanSegment reads a segment of a journal, whose name SegmentNumber knows; size is the file's. What
// is damaged is skipped; a file that cannot be read is one in which everything is.
func ScanSegment(name string, size int64, file interface {
	ReadAt(p []byte, off int64) (int, error)
}) *Segment {
	number, _ := SegmentNumber(name)
	s := &Segment{lines: strings.HasSuffix(name, linesSuffix), number: number, size: size}
	s.Report = spool.Scan(file, number, size, func(_ int64, r spool.Record) { s.visit(r) })
	return s
}

func (s *Segment) visit(r spool.Record) {
	s.durable = max(s.durable, r.Durable)
	switch r.Kind {
	case recordMark:
		b := reader{data: r.Body}
		told := b.uvarint()
		settled := decodeSpans(&b)
		if !b.bad {
			s.marked, s.settled = true, settled
			s.told = int64(told)
		}
	case recordLine:
		if k, ok := decodeLine(r.Seq, r.Body); ok && r.Seq != 0 {
			s.enter(r.Seq, k.Mark)
		}
	case recordPost, recordSend:
		k, ok := decodePost(r)
		if !ok || r.Seq == 0 {
			return
		}
		s.enter(r.Seq, k.Mark)
		if k.Cause != 0 && (k.Numbering != s.cause.Numbering || k.cause.after(s.cause)) {
			s.cause = k.cause // entries are in order: what another agent has caused before counts no more
		}
	}
}

// enter takes note of an entry.
func (s *Segment) enter(seq uint64, m tandem.Mark) {
	s.present.add(seq, seq)
	if m.After(s.newest) {
		s.newest = m
	}
}

// findings are what a start has found out about the journal.
type findings struct {
	lost    []span   // entries that were on disk and are no more
	torn    uint64   // entries of writes that a power cut has torn
	damaged []string // what is wrong with segments
	newest  tandem.Mark
}

// open takes in the segments. known is an entry that was on disk, and gone one up to which all need no more
// sending, as other files say.
func (j *journal) open(list []*Segment, known, gone uint64) (f findings) {
	slices.SortFunc(list, func(a, b *Segment) int { return cmp.Compare(a.number, b.number) })
	var present spans
	j.durable = known
	for _, s := range list {
		for _, p := range s.present {
			present.add(p.first, p.last)
		}
		if s.marked {
			j.settled = s.settled
		}
		j.durable = max(j.durable, s.durable)
		if s.newest.After(f.newest) {
			f.newest = s.newest
		}
		if damage := s.damage(j.name(s.number)); damage != "" {
			f.damaged = append(f.damaged, damage)
		}
		j.attach(s)
	}
	j.settled.add(1, gone)
	j.durable = max(j.durable, j.settled.highest())
	accounted := slices.Clone(present)
	for _, p := range j.settled {
		accounted.add(p.first, p.last)
	}
	f.lost = accounted.missing(1, j.durable)
	for _, p := range f.lost {
		j.settled.add(p.first, p.last)
		present.add(p.first, p.last)
	}
	// Behind what is known to be durable only a beginning counts.
	j.last = max(j.durable, present.highest())
	whole := max(j.durable, present.after(j.durable+1)-1)
	if whole < j.last {
		f.torn = j.last - whole
		j.settled.add(whole+1, j.last)
		j.unsaid = true
	}
	j.durable = whole
	return f
}

// attach adds a segment behind the others. Nothing more is written where the end is not clean.
func (j *journal) attach(s *Segment) {
	k := &segment{number: s.number, size: s.size, end: s.End, mark: s.newest}
	if len(s.present) > 0 {
		k.first, k.last = s.present[0].first, s.present.highest()
	}
	if !s.Clean || s.told > s.size || s.size < smallestSegment {
		k.end = k.size
	}
	j.segments = append(j.segments, k)
	j.numbered = max(j.numbered, s.number)
	if k.end > 0 || k.size == 0 {
		j.active = len(j.segments) - 1
	}
}

// damage says what is wrong with a segment, "" if nothing is.
func (s *Segment) damage(name string) string {
	switch {
	case s.told > s.size:
		return fmt.Sprintf("%s has %d of %d bytes", name, s.size, s.told)
	case s.Unread > 0:
		return fmt.Sprintf("%s cannot be read in %d places", name, s.Unread)
	}
	return ""
}
