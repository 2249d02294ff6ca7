package squirrel

import (
	"fmt"

	"github.com/tandem-iot/tandem/squirrel/text"
)

// throwCost is the fuel for making an error message, and catchCost for the end of the
// native that throws it.
const (
	throwCost = 60
	catchCost = 20
)

// throwf makes a string the exception.
func (v *VM) throwf(format string, args ...any) outcome {
	v.tick -= throwCost
	v.blame = blame{}
	v.exc = v.NewString(fmt.Sprintf(format, args...))
	return thrown
}

// noIndex throws that a slot with a key does not exist.
func (v *VM) noIndex(key Value) outcome {
	return v.throwf("the index '%s' does not exist", v.clipped(key))
}

// clipped shows a value in an error message: numbers and strings as they are,
// the type of everything else.
func (v *VM) clipped(x Value) string {
	switch x.Type() {
	case TypeString:
		return string(text.Clip(v.strPart(x, 0, min(v.strLen(x), text.ClipLen))))
	case TypeInteger:
		return text.FormatInt(x.AsInt())
	case TypeFloat:
		return text.FormatFloat14(x.AsFloat())
	}
	return x.Type().String()
}

// findHandler finds the frame that catches VM.exc: the frame of a function with a handler,
// or a frame whose exception means that a slot does not exist.
func (v *VM) findHandler() (frame uint32, handler int, ok bool) {
	pc := v.pc
	for f := v.frame; f != 0; {
		v.tick--
		if p := v.frameProto(f); p != nil {
			v.tick -= int64(len(p.Handlers) >> 2)
			at := int32(pc) - 1
			for i, h := range p.Handlers {
				if h.From <= at && at < h.To {
					return f, i, true
				}
			}
		}
		if cont := v.stackAt(f - hdrCont); cont&contGet != 0 && (v.exc == Null || cont&contInner != 0) {
			return f, -1, true
		}
		ret := v.stackAt(f - hdrRet)
		f, pc = retFrame(ret), lo(ret)
	}
	return 0, 0, false
}

// unwind ends frames up to the one that catches the exception.
func (v *VM) unwind() outcome {
	if v.ending != Done {
		return stopped
	}
	if v.thrown != nil {
		v.thrown()
	}
	frame, handler, ok := v.findHandler()
	if !ok {
		v.err = v.captureError()
	}
	v.blame = blame{}
	f := v.frame
	for f != frame {
		f = v.dropFrame(f)
	}
	switch {
	case !ok:
		v.run, v.reentry = idle, false
		v.frame = 0
		v.pc = 0
		v.exc = Null
		return failed
	case handler < 0:
		cont := v.stackAt(f - hdrCont)
		ret := v.stackAt(f - hdrRet)
		v.dropFrame(f)
		v.frame, v.pc = retFrame(ret), lo(ret)
		return v.metaDeclined(cont)
	}
	h := v.frameProto(f).Handlers[handler]
	v.frame, v.pc = f, uint32(h.Target)
	*v.reg(h.Reg) = v.exc
	v.exc = Null
	return enter
}

// dropFrame removes a frame and returns its caller's.
func (v *VM) dropFrame(f uint32) uint32 {
	if v.stackAt(f-hdrCont)&contGen != 0 {
		v.killGenerator(v.stackAt(f - hdrA).off())
	}
	return retFrame(v.stackAt(f - hdrRet))
}
