package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device"
)

// hardwareFlags are the options of the commands that run a device.
type hardwareFlags struct {
	Module string `placeholder:"TYPE" help:"${help_module}"`
	Board  string `placeholder:"FILE" help:"${help_board}"`
}

// wiring is a simulated board, and what it was given.
type wiring struct {
	*hardwareFlags
	board *board.Simulated
	given []byte // the lines that the board was given last
}

// hardware returns the simulated board as the options say. The type of module is written in
// any case from then on.
func (f *hardwareFlags) hardware() (*wiring, error) {
	for _, name := range device.Modules() {
		if strings.EqualFold(f.Module, name) {
			f.Module = name
		}
	}
	if f.Module != "" && !device.KnownModule(f.Module) {
		return nil, tandem.Errorf(tandem.Invalid, "--module %s: there is no such type; use one of %s", f.Module,
			strings.Join(device.Modules(), ", "))
	}
	w := &wiring{hardwareFlags: f, board: board.New()}
	_, err := w.rewire()
	return w, err
}

// rewire gives the board the lines of its file when they have changed, and reports whether
// they have.
func (w *wiring) rewire() (bool, error) {
	lines, err := w.boardLines()
	if err == nil && bytes.Equal(lines, w.given) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	w.given = lines
	return true, w.command(w.board, lines)
}

// follow gives the board its file's lines each time that it is saved, until ctx ends.
func (w *wiring) follow(ctx context.Context, said func(err error)) {
	look := func() sight { return sight{files: stamps("", w.Board)} }
	watch(ctx, watchEvery, look(), look, func() int {
		if changed, err := w.rewire(); changed {
			said(err)
		}
		return 0
	})
}

// boardLines reads the file with what is connected to the board; nil if there is none.
func (f *hardwareFlags) boardLines() ([]byte, error) {
	if f.Board == "" {
		return nil, nil
	}
	lines, err := os.ReadFile(f.Board)
	if err != nil {
		return nil, fmt.Errorf("--board: %w", err)
	}
	return lines, nil
}

// command gives the board lines of its file. Those before a mistake have had their effect.
func (f *hardwareFlags) command(b *board.Simulated, lines []byte) error {
	n := 0
	for line := range bytes.Lines(lines) {
		n++
		err := b.Command(string(line))
		if name := slotOf(string(line)); err == nil && name != "" && !device.HasSlot(f.Module, name) {
			err = fmt.Errorf("there is no pin or bus %s; see --module", name)
		}
		if err != nil {
			return tandem.Errorf(tandem.Invalid, "%s:%d: %v", f.Board, n, err)
		}
	}
	return nil
}

// slotOf returns the pin or bus that a line is about, "" if it is about none.
func slotOf(line string) string {
	line = strings.TrimSpace(line)
	if i := strings.IndexAny(line, " \t=<!"); i >= 0 && line[0] != '#' {
		return line[:i]
	}
	return ""
}
