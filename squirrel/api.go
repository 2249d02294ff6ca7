package squirrel

// Functions by which a host and natives use values. None of them runs Squirrel code;
// strings and keys are compared by content. Each takes the fuel for its own work, which
// is bounded by the size of the memory. They do not stop: a loop over many of them pays
// for its rounds by Charge, which does.

// NewTable returns an empty table.
func (v *VM) NewTable() Value { return ref(tagTable, v.newTable(0)) }

// NewArray returns an empty array.
func (v *VM) NewArray() Value { return ref(tagArray, v.newArray(0)) }

// IsString reports whether x is a string.
func (x Value) IsString() bool { return x.isString() }

// IsTable reports whether x is a table.
func (x Value) IsTable() bool { return x.isTable() }

// IsArray reports whether x is an array.
func (x Value) IsArray() bool { return x.isArray() }

// IsFunction reports whether x is a function: a closure or a native one.
func (x Value) IsFunction() bool { return x.isFunction() }

// IsNumber reports whether x is an integer or a float.
func (x Value) IsNumber() bool { return x.isNumber() }

// IsInt reports whether x is an integer.
func (x Value) IsInt() bool { return x.isInt() }

// Get returns a slot of a table, without its delegate. A weak reference is read as the
// object that it refers to.
func (v *VM) Get(table, key Value) (Value, bool) {
	if !table.isTable() || key == Null {
		return Null, false
	}
	v.tick--
	if p := v.tableFind(table.off(), key); p != 0 {
		return v.real(*v.at(p + 1)), true
	}
	return Null, false
}

// Referent returns the object that a weak reference refers to, or null; of every other
// value, the value itself. Get, Next and Index have done so already.
func (v *VM) Referent(x Value) Value { return v.real(x) }

// Field returns the slot of a table with a name, or null.
func (v *VM) Field(table Value, name string) Value {
	x, _ := v.Get(table, v.NewString(name))
	return x
}

// Set makes or overwrites a slot of a table. A null key is ignored.
func (v *VM) Set(table, key, x Value) {
	if table.isTable() && key != Null {
		v.tick--
		v.tableSet(table.off(), key, x)
	}
}

// SetField makes or overwrites the slot of a table with a name.
func (v *VM) SetField(table Value, name string, x Value) { v.Set(table, v.NewString(name), x) }

// Delete removes a slot of a table. It reports whether the slot existed.
func (v *VM) Delete(table, key Value) bool {
	if !table.isTable() || key == Null {
		return false
	}
	v.tick--
	p := v.tableFind(table.off(), key)
	if p != 0 {
		v.tableRemove(table.off(), p)
	}
	return p != 0
}

// Next returns the slot of a table after the one that an iteration is at:
//
//	for i, key, x, ok := v.Next(t, 0); ok; i, key, x, ok = v.Next(t, i) { … }
//
// The order is that of foreach. The table must not get new slots meanwhile.
func (v *VM) Next(table Value, i int) (next int, key, x Value, ok bool) {
	if !table.isTable() || i < 0 {
		return 0, Null, Null, false
	}
	v.tick--
	j, p, ok := v.tableNext(table.off(), uint32(i))
	if !ok {
		return 0, Null, Null, false
	}
	return int(j) + 1, *v.at(p), v.real(*v.at(p + 1)), true
}

// Len returns the number of bytes of a string or blob, of elements of an array, or of
// slots of a table; 0 for everything else.
func (v *VM) Len(x Value) int {
	switch x.tag() {
	case tagString, tagLong:
		return v.strLen(x)
	case tagTable:
		return v.tableLen(x.off())
	case tagArray:
		return v.arrayLen(x.off())
	case tagInstance:
		if p := v.Payload(x); p.tag() == tagBytes {
			return int(lo(*v.at(p.off() + 1)))
		}
	}
	return 0
}

// Head returns the first bytes of a string, n at most. It aliases the arena, as Bytes
// does.
func (v *VM) Head(x Value, n int) []byte {
	if !x.isString() {
		return nil
	}
	return v.strPart(x, 0, min(v.strLen(x), n))
}

// Index returns element i of an array, or null.
func (v *VM) Index(array Value, i int) Value {
	if !array.isArray() || i < 0 || i >= v.arrayLen(array.off()) {
		return Null
	}
	return v.real(*v.arraySlot(array.off(), uint32(i)))
}

// SetIndex overwrites element i of an array, if it exists.
func (v *VM) SetIndex(array Value, i int, x Value) {
	if array.isArray() && i >= 0 && i < v.arrayLen(array.off()) {
		*v.arraySlot(array.off(), uint32(i)) = x
	}
}

// Append adds an element to an array.
func (v *VM) Append(array, x Value) {
	if array.isArray() {
		v.tick--
		v.arrayAppend(array.off(), x)
	}
}

// Bytes returns the content of a string, or of a native object whose payload is bytes,
// such as a blob; nil for everything else. It aliases the arena, and is valid until the
// next allocation.
func (v *VM) Bytes(x Value) []byte {
	switch {
	case x.isString():
		return v.strBytes(x)
	case x.isInst():
		if p := v.Payload(x); p.tag() == tagBytes {
			return v.bytesAt(p.off()+wordsBytes, lo(*v.at(p.off() + 1)))
		}
	}
	return nil
}

// Params returns the greatest number of parameters that a function takes, without this;
// 0 when x is not a function of a program.
func (v *VM) Params(x Value) int {
	if x.tag() == tagBound {
		x = *v.at(x.off() + 1)
	}
	if !x.isClosure() {
		return 0
	}
	return len(v.proto(lo(*v.at(x.off() + 1))).Params) - 1
}

// NewNative returns an instance of a native class of the library. The payload
// is the object's own state, which programs cannot see: any value, an array or table, or
// the result of NewBuffer.
func (v *VM) NewNative(class string, payload Value) Value {
	x := v.newInstance(v.classObject(v.lib.classIndex(class)))
	*v.at(x.off() + 2) = payload
	return x
}

// IsNative reports whether x is an instance of a native class, or of a class
// derived from it.
func (v *VM) IsNative(x Value, class string) bool {
	n := v.nativeClass(x)
	return n >= 0 && v.lib.classes[n].name == class
}

// Payload returns the payload of an instance, or null.
func (v *VM) Payload(x Value) Value {
	if !x.isInst() {
		return Null
	}
	return *v.at(x.off() + 2)
}

// SetPayload replaces the payload of an instance.
func (v *VM) SetPayload(x, payload Value) {
	if x.isInst() {
		*v.at(x.off() + 2) = payload
	}
}

// NewBuffer returns n zero bytes with room for more, to be a payload. It must not be made
// visible to a program.
func (v *VM) NewBuffer(n, capacity int) Value {
	return ref(tagBytes, v.newBytes(n, max(n, capacity)))
}

// ToString returns the text of x in the form of print, without metamethods.
func (v *VM) ToString(x Value) string {
	if x.isString() {
		v.tick -= int64(v.strLen(x) >> 3)
	}
	var buf [64]byte
	return string(v.appendText(buf[:0], x))
}

// Collect frees unreachable objects and returns memory: it is for a machine that will be
// idle. Values that the host holds are invalid after it, except Root and Registry. It
// reports whether the live objects are within the limit. Called by a native it only
// requests a collection after the call.
func (v *VM) Collect() bool {
	if v.inLoop {
		v.requestCollect()
		return true
	}
	v.compact()
	return v.live-v.perm <= v.limit
}

// Starve leaves the program no memory: the next Run ends with OutOfMemory as soon as the
// program does more than a little. It is for rehearsals of that. Values that the host holds are
// invalid after it, except Root and Registry. A native must not call it.
func (v *VM) Starve() {
	v.compact()
	v.limit = v.live - v.perm - 1
	v.requestCollect()
}
