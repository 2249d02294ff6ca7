package reference

import (
	"slices"
	"strings"
	"testing"
)

func TestTextOfOne(t *testing.T) {
	var b strings.Builder
	if err := Text(&b, Lookup("http.jsonencode")); err != nil {
		t.Fatal(err)
	}
	const want = `http.jsonencode(value[, settings]) → string

    The JSON text of a value. Keys that are numbers become text. Slots and
    elements that cannot be serialised are left out, and an error is logged for
    them.

    Available on: agent.

    value        anything
    settings     optional table: compact: without spaces

    Throws, besides errors about wrong types:
      Cannot serialize a …

    Example:

        server.log(http.jsonencode({ on = true }, { compact = true }));   // → {"on":true}

    See also https://developer.electricimp.com/api/http/jsonencode
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

func TestTextOfMany(t *testing.T) {
	var b strings.Builder
	if err := Text(&b, Lookup("timer")); err != nil {
		t.Fatal(err)
	}
	if err := Text(&b, Lookup("tandem")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"timer\n\n", "  tandem.incarnation()  ", "  tandem.onpeerstart(callback)  "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := Index(&b); err != nil {
		t.Fatal(err)
	}
	for _, o := range Objects() {
		if !strings.Contains(strings.ReplaceAll(b.String(), "\n", " \n"), "\n  "+o.Name+" ") {
			t.Errorf("%s is missing in\n%s", o.Name, b.String())
		}
	}
}

func TestLookup(t *testing.T) {
	for _, tc := range []struct {
		name string
		want []string // among the names found
		all  bool     // and no others
	}{
		{"server.save", []string{"server.save"}, true},
		{"SERVER.SAVE()", []string{"server.save"}, true},
		{"server.log", []string{"server.log", "server.log"}, true}, // one for each side
		{"sendasync", []string{"httprequest.sendasync", "mqttmessage.sendasync"}, true},
		{"wakereason_timer", []string{"WAKEREASON_TIMER"}, true},
		{"configure", []string{"pin.configure", "i2c.configure", "spi.configure", "uart.configure"}, false},
		{"server", []string{"server.save", "server.restart", "MONDAY"}, false},
		{"array", []string{"array", "array.len"}, false},
		{"blob", []string{"blob", "blob.len"}, false},
		{"http.hash", []string{"http.hash.md5"}, false},
		{"nonsense", nil, true},
	} {
		var names []string
		for _, e := range Lookup(tc.name) {
			names = append(names, e.Name)
		}
		for _, w := range tc.want {
			if !slices.Contains(names, w) {
				t.Errorf("%s: %s is not in %v", tc.name, w, names)
			}
		}
		if tc.all && len(names) != len(tc.want) {
			t.Errorf("%s: got %v", tc.name, names)
		}
	}
}

func TestSuggest(t *testing.T) {
	for _, tc := range []struct{ name, want string }{
		{"server.sav", "server.save"}, {"sever", "server"}, {"sendasinc", "httprequest.sendasync"}, {"strng.find", "string.find"},
	} {
		if got := Suggest(tc.name); !slices.Contains(got, tc.want) {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	if got := Suggest("completely different"); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}
