package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

type runCmd struct {
	File   string `arg:"" optional:"" help:"${help_run}"`
	Memory int    `placeholder:"MIB" default:"1024" help:"How much memory the program may use, in MiB (${default})."`
}

// runSlice is the fuel that a program gets between two checks whether it was
// interrupted: a few milliseconds' worth.
const runSlice = 1_000_000

// Run runs a program as the stock interpreter does.
func (c *runCmd) Run(ctx context.Context, s *streams) error {
	if c.Memory < 1 || c.Memory > 16<<10 {
		return fmt.Errorf("--memory is in MiB, from 1 to 16384")
	}
	if c.File == "" {
		if f, ok := s.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return converse(f, s, c.Memory<<20)
		}
		c.File = "-"
	}
	name, src, err := readSource(c.File, s.in)
	if err != nil {
		return err
	}
	prog, err := compile.Compile(name, src, compile.Options{})
	if err != nil {
		return s.failed(notCompilable(err))
	}
	v, flush := newMachine(s, c.Memory<<20)
	defer flush()
	v.Start(v.Load(prog), v.Root())
	for {
		switch v.RunSlice(runSlice) {
		case squirrel.Done:
			return nil
		case squirrel.OutOfFuel:
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err := flush(); err != nil {
				return err
			}
		case squirrel.Failed:
			flush()
			return s.failed(crashed(v.Err()))
		case squirrel.OutOfMemory:
			return fmt.Errorf("the program needs more than %d MiB of memory: see --memory", c.Memory)
		case squirrel.Suspended:
			return errors.New("the program waits for an event that cannot happen here")
		}
	}
}

// newMachine returns a machine with the stock library, which may use memory bytes
// and writes to s. Its output is buffered; flush writes it.
func newMachine(s *streams, memory int) (v *squirrel.VM, flush func() error) {
	v = squirrel.New(squirrel.Standard(), memory)
	out := bufio.NewWriterSize(s.text(), 32<<10)
	v.SetOutput(func(b []byte, isErr bool) {
		if isErr {
			out.Flush()
			s.err.Write(b)
			return
		}
		out.Write(b)
	})
	v.SetClock(func() (int64, int64) {
		now := time.Now()
		return now.Unix(), int64(now.Nanosecond() / 1000)
	})
	return v, out.Flush
}

func readSource(file string, stdin io.Reader) (name string, src []byte, err error) {
	if file == "-" {
		src, err = io.ReadAll(io.LimitReader(stdin, math.MaxInt32))
		return "stdin", src, err
	}
	src, err = os.ReadFile(file)
	return file, src, err
}

type checkCmd struct {
	Files []string `arg:"" help:"Squirrel sources."`
}

// checked is what check has found in a file.
type checked struct {
	File    string `json:"file"`
	OK      bool   `json:"ok"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message,omitempty"`
}

// Run compiles files and prints the first error of each.
func (c *checkCmd) Run(s *streams) error {
	failed := false
	list := []checked{}
	for _, file := range c.Files {
		name, src, err := readSource(file, s.in)
		if err != nil {
			failed = true
			s.report(tandem.KindOf(err).String(), inWords(err), err)
			continue
		}
		x := checked{File: file, OK: true}
		if _, err := compile.Compile(name, src, compile.Options{}); err != nil {
			failed = true
			x.OK = false
			x.Message = err.Error()
			var at *syntax.Error
			if errors.As(err, &at) {
				x.Message = at.Plain()
				x.Line, x.Column = int(at.Pos.Line), int(at.Pos.Col)
			}
			if at != nil && at.Excerpt.Line != 0 {
				x.File = at.Excerpt.File
				x.Line, x.Column = at.Excerpt.Line, at.Excerpt.Col
			}
			if !s.json {
				fmt.Fprintln(s.out, notCompilable(err))
			}
		}
		list = append(list, x)
	}
	if s.json {
		if err := encode(s.out, list); err != nil {
			return err
		}
	}
	if failed {
		return errSilent
	}
	return nil
}
