package launch

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device"
)

// Hardware are the options about the board of a device.
type Hardware struct {
	Module string `placeholder:"TYPE" help:"${help_module}"`
	Board  string `placeholder:"FILE" help:"${help_board}"`
}

// Wiring is a simulated board, and what it was given.
type Wiring struct {
	*Hardware
	Simulated *board.Simulated
	given     []byte // the lines that the board was given last
}

// NewBoard returns the simulated board as the options say. The type of module may be written
// in any case, and is written as it should be from then on.
func (h *Hardware) NewBoard() (*Wiring, error) {
	for _, name := range device.Modules() {
		if strings.EqualFold(h.Module, name) {
			h.Module = name
		}
	}
	if h.Module != "" && !device.KnownModule(h.Module) {
		return nil, tandem.Errorf(tandem.Invalid, "--module %s: there is no such type; use one of %s", h.Module,
			strings.Join(device.Modules(), ", "))
	}
	w := &Wiring{Hardware: h, Simulated: board.New()}
	_, err := w.Rewire()
	return w, err
}

// Rewire gives the board the lines of its file when they have changed, and reports whether
// they have.
func (w *Wiring) Rewire() (bool, error) {
	lines, err := w.lines()
	if err == nil && bytes.Equal(lines, w.given) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	w.given = lines
	return true, w.wire(lines)
}

// Given says that a board's file was saved.
const Given = "The board has got the lines of %s."

// rewireEvery is how often the board's file is looked at.
const rewireEvery = 200 * time.Millisecond

// follow gives the board its file's lines each time that it is saved, until ctx ends. A file
// counts as saved when two looks find the same, so that a half-written one is not read.
func (w *Wiring) follow(ctx context.Context, log *slog.Logger) {
	if w.Board == "" {
		return
	}
	tick := time.NewTicker(rewireEvery)
	defer tick.Stop()
	last := w.given
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, err := w.lines()
		if err != nil || !bytes.Equal(now, last) {
			last = now
			continue
		}
		switch changed, err := w.Rewire(); {
		case err != nil:
			log.Error("the board's file is not right: " + err.Error())
		case changed:
			log.Info(fmt.Sprintf(Given, w.Board))
		}
	}
}

// lines reads the file with what is connected to the board; nil if there is none.
func (w *Wiring) lines() ([]byte, error) {
	if w.Board == "" {
		return nil, nil
	}
	lines, err := os.ReadFile(w.Board)
	if err != nil {
		return nil, fmt.Errorf("--board: %w", err)
	}
	return lines, nil
}

// wire gives the board lines. Those before a mistake have had their effect.
func (w *Wiring) wire(lines []byte) error {
	n := 0
	for line := range bytes.Lines(lines) {
		n++
		err := w.Simulated.Command(string(line))
		if name := slotOf(string(line)); err == nil && name != "" && !device.HasSlot(w.Module, name) {
			err = fmt.Errorf("there is no pin or bus %s; see --module", name)
		}
		if err != nil {
			return tandem.Errorf(tandem.Invalid, "%s:%d: %v", w.Board, n, err)
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
