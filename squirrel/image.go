package squirrel

import (
	"fmt"
	"strings"
)

// image is the initial state of every VM of a library: the words of its arena, and the
// names that the machine itself looks for.
type image struct {
	words    []Value
	serial   uint32
	root     Value
	registry Value
	classes  Value
	interned internTable

	meta        [metaCount]Value // names of metamethods
	metaIndex   map[Value]meta
	typeNames   [typeCount]Value
	constructor Value
	methods     [typeCount]map[Value]uint32 // built-in methods by name
	sort        uint32                      // the native that sorts arrays
	methodKey   []Value                     // of each native: its name as a method
	methodType  []Type                      // and the type it belongs to
}

// built returns the library's image.
func (l *Library) built() *image {
	l.once.Do(func() {
		v := &VM{lib: l}
		v.setLimit(1 << 24)
		v.setWords(make([]Value, 1<<12))
		v.top = 1
		v.soft = 1 << 12
		v.gcAt = 1 << 24
		img := v.makeSymbols()
		v.img = img
		root := v.newTable(64)
		v.root = ref(tagTable, root)
		registry := v.newTable(0)
		v.registry = ref(tagTable, registry)
		classes := v.alloc(tagVector, 1+uint32(len(l.classes)))
		v.classes = ref(tagVector, classes)
		for i := range l.classes {
			c := v.makeNativeClass(i)
			*v.at(v.classes.off() + 1 + uint32(i)) = c
		}
		for _, e := range l.roots {
			v.placeRoot(e)
		}
		img.root = v.root
		img.registry = v.registry
		img.classes = v.classes
		img.words = append([]Value(nil), v.w[:v.top]...)
		img.serial = v.serial
		img.interned = v.interned
		l.image, l.listed = img, l.list()
	})
	return l.image
}

// makeSymbols interns the names that the machine looks for. It allocates only strings,
// so in a new arena they are the first objects.
func (v *VM) makeSymbols() *image {
	img := &image{metaIndex: map[Value]meta{}}
	for m, name := range metaNames {
		img.meta[m] = v.NewString(name)
		img.metaIndex[img.meta[m]] = meta(m)
	}
	for t, name := range typeNames {
		img.typeNames[t] = v.NewString(name)
	}
	img.constructor = v.NewString("constructor")
	img.sort = v.lib.methods[TypeArray]["sort"]
	img.methodKey = make([]Value, len(v.lib.natives))
	img.methodType = make([]Type, len(v.lib.natives))
	for t := range v.lib.methods {
		img.methods[t] = map[Value]uint32{}
	}
	// In order of numbers, so that every image of a library is the same.
	for n, nat := range v.lib.natives {
		if t, ok := v.lib.methodOf(uint32(n)); ok {
			key := v.NewString(nat.Name)
			img.methods[t][key] = uint32(n)
			img.methodKey[n], img.methodType[n] = key, t
		}
	}
	return img
}

// hinted returns the method of x called key at the place of a hint, or null.
func (img *image) hinted(hint uint32, x, key Value) Value {
	n := hint &^ hintMethod
	if n < uint32(len(img.methodKey)) && img.methodKey[n] == key && img.methodType[n] == x.Type() {
		return ref(tagNative, n)
	}
	return Null
}

// methodOf returns the type that a native is a built-in method of.
func (l *Library) methodOf(n uint32) (Type, bool) {
	for t := range l.methods {
		if m, ok := l.methods[t][l.natives[n].Name]; ok && m == n {
			return Type(t), true
		}
	}
	return 0, false
}

// makeNativeClass makes the class object of a declared class.
func (v *VM) makeNativeClass(i int) Value {
	class := v.newClass(Null)
	*v.at(class + 1) = pair(0, uint32(i+1))
	for _, n := range v.lib.classes[i].methods {
		key := v.NewString(v.lib.natives[n].Name)
		v.addMember(class, key, ref(tagNative, n), false)
	}
	return ref(tagClass, class)
}

// placeRoot puts an entry at its path in the root table.
func (v *VM) placeRoot(e rootEntry) {
	t := v.root.off()
	parts := strings.Split(e.path, ".")
	for _, name := range parts[:len(parts)-1] {
		key := v.NewString(name)
		p := v.tableFind(t, key)
		if p == 0 {
			sub := v.newTable(0)
			v.tableInsert(t, key, ref(tagTable, sub))
			t = sub
			continue
		}
		t = (*v.at(p + 1)).off()
	}
	var x Value
	switch e.kind {
	case entryConst:
		x = v.constant(e.val)
	case entryFunc:
		x = ref(tagNative, e.native)
	case entryClass:
		x = v.classObject(e.class)
	case entrySingleton:
		x = v.newInstance(v.classObject(e.class))
	}
	key := v.NewString(parts[len(parts)-1])
	v.tableSet(t, key, x)
}

// classObject returns the class object of a declared class.
func (v *VM) classObject(i int) Value { return *v.at(v.classes.off() + 1 + uint32(i)) }

func (v *VM) constant(val any) Value {
	switch val := val.(type) {
	case nil:
		return Null
	case int:
		return Int(int32(val))
	case float64:
		return Float(float32(val))
	case bool:
		return Bool(val)
	case string:
		return v.NewString(val)
	}
	panic(fmt.Sprintf("squirrel: a constant cannot be a %T", val))
}
