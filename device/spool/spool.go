// Package spool is the format of a durable log of messages: records with checksums in
// segments, and a reader that skips what is damaged and finds the records behind it. It
// opens no file.
//
//	data = spool.Append(data, segment, offset, spool.Record{Kind: 1, Seq: 7, Durable: 6, Body: body})
//	found, ok := spool.Next(data, segment, offset)
//	report, err := spool.Scan(file, segment, size, func(at int64, r spool.Record) { … })
package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// Record is one record of a log. Kind is the user's, and not 0.
type Record struct {
	Kind    byte
	Seq     uint64 // of an entry, from 1 on; 0: the record is not an entry
	Durable uint64 // all entries up to this one were durable when the record was written
	Body    []byte
}

const (
	headerSize = 40
	align      = 8
	magic      = 0x6c4d6154
)

// MaxBody is the largest body, in bytes. It keeps a damaged length from being believed.
const MaxBody = 16 << 20

var table = crc32.MakeTable(crc32.Castagnoli)

// Size returns the size of a record whose body has n bytes.
func Size(n int) int { return (headerSize + n + align - 1) &^ (align - 1) }

// Append appends a record that is to be written at an offset of a segment. The offset is a
// multiple of 8, as are the sizes of all records.
func Append(dst []byte, segment uint64, offset int64, r Record) []byte {
	begin := len(dst)
	var h [headerSize]byte
	binary.LittleEndian.PutUint32(h[0:], magic)
	h[4] = r.Kind
	binary.LittleEndian.PutUint64(h[8:], r.Seq)
	binary.LittleEndian.PutUint64(h[16:], r.Durable)
	binary.LittleEndian.PutUint32(h[24:], uint32(len(r.Body)))
	binary.LittleEndian.PutUint32(h[28:], crc32.Checksum(r.Body, table))
	binary.LittleEndian.PutUint32(h[32:], headerSum(h[:32], segment, offset))
	dst = append(dst, h[:]...)
	dst = append(dst, r.Body...)
	for (len(dst)-begin)%align != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// headerSum returns the checksum of the first 32 bytes of a header in its place.
func headerSum(h []byte, segment uint64, offset int64) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[0:], segment)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], table), table, h)
}

// Found is what Next has found in some bytes of a segment.
type Found struct {
	Record      // Body is nil when it is Damaged or not complete
	Begin   int // where it begins
	End     int // where the next record may begin; beyond the bytes when the record is not complete
	Damaged bool
	Junk    bool // there were bytes other than zeros before it
}

// Complete reports whether all bytes of the record were there.
func (f *Found) Complete(data []byte) bool { return f.End <= len(data) }

// Next returns the first record in data, which is at an offset of a segment, a multiple of 8.
// It reports false when there is none; then End is where a search with more bytes continues,
// and Junk says whether there is anything but zeros before it.
func Next(data []byte, segment uint64, offset int64) (f Found, ok bool) {
	at := 0
	for ; at+headerSize <= len(data); at += align {
		h := data[at : at+headerSize]
		if binary.LittleEndian.Uint32(h) == magic && valid(h, segment, offset+int64(at)) {
			f.read(h, data, at)
			return f, true
		}
		f.Junk = f.Junk || binary.LittleEndian.Uint64(h) != 0
	}
	f.End = at
	return f, false
}

func valid(h []byte, segment uint64, offset int64) bool {
	return binary.LittleEndian.Uint32(h[32:]) == headerSum(h[:32], segment, offset) &&
		h[4] != 0 && binary.LittleEndian.Uint32(h[24:]) <= MaxBody
}

// read takes in the record with a valid header.
func (f *Found) read(h, data []byte, at int) {
	n := int(binary.LittleEndian.Uint32(h[24:]))
	f.Kind = h[4]
	f.Seq = binary.LittleEndian.Uint64(h[8:])
	f.Durable = binary.LittleEndian.Uint64(h[16:])
	f.Begin, f.End = at, at+Size(n)
	if f.End > len(data) {
		return
	}
	body := data[at+headerSize : at+headerSize+n]
	if crc32.Checksum(body, table) != binary.LittleEndian.Uint32(h[28:]) {
		f.Damaged = true
		return
	}
	f.Body = body
}
