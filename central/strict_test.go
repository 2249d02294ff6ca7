package central

import (
	"reflect"
	"strings"
	"testing"
)

// TestStrictWords: what is wrong with a request's JSON is said without the words of the library.
func TestStrictWords(t *testing.T) {
	for body, want := range map[string]string{
		"":                                 "the request is not valid JSON: it is wrong at byte 0",
		"{":                                "the request is not valid JSON: it is wrong at byte 1",
		"{]":                               "the request is not valid JSON: it is wrong at byte 2",
		"[]":                               "this must be an object in JSON",
		`{"data": 5}`:                      "data must be an object",
		`{"data": {"type": true}}`:         "data.type must be a string",
		`{"data": {"relationships": "x"}}`: "data.relationships must be an object",
		`{"data": {"relation": {}}}`:       `"data.relation" is not known here: this takes attributes, id, relationships, type`,
	} {
		if err := strict([]byte(body), reflect.ValueOf(new(received)), ""); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	for _, v := range []any{new(string), new(bool), new([]int), new(map[string]int), new(int), new(float32)} {
		for _, text := range []string{`"x"`, "true", "[]", "{}", "1.5", "1e99"} {
			if err := strict([]byte(text), reflect.ValueOf(v), ""); err != nil {
				if got := err.Error(); strings.Contains(got, "Go ") || strings.Contains(got, "unmarshal") {
					t.Errorf("%s into %T: %s", text, v, got)
				}
			}
		}
	}
}
