package main

import (
	"bufio"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

const (
	interruptKey = 3 // Ctrl-C in raw mode
	escapeKey    = 0x1b
	enterKey     = '\r'
	lineKey      = ':' // begins a line
)

// keystroke is what comes from the keyboard: a key, or, after lineKey, a line.
type keystroke struct {
	key  byte
	line string
}

// keys returns the keys typed on a terminal, or from other input the first
// letter of each line, so that a script can press keys, too. restore restores the
// terminal's mode.
//
// The goroutine that reads cannot be stopped; it ends with the input or the
// process. The end of the input is not a key: `tandem dev DIR </dev/null &` keeps
// running.
func keys(in io.Reader, out *lineWriter) (all <-chan keystroke, restore func()) {
	restore = func() {}
	c := make(chan keystroke)
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if old, err := term.MakeRaw(int(f.Fd())); err == nil {
			out.setRaw(true)
			restore = sync.OnceFunc(func() {
				term.Restore(int(f.Fd()), old)
				out.setRaw(false)
			})
			go newKeyboard(f, out).read(c)
			return c, restore
		}
	}
	go lineKeys(in, c)
	return c, restore
}

// keyboard is a terminal in raw mode.
type keyboard struct {
	tty    *os.File
	out    *lineWriter
	in     *typing
	editor *term.Terminal // of lines; it remembers them
}

func newKeyboard(tty *os.File, out *lineWriter) *keyboard {
	k := &keyboard{tty: tty, out: out, in: &typing{in: tty}}
	k.editor = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k.in, out.w}, string(lineKey)+" ")
	return k
}

func (k *keyboard) read(c chan<- keystroke) {
	buf := make([]byte, 256)
	for {
		n, err := k.tty.Read(buf)
		chunk := buf[:n]
		if n > 1 && chunk[0] == escapeKey {
			chunk = nil // an arrow, say, which is not the letters that it consists of
		}
		for i, key := range chunk {
			if key == lineKey {
				c <- keystroke{lineKey, k.line(chunk[i+1:])}
				break
			}
			c <- keystroke{key: key}
		}
		if err != nil {
			return
		}
	}
}

// line reads a line whose beginning was typed already. What dev says meanwhile comes above it.
func (k *keyboard) line(begun []byte) string {
	if width, height, err := term.GetSize(int(k.tty.Fd())); err == nil && width > 0 {
		k.editor.SetSize(width, height) // ignore the error: it is about a size of 0
	}
	k.in.left, k.in.cancelled = append([]byte(nil), begun...), false
	k.out.through(k.editor)
	defer k.out.through(nil)
	text, err := k.editor.ReadLine()
	if err != nil || k.in.cancelled {
		return ""
	}
	return text
}

func lineKeys(in io.Reader, c chan<- keystroke) {
	for s := bufio.NewScanner(in); s.Scan(); {
		line := s.Text()
		switch text, isLine := strings.CutPrefix(line, string(lineKey)); {
		case isLine:
			c <- keystroke{lineKey, text}
		case line == "":
			c <- keystroke{key: enterKey}
		default:
			c <- keystroke{key: line[0]}
		}
	}
}
