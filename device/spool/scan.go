package spool

import (
	"errors"
	"io"
)

// Report says what a segment has.
type Report struct {
	End     int64 // where the last record ends
	Clean   bool  // there are only zeros behind it
	Damaged int   // places that have something unreadable, before the last record or behind it
	Unread  int   // blocks that could not be read
}

// block is what cannot be read when a byte of it cannot, in bytes.
const block = 4096

// Scan reads a segment of a size in bytes and calls visit with the offset of each good record.
// The record's body is only valid during the call. What cannot be read is damage: Scan never
// fails.
func Scan(file io.ReaderAt, segment uint64, size int64, visit func(offset int64, r Record)) Report {
	s := scanner{file: file, size: size, buf: make([]byte, 0, 16*block)}
	report := Report{Clean: true}
	for {
		f, ok := Next(s.buf, segment, s.at)
		if f.Junk || ok && f.Damaged {
			report.Clean = false
			report.Damaged++
		}
		switch {
		case ok && !f.Complete(s.buf) && s.at+int64(f.End) > size:
			// The segment ends before the record does.
			report.Clean = false
			report.Damaged++
			s.drop(f.Begin + align)
		case ok && !f.Complete(s.buf):
			s.drop(f.Begin)
			s.fill(f.End - f.Begin)
		case ok:
			if !f.Damaged {
				visit(s.at+int64(f.Begin), f.Record)
			}
			report.End, report.Clean = s.at+int64(f.End), true
			s.drop(f.End)
		default:
			s.drop(f.End)
			if !s.fill(cap(s.buf)) {
				report.Clean = report.Clean && s.unread == 0 && allZero(s.buf)
				report.Unread = s.unread
				return report
			}
		}
	}
}

func allZero(data []byte) bool {
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

// scanner is a window on a segment.
type scanner struct {
	file   io.ReaderAt
	size   int64
	at     int64  // of the window
	buf    []byte // what is in it
	unread int    // blocks
}

// drop moves the beginning of the window.
func (s *scanner) drop(n int) {
	s.at += int64(n)
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
}

// fill has the window show n bytes, if the segment has so many more. It reports false when
// nothing was added.
func (s *scanner) fill(n int) bool {
	n = int(min(int64(n), s.size-s.at))
	before := len(s.buf)
	if n <= before {
		return false
	}
	if n > cap(s.buf) {
		s.buf = append(make([]byte, 0, n), s.buf...)
	}
	s.buf = s.buf[:n]
	s.unread += Read(s.file, s.buf[before:], s.at+int64(before))
	return true
}

// Read reads a part of a segment. What cannot be read, or is beyond its end, is zeros; unread
// is how many blocks cannot.
func Read(file io.ReaderAt, p []byte, at int64) (unread int) {
	n, err := file.ReadAt(p, at)
	if err == nil || errors.Is(err, io.EOF) {
		clear(p[n:])
		return 0
	}
	for len(p) > 0 {
		k := min(len(p), block-int(at%block))
		if n, err := file.ReadAt(p[:k], at); err != nil {
			clear(p[n:k])
			if !errors.Is(err, io.EOF) {
				unread++
			}
		}
		p, at = p[k:], at+int64(k)
	}
	return unread
}
