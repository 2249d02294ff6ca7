package launch

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device"
)

// Hardware are the options about the board of a device.
type Hardware struct {
	Module string `placeholder:"TYPE" help:"${help_module}"`
	Board  string `placeholder:"FILE" help:"${help_board}"`
}

// NewBoard returns the simulated board as the options say, and the lines that it was given.
func (h Hardware) NewBoard() (b *board.Simulated, lines []byte, err error) {
	if h.Module != "" && !device.KnownModule(h.Module) {
		return nil, nil, tandem.Errorf(tandem.Invalid, "--module %s: there is no such type; use one of %s", h.Module,
			strings.Join(device.Modules(), ", "))
	}
	b = board.New()
	if lines, err = h.BoardLines(); err != nil {
		return nil, nil, err
	}
	return b, lines, h.Wire(b, lines)
}

// BoardLines reads the file with what is connected to the board; nil if there is none.
func (h Hardware) BoardLines() ([]byte, error) {
	if h.Board == "" {
		return nil, nil
	}
	lines, err := os.ReadFile(h.Board)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "--board", Err: err}
	}
	return lines, nil
}

// Wire gives the board the lines of its file. Those before a mistake have had their effect.
func (h Hardware) Wire(b *board.Simulated, lines []byte) error {
	n := 0
	for line := range bytes.Lines(lines) {
		n++
		err := b.Command(string(line))
		if name := slotOf(string(line)); err == nil && name != "" && !device.HasSlot(h.Module, name) {
			err = fmt.Errorf("there is no pin or bus %s; see --module", name)
		}
		if err != nil {
			return tandem.Errorf(tandem.Invalid, "%s:%d: %v", h.Board, n, err)
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
