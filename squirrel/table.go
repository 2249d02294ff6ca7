package squirrel

import "math/bits"

// Tables keep the order of Squirrel 3.0.4, which programs see: a power-of-two array of
// nodes, chained scatter with a cursor for free nodes that starts at the last node and
// only moves down. A table without nodes counts as one with four empty ones.
const (
	nodeWords = 3
	minNodes  = 4
	noNext    = intTag | 0xffffffff
)

// newTable returns a table with room for n slots.
func (v *VM) newTable(n int) uint32 {
	off := v.alloc(tagTable, wordsTable)
	if n > 0 {
		v.setNodes(off, roundNodes(n))
	}
	return off
}

func roundNodes(n int) uint32 {
	if n <= minNodes {
		return minNodes
	}
	return 1 << bits.Len32(uint32(n-1))
}

// setNodes gives a table n empty nodes.
func (v *VM) setNodes(t, n uint32) {
	if n > maxObjSize/4 {
		panic(errOutOfMemory)
	}
	v.tick -= int64(n) // the cost of clearing them, and of collecting them later
	nodes := v.alloc(tagNodes, 1+n*nodeWords)
	*v.at(nodes) |= Value(n-1) << 32
	for i := uint32(0); i < n; i++ {
		*v.at(nodes + 3 + i*nodeWords) = noNext
	}
	*v.at(t + 1) = pair(0, n-1)
	*v.at(t + 2) = ref(tagNodes, nodes)
}

func (v *VM) nodeCount(nodes uint32) uint32 { return nodeMask(*v.at(nodes)) + 1 }

// nodeMask returns the number of nodes less one, from their header.
func nodeMask(h Value) uint32 { return hi(h) }

// hash returns the hash that determines a key's place.
func (v *VM) hash(key Value) uint32 {
	switch key.tag() {
	case tagString, tagLong:
		return v.strHash(key)
	case tagInt, tagBool:
		return uint32(key)
	case tagNative:
		return v.lib.natives[key.off()].hash
	case tagFloat:
		return uint32(floatToInt(key.AsFloat()))
	}
	return headerSerial(*v.at(key.off()))
}

// tableFind returns the offset of the node with a key, or 0. Long chains, which
// a program can make on purpose, cost fuel.
func (v *VM) tableFind(t uint32, key Value) uint32 {
	nodes := (*v.at(t + 2)).off()
	switch {
	case nodes == 0:
		return 0
	case key.tag() == tagString:
		return v.nodeFind(nodes, hi(*v.at(key.off() + 1)), key)
	case key.isInt():
		return v.nodeFind(nodes, uint32(key), key)
	case key.tag() == tagLong:
		return v.longFind(nodes, key)
	}
	return v.nodeFind(nodes, v.hash(key), key)
}

// nodeFind finds a key for which only the same word is equal.
func (v *VM) nodeFind(nodes, hash uint32, key Value) uint32 {
	p := nodes + 1 + hash&nodeMask(*v.at(nodes))*nodeWords
	for hops := int64(0); *v.at(p) != key; hops++ {
		next := *v.at(p + 2)
		if next == noNext {
			return 0
		}
		p = nodes + 1 + lo(next)*nodeWords
		if hops > 8 {
			v.tick--
		}
	}
	return p
}

func (v *VM) longFind(nodes uint32, key Value) uint32 {
	i := v.strHash(key) & nodeMask(*v.at(nodes))
	for {
		p := nodes + 1 + i*nodeWords
		if k := *v.at(p); k == key || k.tag() == tagLong && v.strEqual(k, key) {
			return p
		}
		next := *v.at(p + 2)
		if next == noNext {
			return 0
		}
		v.tick--
		i = lo(next)
	}
}

// tableSet makes or overwrites a slot.
func (v *VM) tableSet(t uint32, key, val Value) {
	if p := v.tableFind(t, key); p != 0 {
		*v.at(p + 1) = val
		return
	}
	v.tableInsert(t, key, val)
}

// tableInsert makes a slot for a key that does not exist.
func (v *VM) tableInsert(t uint32, key, val Value) {
	if *v.at(t + 2) == Null {
		v.setNodes(t, minNodes)
	}
	nodes := (*v.at(t + 2)).off()
	node := func(i uint32) uint32 { return nodes + 1 + i*nodeWords }
	mask := v.nodeCount(nodes) - 1
	used, free := lo(*v.at(t + 1)), hi(*v.at(t + 1))
	mp := v.hash(key) & mask
	if resident := *v.at(node(mp)); resident != Null {
		home := v.hash(resident) & mask
		if mp > free && home != mp {
			// The node has a key of another chain: move that key to the free node.
			prev := home
			for lo(*v.at(node(prev) + 2)) != mp {
				prev = lo(*v.at(node(prev) + 2))
				v.tick--
			}
			*v.at(node(prev) + 2) = Int(int32(free))
			copy(v.w[node(free):node(free)+nodeWords], v.w[node(mp):node(mp)+nodeWords])
			*v.at(node(mp) + 2) = noNext
		} else {
			*v.at(node(free) + 2) = *v.at(node(mp) + 2)
			*v.at(node(mp) + 2) = Int(int32(free))
			mp = free
		}
	}
	*v.at(node(mp)) = key
	*v.at(node(mp) + 1) = val
	for {
		if *v.at(node(free)) == Null && *v.at(node(free) + 2) == noNext {
			*v.at(t + 1) = pair(used+1, free)
			return
		}
		if free == 0 {
			break
		}
		free--
	}
	// The new key is among the nodes already, so the rebuild includes it; the rules use the
	// count without it.
	v.tableRebuild(t, used, true)
	if p := v.tableFind(t, key); p != 0 {
		*v.at(p + 1) = val
	}
}

// tableRebuild inserts all slots again: into twice the nodes when three quarters are
// used, half when a quarter is, the same number when forced.
func (v *VM) tableRebuild(t, used uint32, force bool) {
	old := (*v.at(t + 2)).off()
	n := v.nodeCount(old)
	size := n
	switch {
	case used >= n-n/4:
		size = n * 2
	case used <= n/4 && n > minNodes:
		size = n / 2
	case !force:
		return
	}
	v.tick -= int64(n)
	v.setNodes(t, size)
	for i := uint32(0); i < n; i++ {
		p := old + 1 + i*nodeWords
		if key := *v.at(p); key != Null {
			v.tableInsert(t, key, *v.at(p + 1))
		}
	}
}

// tableRemove deletes the slot at node p.
func (v *VM) tableRemove(t, p uint32) {
	*v.at(p) = Null
	*v.at(p + 1) = Null
	w := *v.at(t + 1)
	*v.at(t + 1) = pair(lo(w)-1, hi(w))
	v.tableRebuild(t, lo(w)-1, false)
}

// tableNext returns the first used node at or after index i, and its index.
func (v *VM) tableNext(t uint32, i uint32) (index, p uint32, ok bool) {
	nodes := (*v.at(t + 2)).off()
	if nodes == 0 {
		return 0, 0, false
	}
	n := v.nodeCount(nodes)
	for first := i; i < n; i++ {
		if p := nodes + 1 + i*nodeWords; *v.at(p) != Null {
			v.tick -= int64(i-first) >> 3
			return i, p, true
		}
	}
	v.tick -= int64(n) >> 3
	return 0, 0, false
}

// tableClone copies a table by inserting in its order.
func (v *VM) tableClone(t uint32) uint32 {
	off := v.newTable(0)
	*v.at(off + 3) = *v.at(t + 3)
	nodes := (*v.at(t + 2)).off()
	if nodes == 0 {
		return off
	}
	v.setNodes(off, v.nodeCount(nodes))
	for i := uint32(0); ; i++ {
		j, p, ok := v.tableNext(t, i)
		if !ok {
			return off
		}
		i = j
		v.tick -= 4
		v.tableInsert(off, *v.at(p), *v.at(p + 1))
	}
}

func (v *VM) tableClear(t uint32) {
	if nodes := (*v.at(t + 2)).off(); nodes != 0 {
		v.setNodes(t, v.nodeCount(nodes))
	}
}

func (v *VM) tableLen(t uint32) int { return int(lo(*v.at(t + 1))) }

// real returns the value of a slot: for a weak reference, the object that it refers to.
func (v *VM) real(x Value) Value {
	if x.tag() == tagWeak {
		return *v.at(x.off() + 1)
	}
	return x
}
