package squirrel

import "github.com/tandem-iot/tandem/squirrel/compile"

// Aside calls fn, which looks at values of the VM from outside. The fuel for that is not the
// program's.
func (v *VM) Aside(fn func()) {
	tick := v.tick
	fn()
	v.tick = tick
}

// Lookup returns a variable of a program's outermost level: a global one, or a local one of the main
// function that functions have captured. Unlike Field it changes nothing in the VM.
func (v *VM) Lookup(name string) (x Value, ok bool) {
	v.Aside(func() {
		for i, key, val, more := v.Next(v.root, 0); more; i, key, val, more = v.Next(v.root, i) {
			if key.isString() && string(v.strBytes(key)) == name {
				x, ok = val, true
				return
			}
		}
		x, ok = v.lookCaptured(name)
	})
	return x, ok
}

// lookCaptured finds a local variable of a main function in the closures that can be reached.
func (v *VM) lookCaptured(name string) (Value, bool) {
	seen := map[uint32]bool{}
	queue := []Value{v.root, v.registry}
	for len(queue) > 0 {
		x := queue[0]
		queue = queue[1:]
		off := x.off()
		if !isRef(x) || seen[off] {
			continue
		}
		seen[off] = true
		if x.tag() == tagClosure {
			if cell := v.outermost(off, name); cell != 0 {
				return *v.at(cell + 1), true
			}
		}
		first, last := refRange(v.kind(off), v.size(off))
		for i := first; i < last; i++ {
			queue = append(queue, *v.at(off + i))
		}
	}
	return Null, false
}

// outermost returns the cell of a main function's variable that a closure has captured, 0 when it has
// not.
func (v *VM) outermost(closure uint32, name string) (cell uint32) {
	number := lo(*v.at(closure + 1))
	p := v.progs[number>>16].Program
	for i, o := range p.Protos[number&0xffff].Outers {
		if o.Name == name && isOutermost(p, number&0xffff, i) {
			return (*v.at(closure + wordsClosure + uint32(i))).off()
		}
	}
	return 0
}

// isOutermost reports whether the variable that a function captures is one of the main function.
func isOutermost(p *compile.Program, proto uint32, outer int) bool {
	for proto != 0 {
		o := p.Protos[proto].Outers[outer]
		proto = p.Parent(proto)
		if o.Local {
			return proto == 0
		}
		outer = o.Index
	}
	return false
}
