package compile

import (
	"crypto/sha256"
	"encoding/binary"
)

// codeVersion is part of every hash. It must be raised when the meaning or the number of an
// operation changes: a snapshot taken in the middle of older code is then refused and not
// misread. A change of the compiler's output needs no new version, because the hash is
// that of the code.
const codeVersion = 1

// sum returns the result of Hash: the hash of everything in p that a machine sees.
func (p *Program) sum() [32]byte {
	h := hasher{codeVersion}
	h.text(p.Name)
	h.texts(p.Strings)
	h.number(len(p.Protos))
	for _, f := range p.Protos {
		h.proto(f)
	}
	for _, at := range p.Protos[0].Places {
		h.number(int(at.Line))
		h.number(int(at.From))
		h.text(at.File)
	}
	return sha256.Sum256(h)
}

// hasher collects the data to hash: numbers as varints, lists and texts after their length.
type hasher []byte

func (h *hasher) number(n int) { *h = binary.AppendVarint(*h, int64(n)) }

func (h *hasher) yes(b bool) {
	n := 0
	if b {
		n = 1
	}
	h.number(n)
}

func (h *hasher) text(s string) {
	h.number(len(s))
	*h = append(*h, s...)
}

func (h *hasher) texts(list []string) {
	h.number(len(list))
	for _, s := range list {
		h.text(s)
	}
}

func (h *hasher) proto(f *Proto) {
	h.text(f.Name)
	h.text(f.Source)
	h.number(int(f.Line))
	h.number(len(f.Code))
	for i, in := range f.Code {
		*h = append(*h, byte(in.Op), in.A, in.B, in.C)
		h.number(int(in.D))
		h.number(int(f.Lines[i]))
	}
	h.texts(f.Params)
	h.number(f.Defaults)
	h.yes(f.Varargs)
	h.yes(f.Generator)
	h.number(f.MaxStack)
	h.number(len(f.Outers))
	for _, o := range f.Outers {
		h.text(o.Name)
		h.yes(o.Local)
		h.number(o.Index)
	}
	h.number(len(f.Handlers))
	for _, c := range f.Handlers {
		h.number(int(c.From))
		h.number(int(c.To))
		h.number(int(c.Target))
		h.number(int(c.Reg))
	}
	h.number(len(f.Locals))
	for _, l := range f.Locals {
		h.text(l.Name)
		h.number(int(l.Reg))
		h.yes(l.Cell)
		h.number(int(l.From))
		h.number(int(l.To))
	}
}
