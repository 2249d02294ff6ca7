package rehearsal

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
)

// Line is a line of the log of a world: of both sides, in the order in which they came to the
// log, and of what happened to them.
type Line struct {
	At    time.Duration
	Type  string // one of tandem.Log…, or LogFault, LogHTTP, LogTest, LogTestError or LogMessage
	Text  string
	Where *tandem.Where

	number int // in the order of all lines
}

// Numbered returns the line with its place in the order of all lines.
func (l Line) Numbered(n int) Line {
	l.number = n
	return l
}

// Number returns the line's place in the order of all lines.
func (l Line) Number() int { return l.number }

// Types of lines that production does not have.
const (
	LogFault     = "fault"      // what a Fault did
	LogBoard     = "board"      // what drives the device's board
	LogHTTP      = "http"       // requests to the agent and of it
	LogTest      = "test"       // what the tester wrote
	LogTestError = "test.error" // the same about a mistake
	LogMessage   = "message"    // a message between the sides
)

// Limits of what a world keeps; the oldest go.
const (
	maxLog      = 20_000
	maxMessages = 64
)

func (w *World) line(typ, text string, at *tandem.Where) { w.keep(&w.log, maxLog, typ, text, at) }

func (w *World) keep(list *[]Line, limit int, typ, text string, at *tandem.Where) {
	if len(*list) >= limit {
		*list = append((*list)[:0:0], (*list)[limit/2:]...)
	}
	*list = append(*list, Line{w.now, typ, text, at, w.lines})
	w.lines++
}

// message notes a message between the sides, if there is a Script.
func (w *World) message(way string, m *tandem.Message) {
	if w.cfg.Script == nil {
		return
	}
	if way == ToAgent {
		w.seen.arrives(tandem.UnescapeName(m.Name), m.Mark)
	} else {
		w.seen.count(way, tandem.UnescapeName(m.Name))
	}
	data := m.Data
	switch m.Format {
	case tandem.FormatCompact:
		text, err := codec.TranscodeJSON(m.Data)
		if err != nil {
			text = fmt.Appendf(nil, "%d bytes", len(m.Data)) // a blob, say
		}
		data = text
	case tandem.FormatCBOR:
		data = fmt.Appendf(nil, "%d bytes", len(m.Data))
	}
	most := cmp.Or(w.cfg.Script.Messages, maxMessages)
	w.keep(&w.messages, most, LogMessage, way+"  "+tandem.UnescapeName(m.Name)+Brief(data), nil)
}

// Log returns the lines but the messages, the newest maxLog at most.
func (w *World) Log() []Line { return w.log }

// LogFrom returns the lines from a number on, as Report.Lines has it, but the messages.
func (w *World) LogFrom(number int) []Line { return from(w.log, number) }

// MessagesFrom returns the newest messages between the sides, from a number on.
func (w *World) MessagesFrom(number int) []Line { return from(w.messages, number) }

func from(list []Line, number int) []Line {
	i, _ := slices.BinarySearchFunc(list, number, func(l Line, number int) int { return cmp.Compare(l.number, number) })
	return list[i:]
}

// Merge puts two lists of lines of one world into the order in which they came.
func Merge(a, b []Line) []Line {
	all := append(slices.Clone(a), b...)
	slices.SortFunc(all, func(a, b Line) int { return cmp.Compare(a.number, b.number) })
	return all
}

// Lines returns how many lines there were so far, as LogFrom and MessagesFrom count them.
func (w *World) Lines() int { return w.lines }
