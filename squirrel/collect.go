package squirrel

import "sync"

// The collector copies live objects into new words, in the order in which it finds them,
// and drops the old words (Cheney). The image stays in place and is scanned for
// references to younger objects.

const checkedPad = 16 // words; see copyLive

const minHeadroom = 8192 // words that a collection leaves free

// spare keeps word slices of machines after a collection.
var spare sync.Pool

// requestCollect makes the loop collect at the next safepoint.
func (v *VM) requestCollect() {
	if v.gcDue {
		return
	}
	v.gcDue = true
	v.toSafepoint()
}

// setThreshold decides when to collect next: when as many words as are alive have been
// allocated again. After far more was alive a program is likely to need as much again,
// so room for that is reduced by half each time.
func (v *VM) setThreshold() {
	v.room = max(v.top-v.perm, v.room/2, minHeadroom)
	v.gcAt = min(v.top+v.room, max(v.perm+v.limit, v.top)+minHeadroom)
	v.soft = min(uint32(len(v.w)), v.gcAt)
}

// collect collects at a safepoint of the loop. It panics with errOutOfMemory when more than
// the limit is alive.
func (v *VM) collect() {
	v.gcDue = false
	garbage := v.top - v.live // words that were allocated since the last collection
	v.copyLive(minHeadroom)
	// Who allocates has paid for copying as many words again. When the memory is nearly full,
	// there is less room than that, and collections come more often.
	if live := v.live - v.perm; live > 2*garbage && !checked {
		v.tick -= int64(live-2*garbage) >> 2
	}
	if v.live-v.perm > v.limit {
		panic(errOutOfMemory)
	}
}

// compact collects and leaves little room.
func (v *VM) compact() {
	v.regexps = regexpCache{}
	v.room = 0
	v.copyLive(0)
}

// collector is one collection.
type collector struct {
	old   []Value
	w     []Value
	top   uint32
	perm  uint32
	weaks []uint32 // weak references that were copied
}

// copyLive collects. It leaves the copied words, as many again, and at least headroom; for
// a headroom of 0 exactly as many as a new machine has.
func (v *VM) copyLive(headroom uint32) {
	used := uint64(v.top)
	c := &collector{old: v.w, perm: v.perm, top: v.perm}
	c.w = v.takeWords(used + uint64(headroom/4) + imageSlack + checkedPad)
	copy(c.w, v.w[:v.perm])
	if checked && v.perm > 1 {
		// Objects get other places each time, so that a stale offset is found.
		n := wordsBytes + v.top%checkedPad/2
		clear(c.w[c.top : c.top+n])
		c.w[c.top] = header(tagBytes, n, 0)
		c.top += n
	}
	c.scan(1, v.perm)
	if v.perm == 1 {
		// The image is being rebuilt; see pinSymbols.
		for _, x := range v.img.symbols() {
			c.forward(x)
		}
	}
	v.forEachRoot(c.forward)
	c.scan(c.perm, 0)
	for _, off := range c.weaks {
		c.w[off+1] = c.survivor(c.w[off+1])
	}
	v.reintern(c)
	old := v.w
	v.live = c.top
	want := uint64(c.top) + imageSlack
	if headroom > 0 {
		room := uint64(max(headroom, c.top-v.perm, v.room/2))
		want = uint64(c.top) + room + room/8 // the last object before a safepoint may exceed the threshold
	}
	v.install(c, want, headroom > 0)
	if checked {
		for i := range old {
			old[i] = noValue
		}
	} else if len(old) >= minSpare {
		spare.Put(&old)
	}
	v.setThreshold()
}

const minSpare = 1 << 11 // least number of words worth keeping

// takeWords returns at least n words. They are not zero.
func (m *mem) takeWords(n uint64) []Value {
	if p, ok := spare.Get().(*[]Value); ok {
		w := (*p)[:cap(*p)]
		if uint64(len(w)) >= n && uint64(len(w)) <= 8*n+minSpare {
			return w
		}
		if uint64(len(w)) > n {
			spare.Put(p)
		}
	}
	m.grown(int(n))
	return make([]Value, n)
}

// install makes the copied words the arena, of want words that are zero from top on. A
// larger slice is kept while the machine is working, for its later needs.
func (v *VM) install(c *collector, want uint64, working bool) {
	have := uint64(cap(c.w))
	if have < want || have > want+want/2 && (!working || have > 8*want) {
		// It comes from the same pool that gets the old words; otherwise each collection would
		// add one slice to the pool.
		w := v.takeWords(want)[:want]
		clear(w[copy(w, c.w[:c.top]):])
		if !checked && have >= minSpare {
			spent := c.w
			spare.Put(&spent)
		}
		c.w = w
	} else {
		c.w = c.w[:want]
		clear(c.w[c.top:])
	}
	v.setWords(c.w)
	v.top = c.top
}

// forEachRoot replaces every reference that the machine holds outside the
// arena.
func (v *VM) forEachRoot(f func(Value) Value) {
	// The stack comes first: words above the frames in use are dropped.
	end := v.frameEnd(v.frame)
	if v.resumed == resumedStart {
		end = hdrFunc + contArgs(v.stackAt(hdrFunc-hdrCont))
	}
	size := v.stackSize()
	clear(v.w[v.stack+1+min(end, size) : v.stack+1+size])
	if need := max(end+stackSlack, initialStack); size > 4*need {
		h := v.at(v.stack)
		*h = header(tagVector, 1+2*need, headerSerial(*h))
	}
	v.stack = f(ref(tagVector, v.stack)).off()
	v.root = f(v.root)
	v.registry = f(v.registry)
	v.classes = f(v.classes)
	v.exc, v.result = f(v.exc), f(v.result)
	for i := range v.progs {
		v.progs[i].consts = f(ref(tagVector, v.progs[i].consts)).off()
	}
}

// isRef reports whether a word refers to an object. Return and continue words do not.
func isRef(x Value) bool { return x>>32-tagString < tagForward-tagString }

// forward copies an object unless it has been copied, and returns its new place.
func (c *collector) forward(x Value) Value {
	if !isRef(x) || x.off() < c.perm {
		return x
	}
	off := x.off()
	h := c.old[off]
	if headerKind(h) == tagForward {
		return x&^0xffffffff | h>>32
	}
	n := headerSize(h)
	to := c.top
	src, dst := c.old[off:off+n], c.w[to:to+n]
	if n <= 20 {
		//lint:ignore S1001 most objects are small: a call of memmove costs more than this
		for i := range src {
			dst[i] = src[i]
		}
	} else {
		copy(dst, src)
	}
	c.top += n
	c.old[off] = tagForward | Value(to)<<32
	return x&^0xffffffff | Value(to)
}

// survivor returns the new place of an object, or null when it was not copied.
func (c *collector) survivor(x Value) Value {
	if !isRef(x) || x.off() < c.perm {
		return x
	}
	if h := c.old[x.off()]; headerKind(h) == tagForward {
		return x&^0xffffffff | h>>32
	}
	return Null
}

// scan forwards the references of the objects from one offset to another. With to 0 it
// scans until there are no new objects.
func (c *collector) scan(from, to uint32) {
	for from < to || to == 0 && from < c.top {
		h := c.w[from]
		n := headerSize(h)
		first, last := refRange(headerKind(h), n)
		if headerKind(h) == tagWeak {
			c.weaks = append(c.weaks, from)
		}
		for i := from + first; i < from+last; i++ {
			if x := c.w[i]; isRef(x) && x.off() >= c.perm {
				c.w[i] = c.forward(x)
			}
		}
		from += n
	}
}

// refRange returns the range of the words of an object that are values.
func refRange(kind, size uint32) (first, last uint32) {
	switch kind {
	case tagString, tagBytes, tagWeak:
		return 0, 0
	case tagNodes, tagVector, tagCell, tagInstance, tagBound:
		return 1, size
	}
	// Word 1 has lengths and numbers.
	return 2, size
}

// reintern updates the places of the short strings. When some have been dropped it builds
// the table again.
func (v *VM) reintern(c *collector) {
	slots := v.interned.slots
	alive, gone := 0, 0
	for i, off := range slots {
		if off == 0 {
			continue
		}
		if off >= c.perm {
			h := c.old[off]
			if headerKind(h) != tagForward {
				slots[i] = 0
				gone++
				continue
			}
			slots[i] = hi(h)
		}
		alive++
	}
	if gone == 0 {
		return
	}
	t := internTable{n: alive, keyed: v.interned.keyed}
	t.rebuild(tableFor(alive), slots, c.w)
	v.grown(len(t.slots) / 2)
	v.interned = t
}
