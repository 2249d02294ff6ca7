package squirrel

import (
	"sync/atomic"
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// hintMethod marks a hint that is the number of a built-in method, not the place of a
// node.
const hintMethod = 1 << 31

// storeHint stores a hint, which machines share, when it has changed.
func storeHint(p *uint32, hint uint32) {
	if atomic.LoadUint32(p) != hint {
		atomic.StoreUint32(p, hint)
	}
}

// lookAgain finds a name among nodes when the hint of the instruction before s.ip was
// wrong. Where objects of several shapes alternate, storing every new hint costs more
// than it saves, so only one in eight is stored. It may find nothing when the fuel is
// below zero: slow looks again then.
func (v *VM) lookAgain(s *position, nodes uint32, key Value) uint32 {
	if nodes == 0 || key.tag() != tagString {
		return 0
	}
	hash := hi(*v.at(key.off() + 1))
	p := nodes + 1 + hash&nodeMask(*v.at(nodes))*nodeWords
	if *v.at(p) != key {
		p = v.nodeFind(nodes, hash, key)
		if v.tick < 0 {
			return 0
		}
	}
	if v.misses++; v.misses&7 == 1 && p != 0 {
		storeHint((*uint32)(unsafe.Add(s.cache, (s.pc(s.ip)-1)*4)), p-nodes)
	}
	return p
}

// hopCost is the fuel of a step along a chain of delegates or of classes.
const hopCost = 2

// metaUpTo returns the metamethod of a table's delegates that is deepest in the chain, of
// those at a level or before it; that level, and the object to call it on. A
// metamethod may have changed the chain meanwhile.
func (v *VM) metaUpTo(obj Value, level int, m meta) (at int, self, fn Value) {
	if !obj.isTable() {
		return level, obj, v.metamethod(obj, m)
	}
	for i := 1; i <= level && obj != Null; i++ {
		v.tick -= hopCost
		if x := v.metamethod(obj, m); x != Null {
			at = i
			self = obj
			fn = x
		}
		obj = *v.at(obj.off() + 3)
	}
	return at, self, fn
}

// rawGet looks a key up in the object itself and, for tables, in its delegates. A weak
// reference is read as the object that it refers to.
func (v *VM) rawGet(in *compile.Inst, obj, key Value) (Value, bool) {
	switch obj.tag() {
	case tagTable:
		if key == Null {
			return Null, false
		}
		if p := v.tableFind(obj.off(), key); p != 0 {
			v.cacheHint(in, p-(*v.at(obj.off() + 2)).off())
			return v.real(*v.at(p + 1)), true
		}
		for d := (*v.at(obj.off() + 3)).off(); d != 0; d = (*v.at(d + 3)).off() {
			v.tick -= hopCost
			if p := v.tableFind(d, key); p != 0 {
				return v.real(*v.at(p + 1)), true
			}
		}
	case tagArray:
		if i, ok := arrayIndex(key, v.arrayLen(obj.off())); ok {
			return v.real(*v.arraySlot(obj.off(), i)), true
		}
	case tagString, tagLong:
		n := v.strLen(obj)
		if key.isNumber() {
			i := int(key.AsInt())
			if i < 0 {
				i += n // deviation: the original reads before the string
			}
			if i >= 0 && i < n {
				return Int(int32(v.strByte(obj, uint32(i)))), true
			}
		}
	case tagInstance:
		if p := v.memberFind((*v.at(obj.off() + 1)).off(), key); p != 0 {
			class := (*v.at(obj.off() + 1)).off()
			v.cacheHint(in, p-(*v.at((*v.at(class + 3)).off() + 2)).off())
			return v.instanceMember(obj.off(), lo(*v.at(p + 1))), true
		}
	case tagClass:
		if p := v.memberFind(obj.off(), key); p != 0 {
			v.cacheHint(in, p-(*v.at((*v.at(obj.off() + 3)).off() + 2)).off())
			return v.classMember(obj.off(), lo(*v.at(p + 1))), true
		}
	}
	return Null, false
}

// arrayIndex converts a key to an index: floats are truncated.
func arrayIndex(key Value, n int) (uint32, bool) {
	if !key.isNumber() {
		return 0, false
	}
	i := key.AsInt()
	return uint32(i), i >= 0 && int(i) < n
}

// getOp reads a slot for OpGet, OpPrepCall and their named forms.
func (v *VM) getOp(in *compile.Inst) outcome {
	obj, key := *v.reg(in.B), v.keyOf(in)
	if in.Op == compile.OpPrepCall || in.Op == compile.OpPrepCallK {
		*v.reg(in.A + compile.FrameSize) = obj
	}
	if x, ok := v.rawGet(in, obj, key); ok {
		*v.reg(in.A) = x
		return next
	}
	level := 0
	switch obj.tag() {
	case tagTable:
		for d := *v.at(obj.off() + 3); d != Null; d = *v.at(d.off() + 3) {
			level++
		}
		if level > 0 {
			// The innermost delegate is asked first, and it is a table with
			// the methods of tables.
			if n, ok := v.builtin(in, TypeTable, key); ok {
				*v.reg(in.A) = ref(tagNative, n)
				return enter
			}
		}
		// The level is a number of 16 bits in the continue word.
		level = min(level, 1<<16-1)
	case tagInstance:
		level = 1
	}
	return v.getMeta(in, obj, key, level)
}

// askWord returns the continue word of a _get or _set at a level of the chain of
// delegates. An exception of a delegate nearer to the object only means that the
// delegate does not have the slot.
func askWord(level int) Value {
	kind := contOp | contGet
	if level > 1 {
		kind |= contInner
	}
	return contWord(kind, level)
}

// getMeta tries the _get of a delegate chain from the given level down to the object
// itself, then what follows metamethods.
func (v *VM) getMeta(in *compile.Inst, obj, key Value, level int) outcome {
	if level > 0 {
		if at, self, m := v.metaUpTo(obj, level, metaGet); m != Null {
			return v.pushCall(m, askWord(at), Null, self, key)
		}
	}
	if n, ok := v.builtin(in, obj.Type(), key); ok {
		*v.reg(in.A) = ref(tagNative, n)
		return enter
	}
	if in.B == 0 {
		if p := v.tableFind(v.root.off(), key); p != 0 && key != Null {
			*v.reg(in.A) = v.real(*v.at(p + 1))
			return enter
		}
	}
	return v.noIndex(key)
}

// builtin finds a built-in method of a type.
func (v *VM) builtin(in *compile.Inst, t Type, key Value) (uint32, bool) {
	if key.tag() != tagString {
		return 0, false
	}
	var cache *uint32
	if in.Op == compile.OpPrepCallK {
		cache = &v.frameProto(v.frame).Cache[v.pc-1]
	}
	n, ok := v.img.methods[t][key]
	if ok && cache != nil {
		storeHint(cache, hintMethod|n)
	}
	return n, ok
}

// setOp writes an existing slot, for OpSet and OpSetK.
func (v *VM) setOp(in *compile.Inst) outcome {
	obj := *v.reg(in.A)
	key := v.keyOf(in)
	x := *v.reg(in.C)
	level := 0
	switch obj.tag() {
	case tagTable:
		if key == Null {
			break
		}
		if p := v.tableFind(obj.off(), key); p != 0 {
			v.cacheHint(in, p-(*v.at(obj.off() + 2)).off())
			*v.at(p + 1) = x
			return next
		}
		for d := (*v.at(obj.off() + 3)).off(); d != 0; d = (*v.at(d + 3)).off() {
			v.tick -= hopCost
			if p := v.tableFind(d, key); p != 0 {
				*v.at(p + 1) = x
				return next
			}
			level++
		}
		level = min(level, 1<<16-1)
	case tagInstance:
		class := (*v.at(obj.off() + 1)).off()
		if p := v.memberFind(class, key); p != 0 {
			if m := lo(*v.at(p + 1)); m < memberMethod {
				v.cacheHint(in, p-(*v.at((*v.at(class + 3)).off() + 2)).off())
				*v.at(obj.off() + wordsInstance + m) = x
				return next
			}
		}
		level = 1
	case tagArray:
		if !key.isNumber() {
			return v.throwf("indexing array with %s", key.Type())
		}
		i, ok := arrayIndex(key, v.arrayLen(obj.off()))
		if !ok {
			return v.noIndex(key)
		}
		*v.arraySlot(obj.off(), i) = x
		return next
	default:
		return v.throwf("trying to set '%s'", obj.Type())
	}
	return v.setMeta(in, obj, key, level)
}

// setMeta tries the _set of a delegate chain as getMeta does _get.
func (v *VM) setMeta(in *compile.Inst, obj, key Value, level int) outcome {
	x := *v.reg(in.C)
	if level > 0 {
		if at, self, m := v.metaUpTo(obj, level, metaSet); m != Null {
			return v.pushCall(m, askWord(at), Null, self, key, x)
		}
	}
	if in.A == 0 && key != Null {
		if p := v.tableFind(v.root.off(), key); p != 0 {
			*v.at(p + 1) = x
			return enter
		}
	}
	return v.noIndex(key)
}

// newSlotOp makes or overwrites a slot, for OpNewSlot and OpNewSlotK.
func (v *VM) newSlotOp(in *compile.Inst) outcome {
	obj := *v.reg(in.A)
	key := v.keyOf(in)
	x := *v.reg(in.C)
	if key == Null {
		return v.throwf("null cannot be used as index")
	}
	switch obj.tag() {
	case tagTable:
		if p := v.tableFind(obj.off(), key); p != 0 {
			*v.at(p + 1) = x
			return next
		}
		if m := v.metamethod(obj, metaNewSlot); m != Null {
			return v.callMeta(m, stageResult, obj, key, x)
		}
		v.tableInsert(obj.off(), key, x)
		return next
	case tagInstance:
		if m := v.metamethod(obj, metaNewSlot); m != Null {
			return v.callMeta(m, stageResult, obj, key, x)
		}
		return v.throwf("class instances do not support the new slot operator")
	case tagClass:
		return v.addMember(obj.off(), key, x, false)
	}
	return v.throwf("indexing %s with %s", obj.Type(), key.Type())
}

// deleteOp removes a slot; its value is the result.
func (v *VM) deleteOp(in *compile.Inst) outcome {
	obj, key := *v.reg(in.B), *v.reg(in.C)
	if m := v.metamethod(obj, metaDelSlot); m != Null {
		return v.callMeta(m, stageResult, obj, key)
	}
	switch obj.tag() {
	case tagTable:
		p := v.tableFind(obj.off(), key)
		if p == 0 || key == Null {
			return v.noIndex(key)
		}
		*v.reg(in.A) = v.real(*v.at(p + 1))
		v.tableRemove(obj.off(), p)
		return next
	case tagInstance:
		return v.throwf("cannot delete a slot from instance")
	}
	return v.throwf("attempt to delete a slot from a %s", obj.Type())
}

// has is the operator in: it reports whether a slot exists, without delegates and
// metamethods.
func (v *VM) has(obj, key Value) bool {
	switch obj.tag() {
	case tagTable:
		return key != Null && v.tableFind(obj.off(), key) != 0
	case tagArray:
		_, ok := arrayIndex(key, v.arrayLen(obj.off()))
		return ok
	case tagString, tagLong:
		_, ok := arrayIndex(key, v.strLen(obj))
		return ok
	case tagInstance:
		return v.memberFind((*v.at(obj.off() + 1)).off(), key) != 0
	case tagClass:
		return v.memberFind(obj.off(), key) != 0
	}
	return false
}
