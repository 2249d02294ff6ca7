package spool

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// some returns a segment with n entries of various sizes, and where each begins.
func some(segment uint64, n int) (data []byte, begins []int) {
	for i := range n {
		begins = append(begins, len(data))
		body := bytes.Repeat([]byte{byte(i)}, i*37%500)
		r := Record{Kind: 2, Seq: uint64(i + 1), Durable: uint64(i), Body: body}
		data = Append(data, segment, int64(len(data)), r)
	}
	return append(data, make([]byte, 4096)...), begins
}

// found returns the entries that a scan finds.
func found(t testing.TB, data []byte, segment uint64) (list []uint64, r Report) {
	r = Scan(bytes.NewReader(data), segment, int64(len(data)), func(at int64, r Record) {
		if want := bytes.Repeat([]byte{byte(r.Seq - 1)}, int(r.Seq-1)*37%500); !bytes.Equal(r.Body, want) {
			t.Fatalf("entry %d at %d has another body", r.Seq, at)
		}
		list = append(list, r.Seq)
	})
	return list, r
}

func TestScan(t *testing.T) {
	data, begins := some(3, 300)
	list, r := found(t, data, 3)
	if len(list) != 300 || !r.Clean || r.Damaged != 0 || r.End != int64(len(data)-4096) {
		t.Errorf("found %d, %+v", len(list), r)
	}
	if list, r := found(t, data, 4); len(list) != 0 || r.Clean {
		t.Errorf("under another number %d records are found, %+v", len(list), r)
	}
	moved := append(make([]byte, 8), data...)
	if list, _ := found(t, moved, 3); len(list) != 0 {
		t.Errorf("in another place %d records are found", len(list))
	}
	if n := Size(0); begins[1] != n || n%align != 0 {
		t.Errorf("a record without a body has %d bytes", n)
	}
}

// TestEmbedded: a body with records in it is one record, also when its header is damaged.
func TestEmbedded(t *testing.T) {
	inner, _ := some(1, 20)
	data := Append(nil, 1, 0, Record{Kind: 1, Seq: 1, Body: inner})
	data = Append(data, 1, int64(len(data)), Record{Kind: 1, Seq: 2})
	data[9] ^= 1
	var list []uint64
	Scan(bytes.NewReader(data), 1, int64(len(data)), func(_ int64, r Record) { list = append(list, r.Seq) })
	if !slices.Equal(list, []uint64{2}) {
		t.Errorf("found %v", list)
	}
}

// TestFlips: a bit that flips costs one record at most, and never makes another of it.
func TestFlips(t *testing.T) {
	data, _ := some(1, 60)
	for i := range data {
		data[i] ^= 0x10
		list, r := found(t, data, 1)
		if len(list) < 59 || i < len(data)-4096 && len(list) == 60 && !padding(data, i) {
			t.Fatalf("byte %d: %d of 60 are found", i, len(list))
		}
		if len(list) < 60 && r.Damaged == 0 {
			t.Fatalf("byte %d: no damage is reported", i)
		}
		data[i] ^= 0x10
	}
}

// padding reports whether a byte is none that a record needs: behind a body, or the last of a header.
func padding(data []byte, i int) bool {
	data = slices.Clone(data)
	data[i] ^= 0x10
	at := 0
	for {
		f, ok := Next(data[at:], 1, int64(at))
		if !ok || i < at+f.Begin {
			return false
		}
		if begin := at + f.Begin; i < at+f.End {
			return i >= begin+headerSize+len(f.Body) || i >= begin+36 && i < begin+headerSize
		}
		at += f.End
	}
}

// TestTruncated: what is before the end of a file is found, at every length.
func TestTruncated(t *testing.T) {
	data, begins := some(1, 40)
	for n := range len(data) {
		list, _ := found(t, data[:n], 1)
		want := 0
		for want < 40 && n >= end(begins, data, want) {
			want++
		}
		if len(list) != want {
			t.Fatalf("of %d bytes %d records are found, want %d", n, len(list), want)
		}
	}
}

func end(begins []int, data []byte, i int) int {
	if i+1 < len(begins) {
		return begins[i+1]
	}
	return len(data) - 4096
}

// badBlocks is a file of which some blocks cannot be read.
type badBlocks struct {
	data []byte
	bad  map[int64]bool
}

func (b *badBlocks) ReadAt(p []byte, at int64) (int, error) {
	for n := range len(p) {
		if b.bad[(at+int64(n))/block] {
			return n, errors.New("input/output error")
		}
		if int(at)+n >= len(b.data) {
			return n, errors.New("unexpected end")
		}
		p[n] = b.data[int(at)+n]
	}
	return len(p), nil
}

func TestBadBlocks(t *testing.T) {
	data, _ := some(1, 1000)
	n := 0
	r := Scan(&badBlocks{data, map[int64]bool{3: true, 20: true}}, 1, int64(len(data)), func(int64, Record) { n++ })
	if n < 950 || n == 1000 || r.Unread < 2 || r.Clean {
		t.Errorf("%d of 1000 are found, %+v", n, r)
	}
}

// FuzzScan: whatever is in a file, a scan ends, and finds records only where they are.
func FuzzScan(f *testing.F) {
	data, _ := some(1, 5)
	f.Add(data[:600], uint64(1))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		last := int64(-1)
		r := Scan(bytes.NewReader(data), 1, int64(len(data)), func(at int64, r Record) {
			if at <= last || at%align != 0 || at+int64(Size(len(r.Body))) > int64(len(data)) {
				t.Fatalf("a record at %d, after %d", at, last)
			}
			last = at
		})
		if r.End > int64(len(data)) {
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzDamage: of a log that is damaged anywhere all records are found that were not hit.
func FuzzDamage(f *testing.F) {
	f.Add(uint64(1), uint16(100), uint16(50))
	f.Fuzz(func(t *testing.T, seed uint64, at, length uint16) {
		random := rand.New(rand.NewPCG(seed, 0))
		data, begins := some(1, 80)
		used := len(data) - 4096
		from := int(at) % used
		to := min(used, from+int(length))
		for i := from; i < to; i++ {
			data[i] = byte(random.Uint32())
		}
		list, _ := found(t, data, 1)
		for i, begin := range begins {
			if hit := from < end(begins, data, i) && to > begin; !hit && !slices.Contains(list, uint64(i+1)) {
				t.Fatalf("record %d at %d is not found after damage from %d to %d: %v", i+1, begin, from, to, list)
			}
		}
	})
}
