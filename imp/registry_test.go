package imp

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// checkDocumented is what every part of the registry must fulfil.
func checkDocumented(t *testing.T, api API) {
	t.Helper()
	for _, f := range api.Functions {
		if f.Doc == "" || f.Source == "" || f.On == 0 || f.Fn == nil {
			t.Errorf("%s: every function has On, Doc, Source and Fn", f.Name)
		}
		if f.Source != "tandem" && !strings.HasPrefix(f.Source, "https://") {
			t.Errorf("%s: the source is a URL or tandem, not %q", f.Name, f.Source)
		}
		for _, p := range f.Params {
			if p.Name == "" || p.Type == "" {
				t.Errorf("%s: every parameter has a name and a type", f.Name)
			}
		}
	}
	for _, c := range api.Constants {
		if c.Doc == "" || c.Source == "" || c.On == 0 || c.Value == nil {
			t.Errorf("%s: every constant has On, Value, Doc and Source", c.Name)
		}
	}
	for _, c := range api.Classes {
		if c.Doc == "" || c.On == 0 {
			t.Errorf("%s: every class has On and Doc", c.Name)
		}
	}
}

func TestDocumented(t *testing.T) { checkDocumented(t, Shared) }

func TestLibraryRefusesDoubles(t *testing.T) {
	defer func() {
		if r := recover(); r != "imp: imp.sleep is declared twice" {
			t.Errorf("got %v", r)
		}
	}()
	twice := API{Functions: []Function{{Name: "imp.sleep", On: OnAgent, Fn: sleep}}}
	Library("x", tandem.DeviceSide, Shared, twice) // another side: fine
	Library("x", tandem.AgentSide, Shared, twice)
}

func TestNativeFromParams(t *testing.T) {
	for _, c := range []struct {
		params []Param
		check  int
		mask   string
	}{
		{nil, 1, "."},
		{[]Param{{Type: "string"}, {Type: "any"}}, 3, ".s."},
		{[]Param{{Type: "data"}, {Type: "handler"}}, 3, ".s|xc|o"},
		{[]Param{{Type: "string"}, {Type: "table", Optional: true}, {Type: "any", Optional: true}}, -2, ".st|o."},
		{[]Param{{Type: "handler", Optional: true}}, -1, ".c|o"},
		{[]Param{{Type: "x|s|o"}}, 2, ".x|s|o"},
	} {
		n := Function{Name: "a.b.c", Params: c.params}.Native()
		if n.Check != c.check || n.Mask != c.mask || n.Name != "c" {
			t.Errorf("%v: got check %d mask %q name %q, want %d %q", c.params, n.Check, n.Mask, n.Name, c.check, c.mask)
		}
	}
}

func TestCompile(t *testing.T) {
	src := []byte("return __EI.PRODUCT_NAME + __EI.EXTRA + __EI.DEPLOYMENT_SHA;")
	p, err := Compile(tandem.DeviceSide, src, Environment{"PRODUCT_NAME": "Lamp", "EXTRA": "!"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "device_code" {
		t.Errorf("source name %q", p.Name)
	}
	if _, err := Compile(tandem.AgentSide, src, nil); err == nil || !strings.Contains(err.Error(), "EXTRA") {
		t.Errorf("an unknown member: %v", err)
	}
	if _, err := Compile(tandem.AgentSide, []byte("x ="), nil); err == nil ||
		!strings.Contains(err.Error(), "agent_code") {
		t.Errorf("a syntax error: %v", err)
	}
}
