package imp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
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

func depth(text []byte) int {
	d, most := 0, 0
	for _, c := range text {
		switch c {
		case '[', '{':
			d++
			most = max(most, d)
		case ']', '}':
			d--
		}
	}
	return most
}

// FuzzJSON compares with encoding/json: the same texts are valid, and stand
// for the same values.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`null`, `{"a":[1,2.5,-3e2,"x\n\u00e9\ud83d\ude00",true,false,null]}`, `[[],{}]`, `"`, `1e999`, `-0`, `[1`, `"\ud800"`, `16777217`, `3000000000`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want any
		err := json.Unmarshal(text, &want)
		got, ours := FromJSON(nil, text)
		if ours != nil && strings.Contains(ours.Error(), errTooDeep.Error()) {
			if depth(text) <= MaxDepth {
				t.Fatalf("%q is not so deep", text)
			}
			return
		}
		_, overflow := err.(*json.UnmarshalTypeError) // a number beyond float64, which is an infinity to us
		if (err == nil) != (ours == nil) && !overflow {
			t.Fatalf("%q: encoding/json says %v, we say %v", text, err, ours)
		}
		if err != nil || bytes.ContainsRune(text, '\ufffd') || !json.Valid(text) || !validUTF8(want) {
			return
		}
		m := widen(modelJSON(t, got))
		if !validUTF8(m) {
			return
		}
		if want = widen(narrow(want)); !reflect.DeepEqual(m, want) {
			t.Fatalf("%q: got %v, want %v", text, m, want)
		}
	})
}

// validUTF8 reports whether no string of x was mended by encoding/json.
func validUTF8(x any) bool {
	switch x := x.(type) {
	case string:
		return !strings.ContainsRune(x, '\ufffd')
	case []any:
		for _, e := range x {
			if !validUTF8(e) {
				return false
			}
		}
	case map[string]any:
		for k, e := range x {
			if !validUTF8(k) || !validUTF8(e) {
				return false
			}
		}
	}
	return true
}

// FuzzCompact: what is decoded is encoded as the same value, in all encodings.
func FuzzCompact(f *testing.F) {
	for _, s := range []string{"\x00", "\x41", "\x08\x21a\x07\x41\x42\x09\x09", "\x04\x00\x00\x20\x40", "\x05\x28" + strings.Repeat("x", 40), "\x06\x02\xff\x00", "\x07", "\x09", "\x08\x21a\x09"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := roundTrip(data)
		if _, jsonErr := ToJSON(nil, data, JSONStyle{}); (jsonErr == nil) != (err == nil) {
			if err == nil || !strings.HasPrefix(err.Error(), "Cannot serialize a table with a key") {
				t.Fatalf("%x: a VM says %v, JSON says %v", data, err, jsonErr)
			}
		}
		if err != nil {
			return
		}
		twice, err := roundTrip(once)
		if err != nil || !sameSet(t, once, twice) {
			t.Fatalf("%x becomes %x, then %x, %v", data, once, twice, err)
		}
		item, err := ToCBOR(nil, once)
		if err != nil {
			t.Fatal(err)
		}
		if err := cbor.Wellformed(item); err != nil {
			t.Fatalf("%x: %x: %v", once, item, err)
		}
		back, err := FromCBOR(nil, item)
		if err != nil || !bytes.Equal(back, once) {
			t.Fatalf("%x as CBOR is %x, which is %x, %v", once, item, back, err)
		}
	})
}

// sameSet compares values whose tables may be in another order.
func sameSet(t *testing.T, a, b []byte) bool {
	return reflect.DeepEqual(modelJSON(t, a), modelJSON(t, b))
}

// FuzzCBOR: what we take is well-formed, and what is not is refused.
func FuzzCBOR(f *testing.F) {
	for _, v := range []any{nil, 1, -1, 1 << 40, 1.5, "x", []byte{1, 0xff}, map[string]any{"a": []any{1, "b"}}, map[int]int{1: 2}} {
		data, err := cbor.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0x9f, 1, 2, 0xff})
	f.Add([]byte{0x7f, 0x61, 'a', 0x61, 'b', 0xff})
	f.Add([]byte{0xf9, 0x3c, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		compact, err := FromCBOR(nil, data)
		if err != nil {
			return
		}
		if err := cbor.Wellformed(data); err != nil && !strings.Contains(err.Error(), "exceeded max") {
			t.Fatalf("%x: taken as %x, but %v", data, compact, err)
		}
		if _, err := ToJSON(nil, compact, JSONStyle{}); err != nil {
			t.Fatalf("%x: %x: %v", data, compact, err)
		}
	})
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
