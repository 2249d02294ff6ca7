package imp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// During is what a program is called for. It is set before each call and becomes text only
// when there is something to report.
type During struct {
	Call    string `cbor:"1,keyasint,omitempty"` // the function that took the callback, such as "device.on"
	Message string `cbor:"2,keyasint,omitempty"` // the name of a message, in its wire form
	Name    string `cbor:"3,keyasint,omitempty"` // of a timer or a topic
	Verb    string `cbor:"4,keyasint,omitempty"` // method of a request
	Path    string `cbor:"5,keyasint,omitempty"` // of a request; or a pin or bus
}

// maxDuring limits the bytes of a name or path in String.
const maxDuring = 200

// String returns device.on("temp"), or http.onrequest: GET /x.
func (d During) String() string {
	switch {
	case d.Verb != "":
		return d.Call + ": " + clean(d.Verb) + " " + clean(d.Path)
	case d.Path != "":
		return d.Call + " " + clean(d.Path)
	case d.Message != "":
		return d.Call + "(" + strconv.Quote(clean(tandem.UnescapeName(d.Message))) + ")"
	case d.Name != "":
		return d.Call + "(" + strconv.Quote(clean(d.Name)) + ")"
	}
	return d.Call
}

// clean returns the beginning of a text of the program or its clients, as valid UTF-8.
func clean(s string) string {
	if len(s) > maxDuring {
		s = s[:maxDuring] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// report is the report of an exception: lines for the log, and the place of each.
type report struct {
	Lines  []string
	Places []tandem.Where
}

// newReport returns a report of what happened with a call stack.
func (c *Core) newReport(msg, plain, source string, stack []squirrel.Frame) report {
	r := report{Lines: []string{msg}, Places: []tandem.Where{{}}}
	for _, f := range stack {
		if f.Line < 0 {
			continue
		}
		at := placeOf(f)
		if len(r.Lines) == 1 {
			r.Places[0] = at
		}
		r.Lines = append(r.Lines, traceLine(f))
		r.Places = append(r.Places, at)
	}
	first := &r.Places[0]
	first.Source = source
	first.Plain = clearText(plain)
	first.During = c.During.String()
	return r
}

// clearText bounds plain words, which name what a program has named.
func clearText(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func placeOf(f squirrel.Frame) tandem.Where {
	at := tandem.Where{File: clean(f.Source), Line: f.Line, Function: clean(f.Func)}
	if f.Func == unnamed {
		at.Function = ""
	}
	return at
}

// unnamed is how traces call a function without a name.
const unnamed = "unknown"

// traceLine returns the line of a call stack for a function, in the form of Electric Imp.
func traceLine(f squirrel.Frame) string {
	return fmt.Sprintf("  at %s %s:%d", f.Func, f.Source, f.Line)
}

// logReport writes a report to the log.
func (c *Core) logReport(r report) {
	for i, line := range r.Lines {
		at := r.Places[i]
		c.cfg.Log(true, line, &at)
	}
}

// LogTrace writes a line for each function of a call stack to the log, the innermost
// first. Frames of native functions are left out, because they have no line in the
// program.
func (c *Core) LogTrace(stack []squirrel.Frame) {
	for _, f := range stack {
		if f.Line >= 0 {
			at := placeOf(f)
			c.cfg.Log(true, traceLine(f), &at)
		}
	}
}

// TraceLines returns the lines that LogTrace writes.
func TraceLines(stack []squirrel.Frame) (lines []string) {
	for _, f := range stack {
		if f.Line >= 0 {
			lines = append(lines, traceLine(f))
		}
	}
	return lines
}

// PlaceOf returns the place at which code does not compile, nil if that is not the error.
func PlaceOf(err error) *tandem.Where {
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return nil
	}
	return &tandem.Where{
		File: bad.File, Line: int(bad.Pos.Line), Source: strings.TrimSpace(bad.Excerpt.Text), Plain: bad.Plain(),
	}
}
