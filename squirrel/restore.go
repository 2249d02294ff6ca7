package squirrel

import (
	"fmt"
	"slices"
)

// restorer checks every word of a snapshot before the machine trusts it: that objects
// lie end to end, that references lead to objects of the right kind, that numbers are
// in range, that chains end, and that objects private to the machine are not shared
// with objects that programs can change.
type restorer struct {
	v       *VM
	natives []uint32 // new numbers of natives, when they have changed
	classes []uint32 // new numbers plus one of native classes, 0 for a class that no longer exists
	foreign bool     // the library is another version than the snapshot's
	starts  bitset   // offsets at which objects begin
	strings int      // number of short strings
	private bitset   // objects with one owner, which no value may refer to
	err     error

	// For the nodes of one table, by index: see checkNodes.
	order, chain []uint32
	followed     []bool // whether the node is the next of another
}

type bitset []uint64

func newBitset(n uint32) bitset    { return make(bitset, n/64+1) }
func (b bitset) has(i uint32) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b bitset) add(i uint32)      { b[i/64] |= 1 << (i % 64) }

func (r *restorer) fail(off uint32, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: word %d: %s", ErrSnapshot, off, fmt.Sprintf(format, args...))
	}
}

// translate computes the new numbers for a library with other natives.
func (r *restorer) translate(paths, classes []string) {
	r.foreign = true
	numbers := map[string]uint32{}
	for i, n := range r.v.lib.natives {
		numbers[n.path] = uint32(i)
	}
	for _, p := range paths {
		r.natives = append(r.natives, numbers[p])
	}
	for _, name := range classes {
		i := slices.IndexFunc(r.v.lib.classes, func(c nativeClass) bool { return c.name == name })
		r.classes = append(r.classes, uint32(i+1))
	}
}

func (r *restorer) nativeCount() int {
	if r.foreign {
		return len(r.natives)
	}
	return len(r.v.lib.natives)
}

func (r *restorer) classCount() int {
	if r.foreign {
		return len(r.classes)
	}
	return len(r.v.lib.classes)
}

func (r *restorer) restore() error {
	v := r.v
	r.starts, r.private = newBitset(v.top), newBitset(v.top)
	r.walk()
	if r.err == nil {
		r.claim()
	}
	if r.err == nil {
		r.checkObjects()
		r.checkDelegates()
	}
	if r.err == nil {
		r.checkRoots()
	}
	if r.err == nil {
		r.checkStack()
	}
	if r.err == nil && !r.foreign {
		r.checkImage()
	}
	if r.err != nil {
		return r.err
	}
	v.interned.rebuild(tableFor(r.strings), nil, nil)
	for off := uint32(1); off < v.top; off += v.size(off) {
		if v.kind(off) == tagString {
			v.internAdd(off)
		}
	}
	if r.foreign {
		r.adopt()
	}
	v.setThreshold()
	return nil
}

// walk finds the objects.
func (r *restorer) walk() {
	v := r.v
	if v.w[0] != 0 {
		r.fail(0, "not zero")
	}
	for off := uint32(1); off < v.top; {
		h := v.w[off]
		kind, n := headerKind(h), headerSize(h)
		if kind < tagString || kind > tagBytes || n < minWords[kind] || n > v.top-off {
			r.fail(off, "not an object")
			return
		}
		if headerSerial(h) > v.serial && kind != tagNodes {
			r.fail(off, "serial from the future")
			return
		}
		if kind == tagString {
			r.strings++
		}
		r.starts.add(off)
		off += n
	}
}

// minWords is the least size of each kind of object.
var minWords = [32]uint32{
	tagString: wordsString, tagLong: wordsLong, tagTable: wordsTable, tagArray: wordsArray, tagClosure: wordsClosure,
	tagGenerator: wordsGen, tagClass: wordsClass, tagInstance: wordsInstance, tagWeak: wordsWeak, tagBound: wordsBound,
	tagCell: wordsCell, tagNodes: 1 + nodeWords, tagVector: 1, tagBytes: wordsBytes,
}

// is reports whether x refers to an object of a kind.
func (r *restorer) is(x Value, kind uint32) bool {
	off := x.off()
	return x.tag() == kind && off < r.v.top && r.starts.has(off) && headerKind(r.v.w[off]) == kind
}

// own marks an object as one that a single owner refers to.
func (r *restorer) own(at uint32, x Value, kind uint32) {
	if !r.is(x, kind) || r.private.has(x.off()) {
		r.fail(at, "no %d of its own", kind)
		return
	}
	r.private.add(x.off())
}

// claim marks the objects that are private to the machine.
func (r *restorer) claim() {
	v := r.v
	r.own(0, ref(tagVector, v.stack), tagVector)
	r.own(0, v.classes, tagVector)
	for _, p := range v.progs {
		r.own(0, ref(tagVector, p.consts), tagVector)
	}
	for off := uint32(1); off < v.top && r.err == nil; off += v.size(off) {
		switch v.kind(off) {
		case tagTable:
			if nodes := v.w[off+2]; nodes != Null {
				r.own(off, nodes, tagNodes)
			}
		case tagArray:
			if vec := v.w[off+2]; vec != Null {
				r.own(off, vec, tagVector)
			}
		case tagClass:
			r.own(off, v.w[off+3], tagTable)
			r.own(off, v.w[off+4], tagArray)
			r.own(off, v.w[off+5], tagArray)
			if metas := v.w[off+6]; metas != Null {
				r.own(off, metas, tagVector)
			}
		}
	}
}

// value checks the word at off, which must be a value that a program may see.
// Numbers of natives are translated.
func (r *restorer) value(off uint32) {
	x := r.v.w[off]
	switch tag := x.tag(); tag {
	case tagNull:
		if x == Null {
			return
		}
	case tagInt, tagFloat:
		return
	case tagBool:
		if x.off() <= 1 {
			return
		}
	case tagNative:
		if x.off() < uint32(r.nativeCount()) {
			if r.foreign {
				r.v.w[off] = ref(tagNative, r.natives[x.off()])
			}
			return
		}
	default:
		if tag <= tagBound && r.is(x, tag) && !r.private.has(x.off()) {
			return
		}
	}
	r.fail(off, "not a value: %x", uint64(x))
}

// register checks a word that may also refer to a captured variable.
func (r *restorer) register(off uint32) {
	if !r.is(r.v.w[off], tagCell) {
		r.value(off)
	}
}

func (r *restorer) values(from, to uint32) {
	for ; from < to; from++ {
		r.value(from)
	}
}

// adopt fits a machine of another version of the library to this one: the names that the
// machine looks for become its image, and the objects of the old image become
// ordinary ones.
func (r *restorer) adopt() {
	v := r.v
	v.perm = 1
	v.setThreshold()
	v.img = v.makeSymbols()
	old := v.classes.off()
	vec := v.alloc(tagVector, 1+uint32(len(v.lib.classes)))
	for i, n := range r.classes {
		if n > 0 {
			*v.at(vec + n) = *v.at(old + 1 + uint32(i))
		}
	}
	v.classes = ref(tagVector, vec)
	for i := range v.lib.classes {
		if v.classObject(i) == Null {
			c := v.makeNativeClass(i)
			*v.at(v.classes.off() + 1 + uint32(i)) = c
		}
	}
	v.pinSymbols()
}
