package squirrel

import "github.com/tandem-iot/tandem/squirrel/compile"

// The members table of a class has the place of each name: field number n, or
// memberMethod + n for a method or static member.
const memberMethod = 1 << 24

// A class's word 1 has flags in its low half: classLocked, and from bit 8 the
// number of the constructor among the methods plus one. Its high half is the
// number of the native class plus one.
const (
	classLocked = 1
	ctorShift   = 8
)

// newClass makes a class. It copies the base's members.
func (v *VM) newClass(base Value) uint32 {
	off := v.alloc(tagClass, wordsClass)
	if base == Null {
		t := v.newTable(0)
		d := v.newArray(0)
		m := v.newArray(0)
		*v.at(off + 3) = ref(tagTable, t)
		*v.at(off + 4) = ref(tagArray, d)
		*v.at(off + 5) = ref(tagArray, m)
		return off // the members have no nodes yet
	}
	b := base.off()
	*v.at(off + 1) = *v.at(b + 1) &^ classLocked
	*v.at(off + 2) = base
	t := v.tableClone((*v.at(b + 3)).off())
	*v.at(off + 3) = ref(tagTable, t)
	d := v.arrayClone((*v.at(b + 4)).off())
	*v.at(off + 4) = ref(tagArray, d)
	m := v.arrayClone((*v.at(b + 5)).off())
	*v.at(off + 5) = ref(tagArray, m)
	if metas := *v.at(b + 6); metas != Null {
		c := v.shallowCopy(metas)
		*v.at(off + 6) = c
	}
	if attrs := *v.at(b + 7); attrs != Null {
		c := v.tableClone(attrs.off())
		*v.at(off + 7) = ref(tagTable, c)
	}
	v.noteMembers(off)
	v.tick -= int64(v.tableLen(t))
	return off
}

// noteMembers stores the places of the nodes of the members and of the methods, which
// saves the loop two steps from an instance to its fields.
func (v *VM) noteMembers(class uint32) {
	*v.at(class + 9) = *v.at((*v.at(class + 3)).off() + 2)
	*v.at(class + 10) = *v.at((*v.at(class + 5)).off() + 2)
}

// memberFind returns the node of a member, or 0.
func (v *VM) memberFind(class uint32, key Value) uint32 {
	if key == Null {
		return 0
	}
	return v.tableFind((*v.at(class + 3)).off(), key)
}

// classMember returns the value of a member in the class; for a field, its default.
func (v *VM) classMember(class uint32, m uint32) Value {
	if m < memberMethod {
		return v.real(*v.arraySlot((*v.at(class + 4)).off(), m))
	}
	return v.real(*v.arraySlot((*v.at(class + 5)).off(), m-memberMethod))
}

func (v *VM) instanceMember(inst uint32, m uint32) Value {
	if m < memberMethod {
		return v.real(*v.at(inst + wordsInstance + m))
	}
	return v.classMember((*v.at(inst + 1)).off(), m)
}

// constructor returns a class's constructor, or null.
func (v *VM) constructor(class Value) Value {
	n := lo(*v.at(class.off() + 1)) >> ctorShift
	if n == 0 {
		return Null
	}
	return *v.arraySlot((*v.at(class.off() + 5)).off(), n-1)
}

// newInstance makes an instance with the default fields. No fields can be added to the
// class afterwards.
func (v *VM) newInstance(class Value) Value {
	*v.at(class.off() + 1) |= classLocked
	defaults := (*v.at(class.off() + 4)).off()
	n := uint32(v.arrayLen(defaults))
	v.tick -= int64(n >> 2)
	off := v.alloc(tagInstance, wordsInstance+n)
	*v.at(off + 1) = class
	for i := range n {
		*v.at(off + wordsInstance + i) = *v.arraySlot(defaults, i)
	}
	return ref(tagInstance, off)
}

// addMember adds a member, by <- on a class or in its body.
func (v *VM) addMember(class uint32, key, x Value, static bool) outcome {
	if key == Null {
		return v.throwf("null cannot be used as index")
	}
	inClass := static || x.tag() == tagClosure || x.tag() == tagNative || x.tag() == tagBound
	if lo(*v.at(class + 1))&classLocked != 0 && !inClass {
		return v.throwf("trying to modify a class that has already been instantiated")
	}
	p := v.memberFind(class, key)
	if p != 0 && lo(*v.at(p + 1)) < memberMethod {
		*v.arraySlot((*v.at(class + 4)).off(), lo(*v.at(p + 1))) = x
		return next
	}
	if !inClass {
		defaults := (*v.at(class + 4)).off()
		n := v.arrayLen(defaults)
		if p == 0 && n >= maxFields {
			return v.throwf("class has too many fields")
		}
		v.arrayAppend(defaults, x)
		v.tableSet((*v.at(class + 3)).off(), key, Int(int32(n)))
		v.noteMembers(class)
		return next
	}
	if m, ok := v.img.metaIndex[key]; ok && x.isFunction() {
		if *v.at(class + 6) == Null {
			vec := v.alloc(tagVector, 1+uint32(metaCount))
			*v.at(class + 6) = ref(tagVector, vec)
		}
		*v.at((*v.at(class + 6)).off() + 1 + uint32(m)) = x
		return next
	}
	if base := *v.at(class + 2); base != Null && x.isClosure() {
		x = v.shallowCopy(x)
		*v.at(x.off() + 3) = base
	}
	methods := (*v.at(class + 5)).off()
	if p != 0 {
		*v.arraySlot(methods, lo(*v.at(p + 1))-memberMethod) = x
		return next
	}
	n := v.arrayLen(methods)
	v.arrayAppend(methods, x)
	v.tableSet((*v.at(class + 3)).off(), key, Int(int32(memberMethod+n)))
	v.noteMembers(class)
	if key == v.img.constructor && x.isFunction() {
		w := *v.at(class + 1)
		*v.at(class + 1) = pair(lo(w)&(1<<ctorShift-1)|uint32(n+1)<<ctorShift, hi(w))
	}
	return next
}

// maxFields limits the size of an instance.
const maxFields = 1 << 16

// setAttributes sets the attributes of a member, or of the class when key is
// null.
func (v *VM) setAttributes(class uint32, key, attrs Value) {
	if key == Null {
		*v.at(class + 8) = attrs
		return
	}
	if *v.at(class + 7) == Null {
		t := v.newTable(0)
		*v.at(class + 7) = ref(tagTable, t)
	}
	v.tableSet((*v.at(class + 7)).off(), key, attrs)
}

// attributes returns the attributes that setAttributes set.
func (v *VM) attributes(class uint32, key Value) Value {
	if key == Null {
		return *v.at(class + 8)
	}
	if t := *v.at(class + 7); t != Null {
		if p := v.tableFind(t.off(), key); p != 0 {
			return *v.at(p + 1)
		}
	}
	return Null
}

func (v *VM) newClassOp(in *compile.Inst) outcome {
	base, attrs := Null, Null
	if in.B != 255 {
		if base = *v.reg(in.B); !base.isClass() {
			return v.throwf("trying to inherit from a %s", base.Type())
		}
	}
	if in.C != 255 {
		attrs = *v.reg(in.C)
	}
	class := v.newClass(base)
	*v.at(class + 8) = attrs
	*v.reg(in.A) = ref(tagClass, class)
	if base != Null {
		if m := v.classMeta(base.off(), metaInherited); m != Null {
			return v.callMeta(m, stageResult, ref(tagClass, class), attrs)
		}
	}
	return next
}

func (v *VM) newMemberOp(in *compile.Inst) outcome {
	class := *v.reg(in.A)
	key := *v.reg(in.B)
	x := *v.reg(in.C)
	if !class.isClass() {
		return v.throwf("object must be a class")
	}
	static, attrs := in.D&1 != 0, Null
	if in.D&2 != 0 {
		attrs = *v.reg(in.C + 1)
	}
	if m := v.classMeta(class.off(), metaNewMember); m != Null {
		return v.callMeta(m, stageResult, class, key, x, attrs, Bool(static))
	}
	if out := v.addMember(class.off(), key, x, static); out != next {
		return out
	}
	if attrs != Null {
		v.setAttributes(class.off(), key, attrs)
	}
	return next
}

// instanceOf is the operator instanceof.
func (v *VM) instanceOf(x, class Value) bool {
	if !x.isInst() {
		return false
	}
	for c := *v.at(x.off() + 1); c != Null; c = *v.at(c.off() + 2) {
		v.tick -= hopCost
		if c == class {
			return true
		}
	}
	return false
}

// nativeClass returns the number of the native class of an instance, or -1.
func (v *VM) nativeClass(x Value) int {
	if !x.isInst() {
		return -1
	}
	return int(hi(*v.at((*v.at(x.off() + 1)).off() + 1))) - 1
}
