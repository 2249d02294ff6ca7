package compile

import "slices"

// count numbers the instructions of all functions. A function has one number more than
// instructions, because a place is the instruction before a pc.
func (p *Program) count() {
	n := uint32(0)
	for _, f := range p.Protos {
		p.firsts = append(p.firsts, n)
		n += uint32(len(f.Code)) + 1
	}
	p.firsts = append(p.firsts, n)
}

// Instructions returns how many numbers the instructions of the program have.
func (p *Program) Instructions() uint32 { return p.firsts[len(p.Protos)] }

// Instruction returns the number of a place in a function.
func (p *Program) Instruction(proto int, pc uint32) uint32 { return p.firsts[proto] + pc }

// At returns the function and the pc of a number below Instructions.
func (p *Program) At(n uint32) (*Proto, uint32) {
	i, found := slices.BinarySearch(p.firsts, n)
	if !found {
		i--
	}
	return p.Protos[i], n - p.firsts[i]
}
