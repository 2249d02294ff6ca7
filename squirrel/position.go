package squirrel

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// position is the state of the loop, beside the two variables that every instruction
// needs: the registers and the next instruction. It is a struct so that the compiler
// leaves it in memory. As variables, all of its fields would be live from one instruction
// to the next, and each turn of the loop would write them to the Go stack, because some
// cases make calls. For the same reason a case that makes a call keeps nothing over the
// call: it stores the next instruction here and loads registers and instruction again.
// A function that the compiler does not inline into such a large function is a call too
// (go build -gcflags=-m shows it; the limit is 20 nodes).
type position struct {
	frame uint32         // stack index of the running frame's first register
	limit uint32         // the highest index at which another frame may begin
	prog  uint32         // the number of the running function's program
	kbase uint32         // offset of its strings
	funcs unsafe.Pointer // the entries of its functions
	code  unsafe.Pointer // the running function's instructions
	cache unsafe.Pointer // their hints
	ip    unsafe.Pointer // the next instruction, during a call
}

const instSize = 8

// load sets s for the frame at VM.frame and returns its registers.
func (v *VM) load(s *position) unsafe.Pointer {
	s.frame, s.limit = v.frame, v.frameLimit()
	regs := v.window(v.frame)
	n := lo(*v.at(funOf(regs) + 1))
	v.switchTo(s, n)
	e := s.entry(n)
	s.code, s.cache = unsafe.Pointer(e.Code), unsafe.Pointer(e.Cache)
	s.ip = unsafe.Add(s.code, int(v.pc)*instSize)
	return regs
}

// switchTo sets s to the program of a function.
func (v *VM) switchTo(s *position, number uint32) {
	p := &v.progs[number>>16]
	s.prog = number >> 16
	s.kbase = p.consts + 1
	s.funcs = unsafe.Pointer(p.entries)
}

// entry returns the entry of a function of the running program.
func (s *position) entry(number uint32) *compile.Entry {
	return (*compile.Entry)(unsafe.Add(s.funcs, uintptr(number&0xffff)*unsafe.Sizeof(compile.Entry{})))
}

// entryOf returns the entry of a function.
func (v *VM) entryOf(number uint32) *compile.Entry {
	return &v.progs[number>>16].Entries()[number&0xffff]
}

// pc returns the number of the instruction at ip.
func (s *position) pc(ip unsafe.Pointer) uint32 {
	return uint32((uintptr(ip) - uintptr(s.code)) / instSize)
}

// hint returns the hint of an instruction.
func (s *position) hint(in *compile.Inst) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Add(s.cache, (uintptr(unsafe.Pointer(in))-uintptr(s.code))/2)))
}

// before returns the instruction before the one at ip.
func before(ip unsafe.Pointer) *compile.Inst { return (*compile.Inst)(unsafe.Add(ip, -instSize)) }

// window returns the registers of a frame.
func (v *VM) window(frame uint32) unsafe.Pointer { return unsafe.Pointer(v.at(v.stack + 1 + frame)) }

// frameLimit is the highest stack index at which a frame may begin.
func (v *VM) frameLimit() uint32 { return v.stackSize() - stackSlack }

// reg returns register i. It is not checked: stackSlack keeps as many words after every
// frame as an instruction can name.
func reg(regs unsafe.Pointer, i uint8) *Value { return (*Value)(unsafe.Add(regs, uintptr(i)*8)) }

// word returns the word at index i from p.
func word(p unsafe.Pointer, i int) *Value { return (*Value)(unsafe.Add(p, i*8)) }

// funOf returns the closure that registers belong to.
func funOf(regs unsafe.Pointer) uint32 { return (*word(regs, -hdrFunc)).off() }

// float returns the float that x is known to be.
func float(x Value) float32 { return math.Float32frombits(uint32(x)) }
