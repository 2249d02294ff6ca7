package central

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestWords: what is wrong with a request's JSON is said without the words of the library.
func TestWords(t *testing.T) {
	for body, want := range map[string]string{
		"":                                 "it ends too early",
		"{":                                "it ends too early",
		"{]":                               "there is a mistake at byte 2",
		"[]":                               "it is an array; it must be an object",
		`{"data": 5}`:                      "data is a number; it must be an object",
		`{"data": {"type": true}}`:         "data.type is a bool; it must be a string",
		`{"data": {"relationships": "x"}}`: "data.relationships is a string; it must be an object",
	} {
		var in received
		err := json.Unmarshal([]byte(body), &in)
		if err == nil {
			t.Errorf("%s is right", body)
			continue
		}
		if got := inWords(err).Error(); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	for _, v := range []any{new(string), new(bool), new([]int), new(map[string]int), new(int), new(float32)} {
		for _, text := range []string{`"x"`, "true", "[]", "{}", "1.5", "1e99"} {
			if err := json.Unmarshal([]byte(text), v); err != nil {
				if got := inWords(err).Error(); strings.Contains(got, "Go ") || strings.Contains(got, "unmarshal") {
					t.Errorf("%s into %T: %s", text, v, got)
				}
			}
		}
	}
}
