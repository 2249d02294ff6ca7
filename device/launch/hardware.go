package launch

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
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

// Wiring is a simulated board, and what happens at it.
type Wiring struct {
	*Hardware
	Simulated *board.Simulated
	script
}

// script is what the board was given last, under its lock.
type script struct {
	mu    sync.Mutex
	given []byte
	play  *board.Play
	news  chan struct{} // has a value when there is another play
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
	w := &Wiring{Hardware: h, Simulated: board.New(), script: script{news: make(chan struct{}, 1)}}
	_, err := w.Rewire()
	return w, err
}

// Rewire gives the board the script of its file when that has changed, and reports whether it has. A
// script with a mistake changes nothing.
func (w *Wiring) Rewire() (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, err := w.lines()
	if err == nil && bytes.Equal(lines, w.given) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	w.given = lines
	s, n, err := board.ParseScript(string(lines), w.check)
	if err != nil {
		return true, tandem.Errorf(tandem.Invalid, "%s:%d: %v", w.Board, n, err)
	}
	w.play = s.Play(time.Now())
	w.take()
	select {
	case w.news <- struct{}{}:
	default: // it was not read yet
	}
	return true, nil
}

// take does what is due, and returns when there will be more. The lock is held.
func (w *Wiring) take() (next time.Time, more bool) {
	if w.play == nil {
		return next, false
	}
	due, next, more := w.play.Take(time.Now())
	for _, step := range due {
		_ = w.Simulated.Command(step.Text) // ParseScript has found no mistake
	}
	return next, more
}

// Play has happen at the board what the script says, each at its time, until ctx ends.
func (w *Wiring) Play(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.news:
		}
		w.mu.Lock()
		next, more := w.take()
		w.mu.Unlock()
		if more {
			timer.Reset(time.Until(next))
		}
	}
}

// Set has one line happen at the board now.
func (w *Wiring) Set(line string) error {
	if err := w.check(line); err != nil {
		return err
	}
	return w.Simulated.Command(line)
}

// check says what is wrong with a line beside its form.
func (w *Wiring) check(line string) error {
	if name := slotOf(line); name != "" && !device.HasSlot(w.Module, name) {
		return fmt.Errorf("there is no pin or bus %s; see --module", name)
	}
	return nil
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
	last, _ := w.lines()
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

// slotOf returns the pin or bus that a line is about, "" if it is about none.
func slotOf(line string) string {
	line = strings.TrimSpace(line)
	if i := strings.IndexAny(line, " \t=<!"); i >= 0 && line[0] != '#' {
		return line[:i]
	}
	return ""
}

// CheckLine says what is wrong with the form of a line for a board.
func CheckLine(line string) error { return board.New().Command(line) }
