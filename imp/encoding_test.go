package imp

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/squirrel"
)

var testVM = Library("test", tandem.AgentSide, Shared)

// roundTrip decodes data into a VM and encodes the value again.
func roundTrip(data []byte) ([]byte, error) {
	vm := squirrel.New(testVM, 16<<20)
	x, err := Decode(vm, data)
	if err != nil {
		return nil, err
	}
	out, _, err := Encode(nil, vm, x, ForMessage)
	return out, err
}

// modelJSON turns a value in the compact encoding into what encoding/json
// makes of the JSON text for it.
func modelJSON(t interface{ Fatalf(string, ...any) }, compact []byte) any {
	text, err := codec.ToJSON(nil, compact, codec.JSONStyle{})
	if err != nil {
		t.Fatalf("%x: %v", compact, err)
	}
	var m any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%x: %q: %v", compact, text, err)
	}
	return m
}

// narrow gives a JSON value what a machine keeps of it: numbers of 32 bits.
func narrow(x any) any {
	switch x := x.(type) {
	case float64:
		if i := int32(x); float64(i) == x {
			return x
		}
		if f := float64(float32(x)); !math.IsInf(f, 0) {
			return f
		}
		return nil
	case []any:
		for i := range x {
			x[i] = narrow(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = narrow(x[k])
		}
	}
	return x
}

// widen makes of every number what a float of 32 bits holds of it.
func widen(x any) any {
	switch x := x.(type) {
	case float64:
		return float64(float32(x)) // the shortest text of a float32
	case []any:
		for i := range x {
			x[i] = widen(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = widen(x[k])
		}
	}
	return x
}

// values generates Go values as encoding/json has them, with safe strings.
func values() *rapid.Generator[any] {
	safe := rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "\x00") })
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int32(), func(i int32) any { return float64(i) }),
		rapid.Map(rapid.Float32Range(-1e30, 1e30), func(f float32) any { return float64(f) }),
		rapid.Map(safe, func(s string) any { return s }),
	)
	gen := scalar
	for range 3 {
		inner := gen
		gen = rapid.OneOf(scalar,
			rapid.Map(rapid.SliceOfN(inner, 0, 5), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(safe, inner, 0, 5), func(m map[string]any) any { return m }))
	}
	return gen
}

// TestJSONThroughVM: values go through JSON, a VM and back.
func TestJSONThroughVM(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := values().Draw(t, "value")
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := codec.FromJSON(nil, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		vm := squirrel.New(testVM, 16<<20)
		x, err := Decode(vm, compact)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := Encode(nil, vm, x, ForJSON)
		if err != nil {
			t.Fatal(err)
		}
		if got := widen(modelJSON(t, again)); !reflect.DeepEqual(got, widen(narrow(want))) {
			t.Fatalf("%s: got %v, want %v", text, got, want)
		}
		spaced, err := codec.ToJSON(nil, again, codec.JSONStyle{Spaced: true})
		if err != nil {
			t.Fatal(err)
		}
		var m any
		if err := json.Unmarshal(spaced, &m); err != nil || !reflect.DeepEqual(widen(m), widen(narrow(want))) {
			t.Fatalf("%s: spaced %s, %v", text, spaced, err)
		}
	})
}

func TestLogText(t *testing.T) {
	long := strings.Repeat("a", 3*tandem.LogLineSize)
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"grün", "grün"},
		{long, long[:tandem.LogLineSize+1]},
		{"a\x00\xff", "binary: 61 00 ff"},
	} {
		if got := LogText([]byte(tc.in)); got != tc.want {
			t.Errorf("%.20q is shown as %.60q", tc.in, got)
		}
	}
	// Too long for a line, so that the log says so, but not by much.
	if n := len(LogText([]byte(long + "\x00"))); n <= tandem.LogLineSize || n > tandem.LogLineSize+16 {
		t.Errorf("a long string that is not text gives %d bytes", n)
	}
}
