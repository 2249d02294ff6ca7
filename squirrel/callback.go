package squirrel

import (
	"fmt"
	"strings"
)

// Callbacks: what a host must know of the functions that a program gives it, to say what is
// wrong with one that it cannot call.

// Signature describes a function.
type Signature struct {
	Frame     // its name and where it begins; for a native function as in traces
	Least int // the number of parameters that it takes, without this
	Most  int // the greatest such number; -1: any
}

// unnamed is how traces call a function without a name.
const unnamed = "unknown"

// Signature returns what is known of a function, or of a class as the function that makes
// its instances. ok is false for any other value.
func (v *VM) Signature(fn Value) (s Signature, ok bool) {
	switch fn.tag() {
	case tagClosure:
		p := v.proto(lo(*v.at(fn.off() + 1)))
		s.Func = p.Name
		if s.Func == "" {
			s.Func = unnamed
		}
		s.Source, s.Line = p.Place(p.Line)
		s.Most = len(p.Params) - 1
		s.Least = s.Most - p.Defaults
		if p.Varargs {
			s.Least, s.Most = s.Most, -1
		}
		return s, true
	case tagNative:
		n := &v.lib.natives[fn.off()]
		s.Frame = Frame{Func: n.path, Source: "NATIVE", Line: -1}
		if s.Least, s.Most = n.Check-1, n.Check-1; n.Check <= 0 {
			s.Least, s.Most = max(-n.Check-1, 0), -1
		}
		return s, true
	case tagBound:
		return v.Signature(*v.at(fn.off() + 1))
	case tagClass:
		if ctor := v.constructor(fn); ctor != Null {
			return v.Signature(ctor)
		}
		return Signature{Frame: Frame{Func: "class", Line: -1}, Most: -1}, true
	}
	return s, false
}

// Takes reports whether a call of fn with n arguments can begin. It is true for what is no
// function: only the call tells.
func (v *VM) Takes(fn Value, n int) bool {
	if fn.isClosure() && int(v.entryOf(lo(*v.at(fn.off() + 1))).Fixed) == n+1 {
		return true
	}
	s, ok := v.Signature(fn)
	return !ok || n >= s.Least && (s.Most < 0 || n <= s.Most)
}

// Path returns the name of the native function that is called, from the root table or the
// name of its class on.
func (c *Call) Path() string { return c.v.lib.natives[c.v.stackAt(c.base-hdrFunc).off()].path }

// Site returns where the programs are at now, as a number for At: the instruction of the
// innermost function that is not native. It is 0 when none is running.
func (v *VM) Site() uint32 {
	pc := v.pc
	for f := v.frame; f != 0; {
		if fn := v.stackAt(f - hdrFunc); fn.isClosure() {
			number := lo(*v.at(fn.off() + 1))
			site := 1 + v.progs[number>>16].Instruction(int(number&0xffff), pc)
			for _, p := range v.progs[:number>>16] {
				site += p.Instructions()
			}
			return site
		}
		ret := v.stackAt(f - hdrRet)
		f, pc = retFrame(ret), lo(ret)
	}
	return 0
}

// At returns the place of a Site, without variables; ok is false for 0.
func (v *VM) At(site uint32) (frame Frame, ok bool) {
	if site == 0 {
		return frame, false
	}
	n := site - 1
	for i := range v.progs {
		if all := v.progs[i].Instructions(); n >= all {
			n -= all
			continue
		}
		p, pc := v.progs[i].At(n)
		return describePlace(p, pc), true
	}
	return frame, false
}

// wrongNumber throws that the function of frame f does not take n parameters. When a native
// function calls it, the message says which: the program has not written that call.
func (v *VM) wrongNumber(f, n uint32) outcome {
	if cont := v.stackAt(f - hdrCont); cont&contKinds == contNative {
		caller := v.stackAt(retFrame(v.stackAt(f-hdrRet)) - hdrFunc)
		if caller.tag() == tagNative {
			call := strings.ReplaceAll(v.lib.natives[caller.off()].path, "::", ".")
			return v.throwf("%s", v.Mismatch(call, 0, v.stackAt(f-hdrFunc), int(n)-1))
		}
	}
	return v.refuseCall(f, n)
}

// Mismatch returns the message for a callback that does not take n arguments: the call that
// it was given to, at a site if that is not 0, and what it takes.
func (v *VM) Mismatch(call string, site uint32, fn Value, n int) string {
	s, _ := v.Signature(fn)
	if at, ok := v.At(site); ok {
		call += at.place()
	}
	takes := fmt.Sprint(s.Least)
	switch {
	case s.Most < 0:
		takes = fmt.Sprintf("at least %d", s.Least)
	case s.Most > s.Least:
		takes = fmt.Sprintf("%d to %d", s.Least, s.Most)
	}
	arguments := "arguments"
	if n == 1 {
		arguments = "argument"
	}
	name := s.Func
	if name == unnamed {
		name = "the function"
	}
	return fmt.Sprintf("wrong number of parameters: %s calls %s%s with %d %s; it takes %s",
		call, name, s.Frame.place(), n, arguments, takes)
}

// SourceOf returns the line of the source on which a function begins, "" if there is none.
func (v *VM) SourceOf(fn Value) string {
	switch fn.tag() {
	case tagClosure:
		number := lo(*v.at(fn.off() + 1))
		return v.progs[number>>16].SourceLine(v.proto(number).Line)
	case tagBound:
		return v.SourceOf(*v.at(fn.off() + 1))
	case tagClass:
		return v.SourceOf(v.constructor(fn))
	}
	return ""
}

// place returns where a frame is, for the middle of a message.
func (f Frame) place() string {
	if f.Line < 0 {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", f.Source, f.Line)
}
