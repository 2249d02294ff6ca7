package imp

import (
	"unicode/utf8"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
)

// MessageName returns the wire form of the call's first argument, the name of a message.
// The caller has charged for reading the argument.
func MessageName(call *squirrel.Call) (string, error) {
	raw := call.Str(1)
	name := tandem.EscapeName(raw)
	if extra := len(name) - len(raw); extra > 0 {
		return name, call.Charge(extra / 2)
	}
	return name, nil
}

// clippedName is how many bytes of a message's name, which a device can make long, are in a
// log line about it.
const clippedName = 100

// ShownName returns the name of a message, given in its wire form, as the log shows it.
func ShownName(wire string) string {
	b := []byte(tandem.UnescapeName(wire))
	more := ""
	if n := clippedName; len(b) > n {
		for n > 0 && !utf8.RuneStart(b[n]) {
			n--
		}
		b, more = b[:n], "…"
	}
	return LogText(b) + more
}
