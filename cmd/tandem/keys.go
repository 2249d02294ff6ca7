package main

import (
	"bufio"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

const (
	interruptKey = 3 // Ctrl-C in raw mode
	enterKey     = '\r'
)

// keys returns the keys typed on a terminal, or from other input the first
// letter of each line, so that a script can press keys, too. restore restores the
// terminal's mode.
//
// The goroutine that reads cannot be stopped; it ends with the input or the
// process. The end of the input is not a key: `tandem dev DIR </dev/null &` keeps
// running.
func keys(in io.Reader, out *lineWriter) (typed <-chan byte, restore func()) {
	restore = func() {}
	read := lineKeys
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if old, err := term.MakeRaw(int(f.Fd())); err == nil {
			out.setRaw(true)
			restore = sync.OnceFunc(func() {
				term.Restore(int(f.Fd()), old)
				out.setRaw(false)
			})
			read = rawKeys
		}
	}
	c := make(chan byte)
	go read(in, c)
	return c, restore
}

func rawKeys(in io.Reader, c chan<- byte) {
	var b [1]byte
	for {
		n, err := in.Read(b[:])
		if n == 1 {
			c <- b[0]
		}
		if err != nil {
			return
		}
	}
}

func lineKeys(in io.Reader, c chan<- byte) {
	for s := bufio.NewScanner(in); s.Scan(); {
		if line := s.Bytes(); len(line) > 0 {
			c <- line[0]
		} else {
			c <- enterKey
		}
	}
}
