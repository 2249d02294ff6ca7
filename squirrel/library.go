package squirrel

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tandem-iot/tandem/squirrel/text"
)

// Library is a set of native functions, constants and native classes: the content of a
// new VM's root table. Add to it, then use it; it must not change after the first VM is
// made. Natives are numbered in the order in which they were added. Snapshots identify
// them by path, so the order may change between versions.
type Library struct {
	name    string
	natives []native
	roots   []rootEntry
	classes []nativeClass
	methods [typeCount]map[string]uint32 // built-in methods of each type

	once   sync.Once
	image  *image
	listed []byte // the manifest of snapshots
}

// rootEntry is an entry that the image places in the root table.
type rootEntry struct {
	path   string
	val    any    // constant
	native uint32 // when kind is entryFunc
	class  int    // index into classes
	kind   uint8
}

const (
	entryConst uint8 = iota
	entryFunc
	entryClass
	entrySingleton
)

type nativeClass struct {
	name    string
	typeof  string // what typeof returns
	methods []uint32
}

// NewLibrary returns a library with the core of the language: the base
// functions and the built-in methods of every type.
func NewLibrary(name string) *Library {
	l := &Library{name: name}
	for t := range l.methods {
		l.methods[t] = map[string]uint32{}
	}
	// Number 0 is not a function, because a zeroed word must not be callable.
	l.natives = append(l.natives, native{path: "(none)"})
	addCore(l)
	return l
}

// Name returns the library's name.
func (l *Library) Name() string { return l.name }

func (l *Library) add(path string, n Native) uint32 {
	if n.Fn == nil {
		panic("squirrel: native " + path + " has no function")
	}
	l.natives = append(l.natives, native{Native: n, masks: compileMask(n.Mask), path: path, hash: text.Hash([]byte(path))})
	return uint32(len(l.natives) - 1)
}

// Func places a native function at path in the root table: "print", "math.sin". Tables on
// the path are made.
func (l *Library) Func(path string, n Native) {
	if n.Name == "" {
		n.Name = path[strings.LastIndexByte(path, '.')+1:]
	}
	l.roots = append(l.roots, rootEntry{path: path, kind: entryFunc, native: l.add(path, n)})
}

// Method adds a built-in method of a type.
func (l *Library) method(t Type, n Native) {
	l.methods[t][n.Name] = l.add(t.String()+"::"+n.Name, n)
}

// Const places a constant at path: an int, float64, bool, string or nil.
func (l *Library) Const(path string, val any) {
	l.roots = append(l.roots, rootEntry{path: path, kind: entryConst, val: val})
}

// Class declares a native class that is not in the root table. Its instances come from
// VM.NewNative; typeof returns its name. Methods with the names of metamethods (_get,
// _tostring …) work as metamethods.
func (l *Library) Class(name string, methods ...Native) {
	c := nativeClass{name: name, typeof: name}
	for _, m := range methods {
		c.methods = append(c.methods, l.add(name+"."+m.Name, m))
	}
	l.classes = append(l.classes, c)
}

// Typeof has typeof return name, in place of the class's own, for instances of a declared
// class.
func (l *Library) Typeof(class, name string) { l.classes[l.classIndex(class)].typeof = name }

// ClassGlobal places a declared class at path. Calling it makes an instance and runs the
// method named constructor.
func (l *Library) ClassGlobal(path, class string) {
	l.roots = append(l.roots, rootEntry{path: path, kind: entryClass, class: l.classIndex(class)})
}

// Global places one instance of a declared class at path.
func (l *Library) Global(path, class string) {
	l.roots = append(l.roots, rootEntry{path: path, kind: entrySingleton, class: l.classIndex(class)})
}

func (l *Library) classIndex(name string) int {
	for i, c := range l.classes {
		if c.name == name {
			return i
		}
	}
	panic(fmt.Sprintf("squirrel: library %s has no class %s", l.name, name))
}
