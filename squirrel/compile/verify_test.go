package compile

import (
	"fmt"
	"strings"
)

// verify walks all code of a program and reports what a machine could not
// execute: a jump out of the code, a register beyond the frame, a string,
// function or captured variable that does not exist.
func verify(p *Program) error {
	parents := make([]*Proto, len(p.Protos))
	for i, f := range p.Protos {
		if err := verifyProto(p, f, parents); err != nil {
			return fmt.Errorf("function %d %s: %w", i, f.Name, err)
		}
	}
	for i, f := range p.Protos[1:] {
		if err := verifyOuters(f, parents[i+1]); err != nil {
			return fmt.Errorf("function %d %s: %w", i+1, f.Name, err)
		}
	}
	if len(p.Protos[0].Outers) > 0 {
		return fmt.Errorf("the main chunk captures")
	}
	return nil
}

func verifyProto(p *Program, f *Proto, parents []*Proto) error {
	n := len(f.Code)
	if n == 0 || f.Code[n-1].Op != OpReturn || len(f.Lines) != n || len(f.Cache) != n {
		return fmt.Errorf("%d instructions, %d lines, %d hints", n, len(f.Lines), len(f.Cache))
	}
	if f.MaxStack > 256 || len(f.Params) == 0 || f.Params[0] != "this" || f.Defaults >= len(f.Params) {
		return fmt.Errorf("stack %d, parameters %v, defaults %d", f.MaxStack, f.Params, f.Defaults)
	}
	if fixed := !f.Varargs && !f.Generator; fixed != (f.Fixed == len(f.Params)) || !fixed && f.Fixed != -1 {
		return fmt.Errorf("Fixed is %d", f.Fixed)
	}
	for pc, in := range f.Code {
		for _, field := range strings.Fields(shapes[in.Op]) {
			if err := verifyOperand(p, f, pc, in, field, parents); err != nil {
				return fmt.Errorf("instruction %d %v: %w", pc, in.Op, err)
			}
		}
	}
	for _, h := range f.Handlers {
		if h.From < 0 || h.From > h.To || int(h.To) > n || h.Target < h.To || int(h.Target) >= n || int(h.Reg) >= f.MaxStack {
			return fmt.Errorf("handler %v", h)
		}
	}
	for _, l := range f.Locals {
		if int(l.Reg) >= f.MaxStack || l.From < 0 || l.From > l.To || int(l.To) > n {
			return fmt.Errorf("local %v", l)
		}
	}
	return nil
}

func verifyOperand(p *Program, f *Proto, pc int, in Inst, field string, parents []*Proto) error {
	x := int(in.field(field[0]))
	ok := true
	switch field[1] {
	case 'r':
		ok = x < f.MaxStack
	case 'x':
		ok = x < f.MaxStack || x == 255
	case 'f':
		ok = x+FrameSize < f.MaxStack
		if in.Op == OpCall || in.Op == OpTailCall {
			ok = in.B >= 1 && x+FrameSize+int(in.B) <= f.MaxStack
		}
	case 'w':
		ok = in.C >= 1 && x+int(in.C) <= f.MaxStack
	case 'q':
		ok = x+3 < f.MaxStack
	case 'k':
		ok = x >= 0 && x < len(p.Strings)
	case 'o':
		ok = x >= 0 && x < len(f.Outers)
	case 'y':
		ok = x == 0 || x == 1
	case 'j':
		ok = pc+1+x >= 0 && pc+1+x < len(f.Code)
	case 'p':
		ok = x > 0 && x < len(p.Protos) && parents[x] == nil && int(in.B)+p.Protos[x].Defaults <= f.MaxStack
		if ok {
			parents[x] = f
		}
	}
	if !ok {
		return fmt.Errorf("field %c is %d", field[0], x)
	}
	return nil
}

func verifyOuters(f, parent *Proto) error {
	if parent == nil {
		return fmt.Errorf("no instruction makes it")
	}
	for _, o := range f.Outers {
		if !o.Local {
			if o.Index >= len(parent.Outers) || parent.Outers[o.Index].Name != o.Name {
				return fmt.Errorf("outer %v", o)
			}
			continue
		}
		ok := false
		for _, l := range parent.Locals {
			ok = ok || l.Cell && l.Name == o.Name && int(l.Reg) == o.Index
		}
		if !ok {
			return fmt.Errorf("outer %v is no cell of the enclosing function", o)
		}
	}
	return nil
}
