package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/tandem-iot/tandem/internal/version"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// repl runs one line after the other in a machine and prints the results.
// Globals, constants and enums last from one line to the next.
type repl struct {
	s       *streams
	memory  int // bytes
	vm      *squirrel.VM
	flush   func() error
	consts  *compile.Constants
	pending string // lines of an incomplete statement
	stopped func() bool
}

func newREPL(s *streams, memory int, stopped func() bool) *repl {
	r := &repl{s: s, memory: memory, stopped: stopped}
	r.begin()
	return r
}

// begin makes a new machine.
func (r *repl) begin() {
	r.vm, r.flush = newMachine(r.s, r.memory)
	r.consts = compile.NewConstants()
}

// line takes the next line. It reports whether the statement needs more lines.
func (r *repl) line(text string) (more bool) {
	src := r.pending + text + "\n"
	r.pending = ""
	prog, err := compile.Compile("console", []byte(src), compile.Options{Globals: r.consts, LastIsResult: true})
	var bad *syntax.Error
	switch {
	case errors.As(err, &bad) && bad.AtEnd:
		r.pending = src
		return true
	case err != nil:
		fmt.Fprintln(r.s.err, notCompilable(err))
		return false
	}
	r.run(prog)
	return false
}

// forget drops the lines of an incomplete statement.
func (r *repl) forget() { r.pending = "" }

func (r *repl) run(prog *compile.Program) {
	defer func() { r.flush() }()
	r.vm.Start(r.vm.Load(prog), r.vm.Root())
	for {
		switch r.vm.RunSlice(runSlice) {
		case squirrel.Done:
			if x := r.vm.Result(); !x.IsNull() {
				r.flush()
				fmt.Fprintln(r.s.out, show(r.vm, x, showDepth))
			}
			return
		case squirrel.OutOfFuel:
			if r.stopped() {
				r.vm.Abort()
				r.flush()
				fmt.Fprintln(r.s.err, "interrupted")
				return
			}
		case squirrel.Failed:
			r.flush()
			io.WriteString(r.s.err, crashed(r.vm.Err()))
			return
		case squirrel.OutOfMemory:
			r.flush()
			fmt.Fprintf(r.s.err,
				"out of memory: more than %d MiB (see --memory). All globals are gone; this is a new machine.\n", r.memory>>20)
			r.begin()
			return
		case squirrel.Suspended:
			fmt.Fprintln(r.s.err, "the program waits for an event that cannot happen here")
			r.vm.Abort()
			return
		}
	}
}

const (
	showDepth = 3    // shown levels of nested tables and arrays
	showMost  = 100  // shown slots of each
	showText  = 1000 // shown bytes of a string
)

// show returns a value as Squirrel source, where possible.
func show(v *squirrel.VM, x squirrel.Value, depth int) string {
	switch {
	case x.IsNull():
		return "null"
	case x.IsString():
		s := v.ToString(x)
		if len(s) > showText {
			return fmt.Sprintf("%s … (%d bytes)", quote(s[:showText]), len(s))
		}
		return quote(s)
	case x.IsArray() && depth > 0:
		var parts []string
		for i := range min(v.Len(x), showMost) {
			parts = append(parts, show(v, v.Index(x, i), depth-1))
		}
		return enclose("[", parts, v.Len(x), "]")
	case x.IsTable() && depth > 0:
		var parts []string
		for i, key, val, ok := v.Next(x, 0); ok && len(parts) < showMost; i, key, val, ok = v.Next(x, i) {
			name := v.ToString(key)
			if !key.IsString() || !identifier(name) {
				name = "[" + show(v, key, 0) + "]"
			}
			parts = append(parts, name+" = "+show(v, val, depth-1))
		}
		return enclose("{ ", parts, v.Len(x), " }")
	}
	return v.ToString(x)
}

func enclose(open string, parts []string, all int, end string) string {
	if all == 0 {
		return strings.TrimSpace(open) + strings.TrimSpace(end)
	}
	if all > len(parts) {
		parts = append(parts, fmt.Sprintf("… (%d in all)", all))
	}
	return open + strings.Join(parts, ", ") + end
}

func identifier(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// quote returns a string as a Squirrel literal.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// converse runs a repl on a terminal, until Ctrl-D.
func converse(tty *os.File, s *streams, memory int) error {
	s.stop.release()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ended := false
	r := newREPL(s, memory, func() bool {
		select {
		case sig := <-signals:
			ended = sig == syscall.SIGTERM
			return true
		default:
			return false
		}
	})
	fmt.Fprintf(s.out,
		"Tandem %s, Squirrel 3.0.4. Globals last from line to line, locals do not. Ctrl-C stops a program, Ctrl-D ends.\n",
		version.String())
	in := &typing{in: tty}
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, s.out}, "> ")
	for !ended {
		text, err := prompt(tty, editor, signals)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(s.out)
			return nil
		}
		if err != nil {
			return err
		}
		if in.cancelled {
			in.cancelled = false
			r.forget()
			text = ""
		}
		editor.SetPrompt("> ")
		if r.line(text) {
			editor.SetPrompt("… ")
		}
	}
	return errors.New("terminated")
}

// prompt reads a line. The terminal is raw only meanwhile, so that Ctrl-C
// interrupts a running program.
func prompt(tty *os.File, editor *term.Terminal, signals <-chan os.Signal) (string, error) {
	old, err := term.MakeRaw(int(tty.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(tty.Fd()), old)
	if width, height, err := term.GetSize(int(tty.Fd())); err == nil && width > 0 {
		editor.SetSize(width, height)
	}
	type typed struct {
		text string
		err  error
	}
	c := make(chan typed, 1)
	go func() { // ends with the line or with the process
		text, err := editor.ReadLine()
		if errors.Is(err, term.ErrPasteIndicator) {
			err = nil
		}
		c <- typed{text, err}
	}()
	for {
		select {
		case t := <-c:
			return t.text, t.err
		case sig := <-signals:
			if sig == syscall.SIGTERM {
				return "", errors.New("terminated")
			}
		}
	}
}

// typing passes on the typed keys. The editor would end at Ctrl-C; instead it gets
// the keys that empty the line and enter it.
type typing struct {
	in        io.Reader
	left      []byte
	cancelled bool
}

const emptyAndEnter = "\x05\x15\r" // end of line, kill back to its start, enter

func (t *typing) Read(b []byte) (int, error) {
	if len(t.left) == 0 {
		buf := make([]byte, 256)
		n, err := t.in.Read(buf)
		if err != nil {
			return 0, err
		}
		t.left = buf[:n]
		if bytes.IndexByte(t.left, interruptKey) >= 0 {
			t.cancelled = true
			t.left = []byte(emptyAndEnter)
		}
	}
	n := copy(b, t.left)
	t.left = t.left[n:]
	return n, nil
}
