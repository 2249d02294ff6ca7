package squirrel

import (
	"errors"
	"unsafe"
)

// An object in the arena starts with a header word:
//
//	bits 0–4 kind, 5–7 flags, 8–31 size in words with the header, 32–63 serial
//
// The serial numbers the objects of a VM in the order in which they were made. It is used
// as an address wherever a program can see one (hashes, comparison, text). A weak
// reference has the serial of the object it refers to. Nodes have their number less
// one in its place.
const (
	kindMask  = 31
	flagHash  = 1 << 5 // a long string whose hash is known
	flagWeak  = 1 << 6 // a weak reference to this object exists
	sizeShift = 8
)

func header(kind int, words uint32, serial uint32) Value {
	return Value(kind) | Value(words)<<sizeShift | Value(serial)<<32
}

func headerKind(h Value) uint32   { return uint32(h) & kindMask }
func headerSize(h Value) uint32   { return uint32(h) >> sizeShift }
func headerSerial(h Value) uint32 { return uint32(h >> 32) }

// errOutOfMemory is the panic from alloc to Run: a program cannot continue after it.
var errOutOfMemory = errors.New("out of memory")

// IsOutOfMemory reports whether r, from recover, is the panic for a full memory. Run
// recovers it itself; a host that makes values between two Runs must recover it.
func IsOutOfMemory(r any) bool { return r == errOutOfMemory }

// mem is the arena: one pointer-free slice. Allocation moves a mark upward;
// the collector copies what is alive and resets the mark. Objects below perm
// are the library's image: they never move and are never freed.
type mem struct {
	counter
	w      []Value
	base   unsafe.Pointer // of w
	top    uint32         // first free word
	soft   uint32         // allocation past this takes the slow path
	perm   uint32         // end of the image
	limit  uint32         // limit of the live words of a program
	full   bool           // for tests: a program gets no memory any more
	serial uint32         // of the newest object
	live   uint32         // words alive after the last collection
}

// setWords makes w the arena.
func (m *mem) setWords(w []Value) {
	m.w = w
	m.base = unsafe.Pointer(unsafe.SliceData(w))
}

// alloc returns the offset of a new zeroed object. It never collects, so offsets that the
// caller holds stay valid. It may replace the slice, so pointers into it do not.
func (v *VM) alloc(kind int, words uint32) uint32 {
	off := v.top
	end := off + words
	if end > v.soft || words > maxObjSize {
		v.allocSlow(words)
	}
	v.top = end
	v.touch(int(words))
	h := header(kind, words, 0)
	if identityKinds>>kind&1 != 0 {
		v.serial++
		h |= Value(v.serial) << 32
	}
	*v.at(off) = h
	return off
}

// mustFit panics as alloc does when an object of so many words cannot exist, before
// anything is paid for it.
func (v *VM) mustFit(words int) {
	if words > maxObjSize || v.inLoop && uint64(words) > 2*uint64(v.limit)+2*minHeadroom {
		panic(errOutOfMemory)
	}
}

// identityKinds are the objects that programs can distinguish. Only they are numbered:
// the number of others depends on when garbage is collected, which programs must not
// see.
const identityKinds = 1<<tagTable | 1<<tagArray | 1<<tagClosure | 1<<tagGenerator | 1<<tagClass |
	1<<tagInstance | 1<<tagBound

// allocSlow makes room for words more and requests a collection at the next safepoint.
// While a program runs it panics when live words and garbage together reach twice the
// limit: no program can use more than that.
func (v *VM) allocSlow(words uint32) {
	end := uint64(v.top) + uint64(words)
	most := 2*uint64(v.limit) + uint64(v.perm) + 2*minHeadroom
	if words > maxObjSize || end > 1<<31 || v.inLoop && (v.full || end > most) {
		panic(errOutOfMemory)
	}
	if end > uint64(len(v.w)) {
		size := end + end/2 + 256
		if at := uint64(v.gcAt); at > end && at < max(size, 4*end) {
			size = at
		}
		if size <= uint64(cap(v.w)) {
			old := len(v.w)
			v.w = v.w[:size]
			clear(v.w[old:])
		} else {
			w := v.takeWords(size)
			clear(w[copy(w, v.w[:v.top]):])
			v.setWords(w) // the old words are not reused: a caller may still read them
		}
	}
	v.soft = uint32(len(v.w))
	if uint64(v.gcAt) < end {
		v.requestCollect()
	} else if v.soft > v.gcAt {
		v.soft = v.gcAt
	}
	if v.full {
		v.soft = 0
	}
}

// Exhaust has the program run out of memory as soon as it allocates something. It is for tests, and
// no part of a snapshot.
func (v *VM) Exhaust() { v.full, v.soft = true, 0 }

// Strings, tables and so on have fixed layouts, in words from the header:
//
//	string   1: length | hash<<32          2…: bytes
//	long     1: length | hash<<32          2: bytes object
//	bytes    1: bytes in use               2…: bytes
//	table    1: used | first free<<32      2: nodes or null   3: delegate or null
//	nodes    1…: key, value, next (integer; -1 ends) of each node
//	array    1: length                     2: vector or null
//	vector   1…: values
//	closure  1: prototype | captured<<32     2: bound environment or null
//	         3: base class or null         4…: cells, then default values
//	cell     1: value
//	generator 1: state | pc<<32            2: closure          3…: registers
//	class    1: flags | native class<<32   2: base or null     3: members table
//	         4: defaults array             5: methods array    6: metamethods or null
//	         7: member attributes or null  8: class attributes
//	         9, 10: the nodes of the members and the vector of the methods
//	         again, or null
//	instance 1: class                      2: payload          3…: fields
//	weak     1: referent or null
//	bound    1: native                     2: environment
const (
	wordsString   = 2
	wordsLong     = 3
	wordsBytes    = 2
	wordsTable    = 4
	wordsArray    = 3
	wordsClosure  = 4
	wordsCell     = 2
	wordsGen      = 3
	wordsClass    = 11
	wordsInstance = 3
	wordsWeak     = 2
	wordsBound    = 3
)

func lo(x Value) uint32              { return uint32(x) }
func hi(x Value) uint32              { return uint32(x >> 32) }
func pair(low, high uint32) Value    { return Value(low) | Value(high)<<32 }
func (v *VM) kind(off uint32) uint32 { return headerKind(*v.at(off)) }
func (v *VM) size(off uint32) uint32 { return headerSize(*v.at(off)) }

// bytesAt returns n bytes that start at word off. They alias the arena.
func (v *VM) bytesAt(off, n uint32) []byte {
	v.touch(int(n+7) / 8)
	return v.viewBytes(off, n)
}

// viewBytes is bytesAt for one who looks at few of the bytes, or counts them by touch.
func (v *VM) viewBytes(off, n uint32) []byte {
	if n == 0 {
		return nil
	}
	_ = v.w[off+(n+7)/8-1]
	return unsafe.Slice((*byte)(unsafe.Pointer(&v.w[off])), n)
}

// bytesIn returns the bytes with the indices from one to another of those at word off.
func (v *VM) bytesIn(off, from, to uint32) []byte {
	return v.bytesAt(off+from/8, to-from&^7)[from&7:]
}
