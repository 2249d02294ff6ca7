package main

import (
	"bytes"
	"context"
	"errors"
)

// tests returns the tests of the pair under development. Libraries are those of its node.
func (d *dev) tests(out *bytes.Buffer) *tests {
	return &tests{
		testCmd: &testCmd{Dir: d.Dir, Seed: 1, Module: d.Module}, s: &streams{out: out, err: out},
		find: d.node.Central.Store.LibraryCode,
	}
}

// test runs the tests, if that was asked for.
func (d *dev) test(ctx context.Context) {
	if !d.Test {
		return
	}
	var out bytes.Buffer
	err := d.tests(&out).run(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil && !errors.Is(err, errSilent):
		d.out.warn("No tests: %v", err)
	default:
		d.out.say("%s", bytes.TrimRight(out.Bytes(), "\n"))
	}
}

// testStamps distinguishes versions of the files of tests; "" when they are not run.
func (d *dev) testStamps() string {
	if !d.Test {
		return ""
	}
	return d.tests(nil).stamps()
}
