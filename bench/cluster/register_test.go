package main

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"
)

func TestWindows(t *testing.T) {
	const never = math.MaxInt64
	write := func(v, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: registerInput{write: true, value: v}, Call: call, Return: end}
	}
	read := func(v, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: registerInput{}, Output: v, Call: call, Return: end}
	}
	type history = []porcupine.Operation
	for _, c := range []struct {
		name    string
		windows []history
		illegal int // the window that is not linearisable; -1: none
	}{
		{"what was written is read", []history{{write(1, 0, 1), read(1, 2, 3)}, {read(1, 4, 5)}}, -1},
		{"a value from before", []history{{write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)}}, 0},
		{"a value from a window before", []history{{write(1, 0, 1)}, {write(2, 2, 3), read(1, 4, 5)}}, 1},
		{"a lost write has its effect two windows later",
			[]history{{write(1, 0, never)}, {write(2, 2, 3), read(2, 4, 5)}, {write(3, 6, 7), read(1, 8, 9)}}, -1},
		{"a lost write has its effect twice",
			[]history{{write(1, 0, never)}, {write(2, 2, 3), read(1, 4, 5)}, {write(3, 6, 7), read(1, 8, 9)}}, 2},
		{"a lost write has none", []history{{write(1, 0, never)}, {write(2, 2, 3), read(2, 4, 5)}}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			reg := &register{}
			for i, h := range c.windows {
				reg.history = h
				ops := reg.window()
				want := porcupine.Ok
				if i == c.illegal {
					want = porcupine.Illegal
				}
				if got := porcupine.CheckOperationsTimeout(registerModel, ops, checkPatience); got != want {
					t.Errorf("window %d is %s, want %s:\n%s", i, got, want, describe(ops))
				}
			}
		})
	}
}
