package squirrel

import (
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/text"
)

// Error is an uncaught exception.
type Error struct {
	Message  string  // the string thrown, or the text of another value thrown
	IsString bool    // whether a string was thrown
	Plain    string  // the same for people, where the message names less than is known; "": Message says it
	Stack    []Frame // innermost first
	Source   string  // the line at which the first of them is that is not native, without its indent
}

// Frame is a function that was running.
type Frame struct {
	Func   string  // "main" for the main chunk, "unknown" for an anonymous one
	Source string  // "NATIVE" for a native function
	Line   int     // -1 for a native function
	Locals []Local // captured variables, then locals from the newest, parameters from the last, this
}

// Local is a variable of a running function.
type Local struct {
	Name string
	Text string // its value as text
}

// Shown returns the value for people: types, which the original's console shows in capitals, in
// small letters.
func (l Local) Shown() string {
	switch {
	case strings.HasPrefix(l.Text, `"`):
		return l.Text
	case strings.HasSuffix(l.Text, "CLOSURE"):
		return "function"
	}
	return strings.ToLower(l.Text)
}

// Error returns the message with its place, in the form of Electric Imp: "the index 'x'
// does not exist: in f device_code:24".
func (e *Error) Error() string {
	for _, f := range e.Stack {
		if f.Line >= 0 {
			return fmt.Sprintf("%s: in %s %s:%d", e.message(), f.Func, f.Source, f.Line)
		}
	}
	return e.message()
}

func (e *Error) message() string {
	if e.IsString {
		return e.Message
	}
	return "[unknown]"
}

// reportedLocals is the number of functions whose locals are in a report.
const reportedLocals = 9

// Report returns the text that the console of Squirrel 3.0.4 prints, in its spelling: the
// message, the call stack, and the locals.
func (e *Error) Report() string {
	var b strings.Builder
	msg := e.Message
	if !e.IsString {
		msg = "unknown"
	}
	fmt.Fprintf(&b, "\nAN ERROR HAS OCCURED [%s]\n\nCALLSTACK\n", msg)
	for _, f := range e.Stack {
		fmt.Fprintf(&b, "*FUNCTION [%s()] %s line [%d]\n", f.Func, f.Source, f.Line)
	}
	b.WriteString("\nLOCALS\n")
	for _, f := range e.Stack[:min(len(e.Stack), reportedLocals)] {
		for _, l := range f.Locals {
			fmt.Fprintf(&b, "[%s] %s\n", l.Name, l.Text)
		}
	}
	return b.String()
}

// captureError describes VM.exc and the frames that are about to be unwound.
func (v *VM) captureError() *Error {
	e := &Error{IsString: v.exc.isString(), Message: v.ToString(v.exc), Plain: v.plain(), Source: v.SourceLine()}
	e.Stack = v.Stack()
	if len(e.Stack) > 1 && e.Stack[0].Line < 0 {
		e.Stack = e.Stack[1:] // in the original a native that throws has returned before the stack is read
	}
	return e
}

// maxTrace bounds a trace: endless recursion has thousands of frames.
const maxTrace = 64

// Stack returns the functions that are running, innermost first.
func (v *VM) Stack() []Frame {
	var stack []Frame
	pc, room := v.pc, maxTraceLocals
	for f := v.frame; f != 0 && len(stack) < maxTrace; {
		frame := v.describeFrame(f, pc)
		if p := v.frameProto(f); p != nil && len(stack) <= reportedLocals {
			frame.Locals = v.traceLocals(f, p, pc, &room)
		}
		stack = append(stack, frame)
		ret := v.stackAt(f - hdrRet)
		f, pc = retFrame(ret), lo(ret)
	}
	return stack
}

// describeFrame describes a frame without its variables.
func (v *VM) describeFrame(f, pc uint32) Frame {
	p := v.frameProto(f)
	if p == nil {
		return Frame{Func: v.functionName(v.stackAt(f - hdrFunc)), Source: "NATIVE", Line: -1}
	}
	return describePlace(p, pc)
}

// describePlace describes the place of the instruction before pc.
func describePlace(p *compile.Proto, pc uint32) Frame {
	frame := Frame{Func: p.Name}
	if frame.Func == "" {
		frame.Func = unnamed
	}
	frame.Source, frame.Line = p.Place(lineAt(p, pc))
	return frame
}

// lineAt returns the line of the text at which a function is.
func lineAt(p *compile.Proto, pc uint32) int32 {
	if pc > 0 && pc <= uint32(len(p.Lines)) {
		return p.Lines[pc-1]
	}
	return p.Line
}

// SourceLine returns the line of the source at which the innermost function of the program
// is, without its indent; "" when none is running.
func (v *VM) SourceLine() string {
	pc := v.pc
	for f := v.frame; f != 0; {
		if p := v.frameProto(f); p != nil {
			number := lo(*v.at(v.stackAt(f-hdrFunc).off() + 1))
			return v.progs[number>>16].SourceLine(lineAt(p, pc))
		}
		ret := v.stackAt(f - hdrRet)
		f, pc = retFrame(ret), lo(ret)
	}
	return ""
}

// traceLocals returns the variables of a frame as text, of which there is room for so
// many bytes.
func (v *VM) traceLocals(f uint32, p *compile.Proto, pc uint32, room *int) (locals []Local) {
	v.frameLocals(f, p, int32(pc)-1, func(name string, x Value) {
		if *room <= 0 {
			return
		}
		l := Local{name, v.traceText(x)}
		*room -= len(l.Name) + len(l.Text)
		locals = append(locals, l)
	})
	return locals
}

// frameLocals calls fn with the variables of a frame at an instruction, in the order of
// Frame.Locals.
func (v *VM) frameLocals(f uint32, p *compile.Proto, at int32, fn func(name string, x Value)) {
	closure := v.stackAt(f - hdrFunc).off()
	for i, o := range p.Outers {
		fn(o.Name, *v.at((*v.at(closure + wordsClosure + uint32(i))).off() + 1))
	}
	for i := len(p.Locals) - 1; i >= 0; i-- {
		l := p.Locals[i]
		if at < l.From && int(l.Reg) >= len(p.Params) || l.To >= 0 && at >= l.To {
			continue
		}
		x := v.stackAt(f + uint32(l.Reg))
		if l.Cell && x.tag() == tagCell {
			x = *v.at(x.off() + 1)
		}
		name := l.Name
		if name == "" {
			name = "@INDEX@" // of a foreach without an index variable
		}
		fn(name, x)
	}
}

// functionName returns a function's name in the form of traces.
func (v *VM) functionName(fn Value) string {
	switch fn.tag() {
	case tagClosure:
		return v.proto(lo(*v.at(fn.off() + 1))).Name
	case tagNative:
		return v.lib.natives[fn.off()].Name
	case tagBound:
		return v.functionName(*v.at(fn.off() + 1))
	}
	return ""
}

// traceText returns a value in the form of the console's report.
func (v *VM) traceText(x Value) string {
	switch x.tag() {
	case tagNull:
		return "NULL"
	case tagInt:
		return text.FormatInt(x.AsInt())
	case tagFloat:
		return text.FormatFloat14(x.AsFloat())
	case tagString, tagLong:
		s := v.strBytes(x)
		if len(s) > maxTraceText {
			return "\"" + string(s[:maxTraceText]) + "...\""
		}
		return "\"" + string(s) + "\""
	case tagNative, tagBound:
		return "NATIVECLOSURE"
	case tagClosure:
		return "CLOSURE"
	case tagBool:
		return v.ToString(x)
	}
	return strings.ToUpper(x.Type().String())
}

// Limits of the bytes of a trace: of one string in it, and about of all variables.
const (
	maxTraceText   = 4 << 10
	maxTraceLocals = 128 << 10
)
