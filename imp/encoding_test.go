package imp

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
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
	return Encode(nil, vm, x, ForMessage)
}

// modelJSON turns a value in the compact encoding into what encoding/json
// makes of the JSON text for it.
func modelJSON(t interface{ Fatalf(string, ...any) }, compact []byte) any {
	text, err := ToJSON(nil, compact, JSONStyle{})
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

func TestHalfFloat(t *testing.T) {
	for h, want := range map[uint16]float32{0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x3555: 0.33325195, 0x7bff: 65504, 0x0001: 5.9604645e-08, 0x7c00: float32(math.Inf(1))} {
		if got := halfFloat(h); got != want {
			t.Errorf("%04x: got %v, want %v", h, got, want)
		}
	}
	if f := halfFloat(0x7e00); f == f {
		t.Error("7e00 is not a number")
	}
}

// values generates Go values as encoding/json has them.
func values() *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int32(), func(i int32) any { return float64(i) }),
		rapid.Map(rapid.Float32Range(-1e30, 1e30), func(f float32) any { return float64(f) }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
	)
	gen := scalar
	for range 3 {
		inner := gen
		gen = rapid.OneOf(scalar,
			rapid.Map(rapid.SliceOfN(inner, 0, 5), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.String(), inner, 0, 5), func(m map[string]any) any { return m }))
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
		compact, err := FromJSON(nil, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		vm := squirrel.New(testVM, 16<<20)
		x, err := Decode(vm, compact)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Encode(nil, vm, x, ForJSON)
		if err != nil {
			t.Fatal(err)
		}
		if got := widen(modelJSON(t, again)); !reflect.DeepEqual(got, widen(narrow(want))) {
			t.Fatalf("%s: got %v, want %v", text, got, want)
		}
		spaced, err := ToJSON(nil, again, JSONStyle{Spaced: true})
		if err != nil {
			t.Fatal(err)
		}
		var m any
		if err := json.Unmarshal(spaced, &m); err != nil || !reflect.DeepEqual(widen(m), widen(narrow(want))) {
			t.Fatalf("%s: spaced %s, %v", text, spaced, err)
		}
	})
}

func TestMessageData(t *testing.T) {
	blob := func(b string) string { return `"` + base64.StdEncoding.EncodeToString([]byte(b)) + `"` }
	for _, c := range []struct {
		format tandem.Format
		data   string
		want   string // as JSON
	}{
		{tandem.FormatJSON, "", "null"},
		{tandem.FormatJSON, "21.5", "21.5"},
		{tandem.FormatJSON, "2.0", "2.0"},
		{tandem.FormatJSON, "on", `"on"`},
		{tandem.FormatJSON, "\xff\x00", blob("\xff\x00")},
		{tandem.FormatJSON, `"a\u0000"`, blob("a\x00")},
		{tandem.FormatCompact, "\x42", "2"},
		{tandem.FormatCBOR, "\x43abc", blob("abc")},
		{tandem.FormatCBOR, "\xc1\x1a\x00\x00\x00\x05", "5"},
		{tandem.FormatCBOR, "\xa1\x01\x02", `{"1":2}`},
		{tandem.FormatCBOR, "\x3b\x00\x00\x00\x00\x7f\xff\xff\xff", "-2147483648"},
		{tandem.FormatCBOR, "\x3b\x00\x00\x00\x00\x80\x00\x00\x80", "-2.147484e+09"},
		{tandem.FormatCBOR, "\x3b\xff\xff\xff\xff\xff\xff\xff\xff", "-1.8446744e+19"},
	} {
		compact, err := Compact(tandem.Message{Format: c.format, Data: []byte(c.data)})
		if err != nil {
			t.Errorf("%q: %v", c.data, err)
			continue
		}
		if got, err := TranscodeJSON(compact); err != nil || string(got) != c.want {
			t.Errorf("%q: got %s, %v, want %s", c.data, got, err, c.want)
		}
	}
}

func TestLogText(t *testing.T) {
	long := strings.Repeat("a", 3*tandem.LogLineSize)
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"grün", "grün"},
		{long, long},
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
