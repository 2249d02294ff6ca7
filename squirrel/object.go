package squirrel

// Arrays.

func (v *VM) newArray(n int) uint32 {
	off := v.alloc(tagArray, wordsArray)
	if n > 0 {
		v.arrayResize(off, n)
	}
	return off
}

func (v *VM) arrayLen(a uint32) int { return int(lo(*v.at(a + 1))) }

// arraySlot returns the address of element i, which must be in range.
func (v *VM) arraySlot(a, i uint32) *Value { return v.at((*v.at(a + 2)).off() + 1 + i) }

// arrayReserve makes room for n elements.
func (v *VM) arrayReserve(a uint32, n int) {
	vec := (*v.at(a + 2)).off()
	if vec != 0 && v.size(vec) > uint32(n) {
		return
	}
	if n >= maxObjSize {
		panic(errOutOfMemory)
	}
	v.tick -= int64(n) >> 2 // the cost of clearing it, and of collecting it later
	grown := v.alloc(tagVector, 1+uint32(n))
	if have := lo(*v.at(a + 1)); have > 0 {
		v.touch(int(have))
		copy(v.w[grown+1:grown+1+have], v.w[vec+1:vec+1+have])
	}
	*v.at(a + 2) = ref(tagVector, grown)
}

// arrayResize sets the length; new elements are null.
func (v *VM) arrayResize(a uint32, n int) {
	have := v.arrayLen(a)
	v.arrayReserve(a, n)
	for i := n; i < have; i++ {
		*v.arraySlot(a, uint32(i)) = Null
	}
	*v.at(a + 1) = pair(uint32(n), 0)
}

func (v *VM) arrayAppend(a uint32, x Value) {
	n := lo(*v.at(a + 1))
	vec := (*v.at(a + 2)).off()
	if vec == 0 || v.size(vec) <= n+1 {
		v.arrayReserve(a, int(n)+max(4, int(n)))
	}
	*v.at(a + 1) = pair(n+1, 0)
	*v.arraySlot(a, n) = x
}

func (v *VM) arrayClone(a uint32) uint32 {
	n := v.arrayLen(a)
	off := v.newArray(n)
	if n > 0 {
		from, to := (*v.at(a + 2)).off()+1, (*v.at(off + 2)).off()+1
		v.touch(n)
		copy(v.w[to:to+uint32(n)], v.w[from:from+uint32(n)])
	}
	v.tick -= int64(n) >> 3
	return off
}

// Closures, cells, generators.

// newClosure makes a closure of a prototype; the caller sets cells and defaults.
func (v *VM) newClosure(proto uint32, base Value) Value {
	p := v.proto(proto)
	captured := uint32(len(p.Outers))
	off := v.alloc(tagClosure, wordsClosure+captured+uint32(p.Defaults))
	*v.at(off + 1) = pair(proto, captured)
	*v.at(off + 3) = base
	return ref(tagClosure, off)
}

// shallowCopy copies an object without the objects it refers to.
func (v *VM) shallowCopy(x Value) Value {
	n := v.size(x.off())
	off := v.alloc(int(v.kind(x.off())), n)
	v.touch(int(n))
	copy(v.w[off+1:off+n], v.w[x.off()+1:x.off()+n])
	return ref(int(x.tag()), off)
}

func (v *VM) newCell(x Value) Value {
	off := v.alloc(tagCell, wordsCell)
	*v.at(off + 1) = x
	return ref(tagCell, off)
}

// Generator states.
const (
	genSuspended = iota
	genRunning
	genDead
)

// newWeak returns the weak reference to x. There is one per object.
func (v *VM) newWeak(x Value) Value {
	h := v.at(x.off())
	if *h&flagWeak != 0 {
		// This is rare, so a search will do.
		v.tick -= int64(v.top >> 4)
		for off := uint32(1); off < v.top; off += v.size(off) {
			if v.kind(off) == tagWeak && *v.at(off + 1) == x {
				return ref(tagWeak, off)
			}
		}
	}
	*h |= flagWeak
	serial := headerSerial(*h)
	off := v.alloc(tagWeak, wordsWeak)
	*v.at(off) = header(tagWeak, wordsWeak, serial)
	*v.at(off + 1) = x
	return ref(tagWeak, off)
}

// weakref returns the result of the weakref() method. Plain values are returned as they are.
func (v *VM) weakref(x Value) Value {
	if !x.isHeap() || x.tag() == tagWeak {
		return x
	}
	return v.newWeak(x)
}
