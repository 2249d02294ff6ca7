package squirrel

import "github.com/tandem-iot/tandem/squirrel/compile"

// newGenerator makes a generator of frame f, which is ready to be entered.
func (v *VM) newGenerator(f uint32) Value {
	fn := v.stackAt(f - hdrFunc)
	p := v.proto(lo(*v.at(fn.off() + 1)))
	g := v.alloc(tagGenerator, wordsGen+uint32(p.MaxStack))
	v.tick -= int64(p.MaxStack >> 2)
	*v.at(g + 1) = pair(genSuspended, 0)
	*v.at(g + 2) = fn
	n := uint32(len(p.Params))
	if p.Varargs {
		n++
	}
	for i := range n {
		*v.at(g + wordsGen + i) = v.stackAt(f + i)
	}
	return ref(tagGenerator, g)
}

// resume continues a generator, in a frame above the running one.
func (v *VM) resume(gen Value) outcome {
	if gen.tag() != tagGenerator {
		return v.throwf("trying to resume a '%s',only genenerator can be resumed", gen.Type())
	}
	g := gen.off()
	switch lo(*v.at(g + 1)) {
	case genDead:
		return v.throwf("resuming dead generator")
	case genRunning:
		return v.throwf("resuming active generator")
	}
	f := v.frameEnd(v.frame) + compile.FrameSize
	if !v.needStack(f) {
		return v.throwf("stack overflow")
	}
	*v.stackRef(f - hdrFunc) = *v.at(g + 2)
	*v.stackRef(f - hdrRet) = retWord(v.frame, int(v.pc))
	*v.stackRef(f - hdrCont) = contWord(contOp|contGen, 0)
	*v.stackRef(f - hdrA) = gen
	*v.stackRef(f - hdrB) = Null
	for i := range v.size(g) - wordsGen {
		*v.stackRef(f + i) = *v.at(g + wordsGen + i)
		*v.at(g + wordsGen + i) = Null
	}
	v.frame, v.pc = f, hi(*v.at(g + 1))
	*v.at(g + 1) = pair(genRunning, v.pc)
	v.tick -= callCost + int64(v.size(g)>>3)
	return enter
}

// yieldOp stops the running generator and passes a value to its resumer.
func (v *VM) yieldOp(in *compile.Inst) outcome {
	x := Null
	if in.B != 0 {
		x = *v.reg(in.A)
	}
	f := v.frame
	if v.stackAt(f-hdrCont)&contGen == 0 {
		return v.throwf("trying to yield from outside a generator")
	}
	g := v.stackAt(f - hdrA).off()
	v.tick -= int64(v.size(g) >> 3)
	for i := range v.size(g) - wordsGen {
		x := v.stackAt(f + i)
		if isStale(x) {
			x = Null
		}
		*v.at(g + wordsGen + i) = x
	}
	*v.at(g + 1) = pair(genSuspended, v.pc)
	return v.deliver(f, x)
}

func (v *VM) killGenerator(g uint32) {
	*v.at(g + 1) = pair(genDead, 0)
	v.tick -= int64(v.size(g) >> 4)
	for i := range v.size(g) - wordsGen {
		*v.at(g + wordsGen + i) = Null
	}
}

// isStale reports whether a word in a register is not a value but was left by the frame
// of a call that has ended.
func isStale(x Value) bool { return x.tag() == tagNull || x.tag() > tagForward }
