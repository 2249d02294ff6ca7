package life

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestWhereOf: a place that a device names is taken if it is one, whatever the device says.
func TestWhereOf(t *testing.T) {
	for text, want := range map[string]*tandem.Where{
		"":              nil,
		"no JSON":       nil,
		"[]":            nil,
		`{"line":-1}`:   nil,
		`{"line":"4"}`:  nil,
		`{"line":1e99}`: nil,
		`{"file":"` + strings.Repeat("x", tandem.WhereSize) + `"}`: nil,
		`{}`:                                    {},
		`{"file":"device_code","line":4,"x":1}`: {File: "device_code", Line: 4},
	} {
		got := whereOf(text)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%.50q: got %+v, want %+v", text, got, want)
		}
	}
}
