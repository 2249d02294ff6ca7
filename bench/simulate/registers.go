package main

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tandem-iot/tandem/world"
)

// input is a write of a value, or a read.
type input struct {
	write bool
	value int
}

var model = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, in, out any) (bool, any) {
		if in := in.(input); in.write {
			return true, in.value
		}
		return state == out, state
	},
}

// patience bounds the check of one history.
const patience = 10 * time.Second

// linearisable checks the histories of registers: each must be one that a single copy
// could have made. It returns how many operations there were.
func linearisable(regs []*world.Register) (checked int, err error) {
	for _, r := range regs {
		ops := operations(r.History)
		checked += len(ops)
		if porcupine.CheckOperationsTimeout(model, ops, patience) == porcupine.Illegal {
			return checked, fmt.Errorf("the history of register %s is none of a single copy", r.Agent)
		}
	}
	return checked, nil
}

// operations leaves out writes of unknown outcome that were never read: they are as good
// as not happened.
func operations(history []world.Operation) (ops []porcupine.Operation) {
	read := map[int]bool{}
	for _, op := range history {
		if !op.Write {
			read[op.Value] = true
		}
	}
	for _, op := range history {
		end := int64(op.End)
		switch {
		case op.End == 0 && !read[op.Value]:
			continue
		case op.End == 0:
			end = math.MaxInt64
		}
		ops = append(ops, porcupine.Operation{
			ClientId: op.Client, Input: input{op.Write, op.Value}, Call: int64(op.Called), Output: op.Value, Return: end,
		})
	}
	return ops
}
