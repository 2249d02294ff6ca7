package squirrel

import (
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// checkObjects checks the content of each object.
func (r *restorer) checkObjects() {
	v := r.v
	for off := uint32(1); off < v.top && r.err == nil; off += v.size(off) {
		n := v.size(off)
		switch kind := v.kind(off); kind {
		case tagString:
			if size := lo(v.w[off+1]); size > maxShort || n != wordsString+(size+7)/8 {
				r.fail(off, "string of %d bytes", size)
			}
		case tagLong:
			if n != wordsLong || !r.is(v.w[off+2], tagBytes) || lo(v.w[off+1]) > lo(v.w[v.w[off+2].off()+1]) {
				r.fail(off, "long string")
			}
		case tagBytes:
			if uint64(lo(v.w[off+1])) > uint64(n-wordsBytes)*8 {
				r.fail(off, "bytes beyond the end")
			}
		case tagTable:
			r.checkTable(off)
		case tagArray:
			vec := v.w[off+2]
			if n != wordsArray || hi(v.w[off+1]) != 0 || vec == Null && lo(v.w[off+1]) > 0 ||
				vec != Null && lo(v.w[off+1]) >= v.size(vec.off()) {
				r.fail(off, "array")
			}
		case tagClosure:
			r.checkClosure(off)
		case tagGenerator:
			r.checkGenerator(off)
		case tagClass:
			r.checkClass(off)
		case tagInstance:
			r.checkInstance(off)
		case tagCell:
			r.values(off+1, off+n)
		case tagWeak:
			if x := v.w[off+1]; n != wordsWeak || x != Null && !isRef(x) {
				r.fail(off, "weak reference")
			}
			r.value(off + 1)
		case tagBound:
			if n != wordsBound || v.w[off+1].tag() != tagNative {
				r.fail(off, "bound function")
			}
			r.values(off+1, off+n)
		case tagNodes:
			r.checkNodes(off)
		case tagVector:
			// The stack is checked with its frames.
			if off != v.stack {
				r.values(off+1, off+n)
			}
		}
	}
}

func (r *restorer) checkTable(off uint32) {
	v := r.v
	used, free := lo(v.w[off+1]), hi(v.w[off+1])
	if d := v.w[off+3]; v.size(off) != wordsTable || d != Null && (!r.is(d, tagTable) || r.private.has(d.off())) {
		r.fail(off, "table")
		return
	}
	nodes := v.w[off+2].off()
	if nodes == 0 {
		if used != 0 || free != 0 {
			r.fail(off, "table without nodes")
		}
		return
	}
	n, keys := (v.size(nodes)-1)/nodeWords, uint32(0)
	for i := range n {
		if v.w[nodes+1+i*nodeWords] != Null {
			keys++
		}
	}
	if used != keys || free >= n {
		r.fail(off, "table of %d slots has %d", used, keys)
	}
}

// checkNodes checks that the chains of a table's nodes end, and that every key is on the
// chain on which it is looked up.
func (r *restorer) checkNodes(off uint32) {
	v := r.v
	n := (v.size(off) - 1) / nodeWords
	if v.size(off) != 1+n*nodeWords || n&(n-1) != 0 || nodeMask(v.w[off]) != n-1 {
		r.fail(off, "%d nodes", n)
		return
	}
	node := func(i uint32) uint32 { return off + 1 + i*nodeWords }
	if uint32(len(r.order)) < n {
		r.order = make([]uint32, 2*n)
		r.chain = make([]uint32, 2*n)
		r.followed = make([]bool, 2*n)
	}
	order := r.order[:n]
	chain := r.chain[:n]
	followed := r.followed[:n]
	clear(order)
	clear(followed)
	for i := range n {
		r.values(node(i), node(i)+2)
		next := v.w[node(i)+2]
		if next == noNext {
			continue
		}
		if !next.isInt() || lo(next) >= n || followed[lo(next)] {
			r.fail(node(i), "chain of nodes")
			return
		}
		followed[lo(next)] = true
	}
	if r.err != nil {
		return
	}
	// Each node is the next of at most one, so chains do not share nodes. order numbers the
	// nodes along the chains; a node that it leaves out is in a ring.
	count := uint32(0)
	for head := range n {
		if followed[head] {
			continue
		}
		for i := head; ; i = lo(v.w[node(i)+2]) {
			count++
			order[i], chain[i] = count, head
			if v.w[node(i)+2] == noNext {
				break
			}
		}
	}
	for i := range n {
		key := v.w[node(i)]
		if key == Null {
			continue
		}
		home := v.hash(key) & (n - 1)
		if order[i] == 0 || order[home] == 0 || chain[home] != chain[i] || order[home] > order[i] {
			r.fail(node(i), "key off its chain")
			return
		}
	}
}

// prototype returns the code for a closure's number.
func (r *restorer) prototype(number uint32) *compile.Proto {
	v := r.v
	if int(number>>16) >= len(v.progs) || int(number&0xffff) >= len(v.progs[number>>16].Protos) {
		return nil
	}
	return v.proto(number)
}

func (r *restorer) checkClosure(off uint32) {
	v := r.v
	p := r.prototype(lo(v.w[off+1]))
	if p == nil {
		r.fail(off, "function without code")
		return
	}
	captured := uint32(len(p.Outers))
	if hi(v.w[off+1]) != captured || v.size(off) != wordsClosure+captured+uint32(p.Defaults) {
		r.fail(off, "function with another number of captures or defaults")
		return
	}
	if base := v.w[off+3]; base != Null && !r.is(base, tagClass) {
		r.fail(off, "base")
	}
	r.value(off + 2)
	for i := range captured {
		if !r.is(v.w[off+wordsClosure+i], tagCell) {
			r.fail(off, "captured variable")
		}
	}
	r.values(off+wordsClosure+captured, off+v.size(off))
}

func (r *restorer) checkGenerator(off uint32) {
	v := r.v
	fn := v.w[off+2]
	if !r.is(fn, tagClosure) {
		r.fail(off, "generator")
		return
	}
	p := r.prototype(lo(v.w[fn.off()+1]))
	if p == nil || !p.Generator || v.size(off) != wordsGen+uint32(p.MaxStack) || lo(v.w[off+1]) > genDead ||
		hi(v.w[off+1]) >= uint32(len(p.Code)) {
		r.fail(off, "generator")
		return
	}
	for i := off + wordsGen; i < off+v.size(off); i++ {
		r.register(i)
	}
}

func (r *restorer) checkClass(off uint32) {
	v := r.v
	flags, native := lo(v.w[off+1]), hi(v.w[off+1])
	fields, methods := lo(v.w[v.w[off+4].off()+1]), lo(v.w[v.w[off+5].off()+1])
	if v.size(off) != wordsClass || native > uint32(r.classCount()) || flags>>ctorShift > methods || fields > maxFields {
		r.fail(off, "class")
		return
	}
	if r.foreign && native > 0 {
		v.w[off+1] = pair(flags, r.classes[native-1])
	}
	if base := v.w[off+2]; base != Null &&
		(!r.is(base, tagClass) || headerSerial(v.w[base.off()]) >= headerSerial(v.w[off])) {
		r.fail(off, "base class")
		return
	}
	members := v.w[off+3].off()
	if v.w[members+3] != Null {
		r.fail(off, "members with a delegate")
	}
	if v.w[off+9] != v.w[members+2] || v.w[off+10] != v.w[v.w[off+5].off()+2] {
		r.fail(off, "notes of members")
	}
	if nodes := v.w[members+2].off(); nodes != 0 {
		for i := range (v.size(nodes) - 1) / nodeWords {
			p := nodes + 1 + i*nodeWords
			if v.w[p] == Null {
				continue
			}
			if m := lo(v.w[p+1]); !v.w[p+1].isInt() || m < memberMethod && m >= fields ||
				m >= memberMethod && m-memberMethod >= methods {
				r.fail(p, "member of class")
				return
			}
		}
	}
	if metas := v.w[off+6]; metas != Null && v.size(metas.off()) != 1+uint32(metaCount) {
		r.fail(off, "metamethods")
	}
	if attrs := v.w[off+7]; attrs != Null && !r.is(attrs, tagTable) {
		r.fail(off, "attributes")
	}
	r.value(off + 7)
	r.value(off + 8)
}

func (r *restorer) checkInstance(off uint32) {
	v := r.v
	class := v.w[off+1]
	if !r.is(class, tagClass) || lo(v.w[class.off()+1])&classLocked == 0 ||
		v.size(off) != wordsInstance+lo(v.w[v.w[class.off()+4].off()+1]) {
		r.fail(off, "instance")
		return
	}
	if !r.is(v.w[off+2], tagBytes) {
		r.value(off + 2)
	}
	r.values(off+wordsInstance, off+v.size(off))
}

// checkDelegates makes sure that no chain of delegates is a ring.
func (r *restorer) checkDelegates() {
	v := r.v
	safe := newBitset(v.top)
	for off := uint32(1); off < v.top && r.err == nil; off += v.size(off) {
		if v.kind(off) != tagTable || v.w[off+3] == Null {
			continue
		}
		steps := uint32(0)
		for d := off; d != 0 && !safe.has(d); d = v.w[d+3].off() {
			if steps++; steps > v.top/wordsTable {
				r.fail(off, "ring of delegates")
				return
			}
		}
		for d := off; d != 0 && !safe.has(d); d = v.w[d+3].off() {
			safe.add(d)
		}
	}
}

// checkRoots checks the state beside the arena, except the stack.
func (r *restorer) checkRoots() {
	v := r.v
	if !r.is(v.root, tagTable) || !r.is(v.registry, tagTable) || r.private.has(v.root.off()) ||
		r.private.has(v.registry.off()) {
		r.fail(0, "root table")
		return
	}
	// The exception and the result are checked in place of a word of the arena.
	for _, x := range []*Value{&v.exc, &v.result} {
		spare := v.w[0]
		v.w[0] = *x
		r.value(0)
		*x, v.w[0] = v.w[0], spare
	}
	classes := v.classes.off()
	if v.size(classes) != 1+uint32(r.classCount()) {
		r.fail(classes, "native classes")
		return
	}
	for i := range uint32(r.classCount()) {
		want := i + 1
		if r.foreign {
			want = r.classes[i]
		}
		if c := v.w[classes+1+i]; !r.is(c, tagClass) || hi(v.w[c.off()+1]) != want {
			r.fail(classes, "native class")
			return
		}
	}
	for _, p := range v.progs {
		if v.size(p.consts) != 1+uint32(len(p.Strings)) {
			r.fail(p.consts, "strings of the program")
			return
		}
		for i, s := range p.Strings {
			x := v.w[p.consts+1+uint32(i)]
			if !x.isString() || v.strLen(x) != len(s) || string(v.strBytes(x)) != s {
				r.fail(p.consts, "string %d of the program", i)
				return
			}
		}
	}
}

// checkStack checks the frames and the registers.
func (r *restorer) checkStack() {
	v := r.v
	size := v.stackSize()
	if size < initialStack || v.frame > size || v.run > suspended || v.resumed > resumedStart {
		r.fail(v.stack, "stack")
		return
	}
	active := v.run != idle && v.resumed != resumedStart
	switch {
	case active != (v.frame != 0),
		v.run == suspended && v.resumed != resumedNot,
		v.run == idle && v.resumed != resumedNot,
		v.reentry && (v.run != running || v.resumed != resumedNot):
		r.fail(v.stack, "state of the machine")
		return
	}
	if v.frame != 0 {
		r.checkFrames()
	}
	if r.err != nil {
		return
	}
	header := v.headerWords()
	for i := range size {
		if !header.has(i) {
			r.register(v.stack + 1 + i)
		}
	}
	if v.resumed == resumedStart {
		r.checkStart()
	}
}

// checkStart checks a call of Start that has not begun.
func (r *restorer) checkStart() {
	v := r.v
	const f = compile.FrameSize
	if cont := v.stackAt(f - hdrCont); cont>>63 != 1 || uint8(cont) != contHost || v.stackAt(f-hdrRet) != retWord(0, 0) ||
		!r.frameFits(f, contArgs(cont)) {
		r.fail(v.stack, "call to begin")
	}
}

func (r *restorer) frameFits(f, args uint32) bool {
	ok := f >= compile.FrameSize && uint64(f)+uint64(args)+stackSlack <= uint64(r.v.stackSize())
	if !ok {
		r.fail(r.v.stack, "frame beyond the end")
	}
	return ok
}

// checkFrames walks from the running frame to the host's call.
func (r *restorer) checkFrames() {
	v := r.v
	// A native is running when it waits, was resumed, or is to be entered again; otherwise a
	// function of a program is.
	native := v.run == suspended || v.resumed != resumedNot || v.reentry
	f, pc := v.frame, v.pc
	if !r.frameFits(f, 0) {
		return
	}
	if r.isNative(f) != native {
		r.fail(v.stack, "running frame")
		return
	}
	for inner := true; ; inner = false {
		if !r.checkFrame(f, pc, inner) {
			return
		}
		cont, ret := v.stackAt(f-hdrCont), v.stackAt(f-hdrRet)
		caller := retFrame(ret)
		if cont&contKinds == contHost {
			if f != compile.FrameSize || caller != 0 {
				r.fail(v.stack, "first frame")
			}
			return
		}
		if caller+compile.FrameSize > f || !r.frameFits(caller, 0) {
			r.fail(v.stack, "order of frames")
			return
		}
		switch kind := cont & contKinds; {
		case kind == contNative && r.isNative(caller) &&
			f == caller+contArgs(v.stackAt(caller-hdrCont))+nativeLocals+compile.FrameSize:
		case (kind == contPlain || kind == contOp) && !r.isNative(caller) && f <= caller+255+compile.FrameSize:
		default:
			r.fail(v.stack, "what follows a call")
			return
		}
		f, pc = caller, lo(ret)
	}
}

func (r *restorer) isNative(f uint32) bool { return r.v.stackAt(f-hdrFunc).tag() == tagNative }

// checkFrame checks one frame, whose function continues at pc.
func (r *restorer) checkFrame(f, pc uint32, inner bool) bool {
	v := r.v
	fn := v.stackAt(f - hdrFunc)
	cont := v.stackAt(f - hdrCont)
	ret := v.stackAt(f - hdrRet)
	ok := ret>>63 == 1 && (cont>>63 == 1 || cont == contReg(uint8(cont>>8)))
	switch {
	case fn.tag() == tagNative:
		ok = ok && fn.off() < uint32(r.nativeCount()) && r.frameFits(f, contArgs(cont))
	case r.is(fn, tagClosure):
		p := v.proto(lo(v.w[fn.off()+1]))
		ok = ok && pc < uint32(len(p.Code)) && (inner || pc > 0) && (p.Generator == (cont&contGen != 0))
	default:
		ok = false
	}
	if ok && cont&contGen != 0 {
		g := v.stackAt(f - hdrA)
		ok = r.is(g, tagGenerator) && v.w[g.off()+2] == fn && lo(v.w[g.off()+1]) == genRunning && cont&contKinds == contOp
	}
	if !ok {
		r.fail(v.stack, "frame at %d", f)
	}
	return ok
}

// checkImage checks that the names that the machine looks for are in their places.
func (r *restorer) checkImage() {
	v, img := r.v, r.v.img
	if int(v.perm) != len(img.words) {
		r.fail(0, "image of another size")
		return
	}
	for off := uint32(1); off < v.perm; off += headerSize(img.words[off]) {
		if headerKind(img.words[off]) != tagString {
			continue
		}
		n := headerSize(img.words[off])
		if !r.starts.has(off) || v.kind(off) != tagString || v.size(off) != n ||
			!equalWords(v.w[off+1:off+n], img.words[off+1:off+n]) {
			r.fail(off, "name in the image")
			return
		}
	}
	if !r.starts.has(v.perm) && v.perm != v.top {
		r.fail(v.perm, "object across the end of the image")
	}
}

func equalWords(a, b []Value) bool {
	for i, x := range a {
		if x != b[i] {
			return false
		}
	}
	return true
}

// pinSymbols collects in such a way that the names come first, and makes them the image.
func (v *VM) pinSymbols() {
	v.copyLive(minHeadroom)
	img := v.makeSymbols()
	end := uint32(1)
	for _, x := range img.symbols() {
		end = max(end, x.off()+v.size(x.off()))
	}
	v.img, v.perm = img, end
	v.setThreshold()
}

// symbols lists the names in the order of makeSymbols.
func (img *image) symbols() []Value {
	list := append(append([]Value(nil), img.meta[:]...), img.typeNames[:]...)
	list = append(list, img.constructor)
	for _, x := range img.methodKey {
		if x != Null {
			list = append(list, x)
		}
	}
	return list
}
