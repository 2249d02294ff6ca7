package agent

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/indextest"
)

// TestIndex: each name of the vendor's index is there for agent code, or in the table of
// what is not.
func TestIndex(t *testing.T) {
	names := indextest.Read(t, "testdata/index/vendor.txt")
	absent := indextest.Absent(t, "../docs/guides/from-electric-imp.md")
	// A program gets an httpresponse from a request alone; the registry knows its methods.
	const given = "httpresponse."
	program := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.HasPrefix(name, given) })
	cfg := mustCompile(t, indextest.Program(program, map[string]string{
		"httprequest": `http.get("http://example.com")`,
		"httpstream":  `http.poststream("http://example.com", {}, @(r) null)`,
		"mqttclient":  `mqtt.createclient()`,
		"mqttmessage": `mqtt.createclient().createmessage("a", "b")`,
	}))
	w := newWorld(cfg)
	w.do(&Boot{})
	if w.m.Dead() || w.m.Busy() {
		t.Fatal(w.out.String())
	}
	indextest.Compare(t, names, absent, func(name string) bool {
		if strings.HasPrefix(name, given) {
			return !slices.ContainsFunc(API.Functions, func(f imp.Function) bool { return f.Name == name })
		}
		return strings.Contains(w.out.String(), "missing "+name+"\n")
	})
}
