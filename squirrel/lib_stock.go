package squirrel

import (
	"errors"

	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// AddStock adds base functions that Squirrel has and imps do not: compilestring,
// setroottable and getstackinfos. Threads, the debug hook, the error handler and files
// are not supported.
func AddStock(l *Library) {
	l.Func("compilestring", Native{Check: -2, Mask: ".ss", Fn: stockCompile})
	l.Func("setroottable", Native{Check: 2, Mask: ".t", Fn: stockSetRoot})
	l.Func("getstackinfos", Native{Check: 2, Mask: ".n", Fn: stockStack})
}

// compileCost is the fuel of compiling a byte.
const compileCost = 32

// stockCompile returns a script as a function. A machine that has compiled a script can be
// restored only with that program.
func stockCompile(c *Call) (Value, error) {
	name := "unnamedbuffer"
	if c.NArgs() > 1 {
		name = c.Str(2)
	}
	if err := c.Charge(compileCost * (16 + c.v.strLen(c.Arg(1)))); err != nil {
		return Null, err
	}
	src := []byte(c.Str(1))
	if len(c.v.progs) == maxPrograms {
		return c.throwString("too many scripts")
	}
	p, err := compile.Compile(name, src, compile.Options{})
	if err != nil {
		if e := (*syntax.Error)(nil); errors.As(err, &e) {
			return c.throwString(e.Msg)
		}
		return c.throwError(err)
	}
	return c.v.Load(p), nil
}

// stockSetRoot sets the root table and returns the old one.
func stockSetRoot(c *Call) (Value, error) {
	old := c.v.root
	c.v.root = c.Arg(1)
	return old, nil
}

// stockStack describes a running function: 0 is getstackinfos itself, 1 its caller. The
// result is null when the level is too high.
func stockStack(c *Call) (Value, error) {
	v, level := c.v, c.Int(1)
	if level < 0 {
		return Null, nil
	}
	if level == 0 {
		return c.stackTable(Frame{Func: "getstackinfos", Source: "NATIVE", Line: -1}, 0, 0)
	}
	f, pc := v.frame, v.pc
	for ; level > 1 && f != 0; level-- {
		if err := c.Charge(1); err != nil {
			return Null, err
		}
		ret := v.stackAt(f - hdrRet)
		f, pc = retFrame(ret), lo(ret)
	}
	if f == 0 {
		return Null, nil
	}
	return c.stackTable(v.describeFrame(f, pc), f, pc)
}

// stackTable makes the table for a frame.
func (c *Call) stackTable(d Frame, f, pc uint32) (Value, error) {
	v := c.v
	var p *compile.Proto
	variables := 0
	if f != 0 {
		if p = v.frameProto(f); p != nil {
			variables = len(p.Locals) + len(p.Outers)
		}
	}
	if err := c.Charge(64 + 16*variables); err != nil {
		return Null, err
	}
	locals := v.newTable(0)
	if p != nil {
		v.frameLocals(f, p, int32(pc)-1, func(name string, x Value) { v.setSlot(locals, name, x) })
	}
	t := v.newTable(0)
	v.setSlot(t, "func", v.NewString(d.Func))
	v.setSlot(t, "src", v.NewString(d.Source))
	v.setSlot(t, "line", Int(int32(d.Line)))
	v.setSlot(t, "locals", ref(tagTable, locals))
	return ref(tagTable, t), nil
}
