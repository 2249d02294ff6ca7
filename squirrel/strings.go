package squirrel

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/text"
)

// internTable finds the short strings of a VM by content. It is outside the arena,
// because a collection or a restore can build it again.
type internTable struct {
	slots []uint32 // offsets; 0 is free
	n     int
	keyed bool // the places depend on internKeys
}

func (t *internTable) clone() internTable {
	return internTable{slots: append([]uint32(nil), t.slots...), n: t.n, keyed: t.keyed}
}

// tableFor returns the number of slots for n strings, and as many again.
func tableFor(n int) int {
	size := 64
	for size < 2*n {
		size *= 2
	}
	return size
}

// rebuild makes a table of so many slots with the strings of others, which are in w.
func (t *internTable) rebuild(size int, others []uint32, w []Value) {
	t.slots = make([]uint32, size)
	for _, off := range others {
		if off != 0 && t.place(off, w) > maxProbes && !t.keyed {
			t.keyed = true
			t.rebuild(size, others, w)
			return
		}
	}
}

// place enters the string at an offset in w, for which there is room. It returns the
// number of slots that it has tried.
func (t *internTable) place(off uint32, w []Value) (tried int) {
	mask := uint32(len(t.slots) - 1)
	i := t.first(hi(w[off+1]), textIn(w, off)) & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
		tried++
	}
	t.slots[i] = off
	return tried
}

// textIn returns the bytes of the short string at an offset in w.
func textIn(w []Value, off uint32) []byte {
	n := lo(w[off+1])
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&w[off+wordsString])), n)
}

// internAdd enters a string that is not in the table.
func (v *VM) internAdd(off uint32) {
	t := &v.interned
	if 4*(t.n+1) > 3*len(t.slots) {
		t.rebuild(max(64, 2*len(t.slots)), t.slots, v.w)
		v.grown(len(t.slots) / 2)
	}
	if t.place(off, v.w) > maxProbes && !t.keyed {
		t.keyed = true
		t.rebuild(len(t.slots), t.slots, v.w)
		v.grown(len(t.slots) / 2)
	}
	t.n++
}

// first returns the slot to try first for a short string, beyond the size of the table.
func (t *internTable) first(hash uint32, b []byte) uint32 {
	if t.keyed {
		return scatter(b)
	}
	return hash * 0x9e3779b1 >> 7 // because the low bits alone are poor
}

// maxProbes is the number of slots that may be tried for a string before the table becomes
// a keyed one. By chance it is never so many. But strings can be made to have equal hashes
// by the thousand, and a search among them is not paid for.
const maxProbes = 128

// internKeys make the places of strings in keyed tables unpredictable. They have an
// effect on time only.
var internKeys = func() (keys [maxShort/8 + 1]uint64) {
	for i := range keys {
		keys[i] = rand.Uint64() | 1
	}
	return keys
}()

// scatter is first for a keyed table: the sum of the products of a string's words and
// the keys.
func scatter(b []byte) uint32 {
	h, i := uint64(len(b)), 0
	for ; len(b) >= 8; b = b[8:] {
		h += binary.LittleEndian.Uint64(b) * internKeys[i]
		i++
	}
	var last uint64
	for j, c := range b {
		last |= uint64(c) << (8 * j)
	}
	return uint32((h + last*internKeys[i]) >> 32)
}

// NewString returns the string s.
func (v *VM) NewString(s string) Value {
	if len(s) <= maxShort {
		var buf [maxShort]byte
		return v.internBytes(buf[:copy(buf[:], s)])
	}
	return v.newLong(len(s), func(dst []byte) { copy(dst, s) })
}

// NewStringBytes returns a string with the content of b, which may alias the
// arena.
func (v *VM) NewStringBytes(b []byte) Value {
	if len(b) <= maxShort {
		var buf [maxShort]byte
		return v.internBytes(buf[:copy(buf[:], b)])
	}
	return v.newLong(len(b), func(dst []byte) { copy(dst, b) })
}

// internBytes returns the short string b, which does not alias the arena.
func (v *VM) internBytes(b []byte) Value {
	h := text.Hash(b)
	word := pair(uint32(len(b)), h)
	if t := &v.interned; len(t.slots) > 0 {
		mask := uint32(len(t.slots) - 1)
		for i := t.first(h, b) & mask; t.slots[i] != 0; i = (i + 1) & mask {
			off := t.slots[i]
			if *v.at(off + 1) == word && bytes.Equal(v.bytesAt(off+wordsString, uint32(len(b))), b) {
				return ref(tagString, off)
			}
		}
	}
	off := v.alloc(tagString, wordsString+uint32(len(b)+7)/8)
	*v.at(off + 1) = word
	copy(v.bytesAt(off+wordsString, uint32(len(b))), b)
	v.internAdd(off)
	return ref(tagString, off)
}

// newLong makes a string longer than maxShort, which fill writes.
func (v *VM) newLong(n int, fill func(dst []byte)) Value {
	v.mustFit(n / 8)
	v.tick -= int64(n >> 4)
	buf := v.newBytes(n, n)
	fill(v.bytesAt(buf+wordsBytes, uint32(n)))
	return v.longOn(buf, n)
}

// longOn makes a long string of the first n bytes of a bytes object. Several
// strings may share one: its bytes are only ever appended to.
func (v *VM) longOn(buf uint32, n int) Value {
	off := v.alloc(tagLong, wordsLong)
	*v.at(off + 1) = pair(uint32(n), 0)
	*v.at(off + 2) = ref(tagBytes, buf)
	return ref(tagLong, off)
}

// newBytes makes a bytes object of n bytes with room for capacity.
func (v *VM) newBytes(n, capacity int) uint32 {
	if capacity > maxObjSize*8-64 {
		panic(errOutOfMemory)
	}
	off := v.alloc(tagBytes, wordsBytes+uint32(capacity+7)/8)
	*v.at(off + 1) = pair(uint32(n), 0)
	return off
}

// strLen returns the length of a string.
func (v *VM) strLen(x Value) int { return int(lo(*v.at(x.off() + 1))) }

// strBytes returns the bytes of a string. They alias the arena.
func (v *VM) strBytes(x Value) []byte {
	n := lo(*v.at(x.off() + 1))
	if x.tag() == tagString {
		return v.bytesAt(x.off()+wordsString, n)
	}
	return v.bytesAt((*v.at(x.off() + 2)).off()+wordsBytes, n)
}

// strPart returns the bytes of a string from one index to another.
func (v *VM) strPart(x Value, from, to int) []byte {
	at := x.off() + wordsString
	if x.tag() == tagLong {
		at = (*v.at(x.off() + 2)).off() + wordsBytes
	}
	return v.bytesIn(at, uint32(from), uint32(to))
}

// strByte returns byte i of a string, which must have it.
func (v *VM) strByte(x Value, i uint32) byte {
	at := x.off() + wordsString
	if x.tag() == tagLong {
		at = (*v.at(x.off() + 2)).off() + wordsBytes
	}
	return byte(*v.at(at + i/8) >> (i % 8 * 8))
}

// Text returns a copy of a string's bytes.
func (v *VM) Text(x Value) string {
	b := v.strBytes(x)
	v.tick -= int64(len(b) >> 3)
	return string(b)
}

// strHash returns the 3.0.4 hash of a string.
func (v *VM) strHash(x Value) uint32 {
	if x.tag() == tagString {
		return hi(*v.at(x.off() + 1))
	}
	h := v.at(x.off())
	if *h&flagHash == 0 {
		*h |= flagHash
		n := lo(*v.at(x.off() + 1))
		*v.at(x.off() + 1) = pair(n, text.Hash(v.viewBytes((*v.at(x.off() + 2)).off()+wordsBytes, n)))
	}
	return hi(*v.at(x.off() + 1))
}

// concat joins two strings. When the left one is the newest part of its buffer, the right
// one is appended in place, so that loops of s += x do not copy.
func (v *VM) concat(a, b Value) Value {
	an, bn := v.strLen(a), v.strLen(b)
	switch {
	case bn == 0:
		return a
	case an == 0:
		return b
	case an+bn <= maxShort:
		var buf [maxShort]byte
		n := copy(buf[:], v.strBytes(a))
		n += copy(buf[n:], v.strBytes(b))
		return v.internBytes(buf[:n])
	}
	if a.tag() == tagLong {
		if c, ok := v.inPlace(a, bn); ok {
			copy(c, v.strBytes(b))
			return v.longOn((*v.at(a.off() + 2)).off(), an+bn)
		}
	}
	n := an + bn
	v.mustFit(n / 8)
	v.tick -= int64(n >> 4)
	buf := v.newBytes(n, n+n/2)
	dst := v.bytesAt(buf+wordsBytes, uint32(n))
	copy(dst, v.strBytes(a))
	copy(dst[an:], v.strBytes(b))
	return v.longOn(buf, n)
}

// extend joins a long string and b, which does not alias the arena.
func (v *VM) extend(a Value, b []byte) Value {
	an := v.strLen(a)
	if len(b) == 0 {
		return a
	}
	if c, ok := v.inPlace(a, len(b)); ok {
		copy(c, b)
		return v.longOn((*v.at(a.off() + 2)).off(), an+len(b))
	}
	n := an + len(b)
	v.tick -= int64(n >> 4)
	buf := v.newBytes(n, n+n/2)
	dst := v.bytesAt(buf+wordsBytes, uint32(n))
	copy(dst, v.strBytes(a))
	copy(dst[an:], b)
	return v.longOn(buf, n)
}

// inPlace makes room for more bytes after long string a, if it is the newest part of its
// buffer. It returns the new bytes.
func (v *VM) inPlace(a Value, more int) ([]byte, bool) {
	buf, an := (*v.at(a.off() + 2)).off(), v.strLen(a)
	n := an + more
	if int(lo(*v.at(buf + 1))) != an || n > int(v.size(buf)-wordsBytes)*8 {
		return nil, false
	}
	v.tick -= int64(more >> 4)
	*v.at(buf + 1) = pair(uint32(n), 0)
	return v.bytesIn(buf+wordsBytes, uint32(an), uint32(n)), true
}

// strEqual compares strings by content; it is only needed when both are long.
func (v *VM) strEqual(a, b Value) bool {
	if a == b || a.tag() != tagLong || b.tag() != tagLong || v.strLen(a) != v.strLen(b) {
		return a == b
	}
	v.tick -= int64(v.strLen(a) >> 6)
	return bytes.Equal(v.strBytes(a), v.strBytes(b))
}
