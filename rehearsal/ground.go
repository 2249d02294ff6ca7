package rehearsal

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
)

// What follows is for grounds other than a World, on which programs act by Native, too.

// FaultOf reads the fault that a program wants of its ground: its kind, and what belongs to it.
func FaultOf(kind string, c *squirrel.Call) (Fault, error) { return faultOf(kind, c) }

// SpanOf reads an argument that is a span of time: seconds, or a text such as "3 weeks".
func SpanOf(c *squirrel.Call, i int) (time.Duration, error) { return duration(c, i) }

// HeadersOf reads a table of headers, sorted by their names.
func HeadersOf(vm *squirrel.VM, t squirrel.Value) []tandem.Header { return headersOf(vm, t) }

// HeadersTable makes one.
func HeadersTable(vm *squirrel.VM, list []tandem.Header) squirrel.Value {
	return headersTable(vm, list)
}

// BodyOf reads an argument that is a body: a string or a blob as it is, all else as JSON.
func BodyOf(c *squirrel.Call, i int) ([]byte, error) { return bodyOf(c, i) }

// Numbered returns the line with its place in the order of all lines.
func (l Line) Numbered(n int) Line {
	l.number = n
	return l
}

// Number returns the line's place in the order of all lines.
func (l Line) Number() int { return l.number }

// Brief returns what the log shows of a body.
func Brief(body []byte) string { return brief(body) }
