package agent

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
)

// codecsProgram makes the calls that the fuzzers compare, and sends the device
// what comes of them.
const codecsProgram = `
function on(name, f) {
  device.on(name, function(x) { try { f(x); } catch (e) { device.send("error", e); } });
}
function keys(x) {
  local s = "";
  if (typeof x == "table" || typeof x == "array") foreach (k, e in x) s += k + ":" + keys(e) + ",";
  return s;
}
on("encode", function(x) {
	device.send("spaced", http.jsonencode(x));
	device.send("compact", http.jsonencode(x, { compact = true }));
});
on("decode", function(x) { device.send("again", http.jsonencode(http.jsondecode(x))); });
on("base64", function(x) {
	device.send("encoded", http.base64encode(x));
	device.send("decoded", http.base64decode(x));
});
on("url", function(x) { device.send("encoded", http.urlencode(http.urldecode(x.tostring()))); });
on("json", function(x) {
	server.save(x, 1);
	device.send("value", server.load());
	device.send("keys", keys(server.load()));
});
on("binary", function(x) {
	server.save(x, 2);
	device.send("value", server.load());
	device.send("keys", keys(server.load()));
});
on("load", function(_) { device.send("value", server.load()); device.send("keys", keys(server.load())); });
`

// fataler is what a test of every kind is.
type fataler interface {
	Fatalf(format string, args ...any)
}

// codecs is a machine with codecsProgram.
type codecs struct {
	m     *Machine
	saved []byte // the newest Save
}

func newCodecs(t testing.TB) *codecs {
	cfg := mustCompile(t, codecsProgram)
	cfg.Connected = true
	c := &codecs{m: New(cfg, epoch)}
	c.m.Step(epoch, &Boot{})
	return c
}

// next returns the codecs of the next incarnation.
func (c *codecs) next() *codecs {
	cfg := c.m.cfg
	cfg.Saved = c.saved
	c = &codecs{m: New(cfg, epoch)}
	c.m.Step(epoch, &Boot{})
	return c
}

// call sends the program a value and returns what it sends back, by name.
func (c *codecs) call(t fataler, name string, value any) map[string]any {
	sent := map[string]any{}
	events := []Event{&DeviceMessage{tandem.Message{
		Name: name, Format: tandem.FormatCompact, Data: appendValue(nil, value),
	}}}
	for ; len(events) > 0; events = events[1:] {
		for _, e := range c.m.Step(epoch, events[0]) {
			switch e := e.(type) {
			case *Send:
				sent[e.Message.Name] = valueOf(t, e.Message.Data)
			case *Save:
				c.saved = e.Table
				events = append(events, &Saved{})
			case *Restart:
				t.Fatalf("%s(%v): restart %s", name, value, e.Reason)
			}
		}
	}
	return sent
}

// appendValue appends the compact encoding of nil, bool, int32, float32,
// string, []byte, []any and map[string]any.
func appendValue(dst []byte, x any) []byte {
	sized := func(tag byte, s string) []byte {
		return append(binary.AppendUvarint(append(dst, tag), uint64(len(s))), s...)
	}
	switch x := x.(type) {
	case bool:
		if x {
			return append(dst, 2)
		}
		return append(dst, 1)
	case int32:
		return binary.AppendVarint(append(dst, 3), int64(x))
	case float32:
		return binary.LittleEndian.AppendUint32(append(dst, 4), math.Float32bits(x))
	case string:
		return sized(5, x)
	case []byte:
		return sized(6, string(x))
	case []any:
		dst = append(dst, 7)
		for _, e := range x {
			dst = appendValue(dst, e)
		}
		return append(dst, 9)
	case map[string]any:
		dst = append(dst, 8)
		for k, e := range x {
			dst = appendValue(appendValue(dst, k), e)
		}
		return append(dst, 9)
	}
	return append(dst, 0)
}

// valueOf undoes appendValue, by way of CBOR.
func valueOf(t fataler, compact []byte) any {
	item, err := codec.TranscodeCBOR(compact)
	if err != nil {
		t.Fatalf("%x: %v", compact, err)
	}
	var x any
	if err := cbor.Unmarshal(item, &x); err != nil {
		t.Fatalf("%x: %v", item, err)
	}
	return fromCBOR(x)
}

func fromCBOR(x any) any {
	switch x := x.(type) {
	case uint64:
		return int32(x)
	case int64:
		return int32(x)
	case float64:
		return float32(x)
	case []any:
		for i, e := range x {
			x[i] = fromCBOR(e)
		}
	case map[any]any:
		out := map[string]any{}
		for k, e := range x {
			out[k.(string)] = fromCBOR(e)
		}
		return out
	}
	return x
}

// same is reflect.DeepEqual, but floats that are no numbers are equal.
func same(a, b any) bool {
	switch a := a.(type) {
	case float32:
		b, ok := b.(float32)
		return ok && (math.Float32bits(a) == math.Float32bits(b) || a != a && b != b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if other, ok := b[k]; !ok || !same(a[k], other) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// text generates strings, many of which are not safe.
func text() *rapid.Generator[string] {
	odd := rapid.SampledFrom([]string{
		"\x00", "\xff", "\xc3", "\xed\xa0\x80", "é", "ÿ", "\"", "\\", "\n", "\x1f", "\x7f", "\u2028",
		"😀", "0", "a", "",
	})
	return rapid.OneOf(rapid.String(),
		rapid.Map(rapid.SliceOfN(odd, 0, 4), func(s []string) string { return strings.Join(s, "") }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) }))
}

// values generates what programs send and save.
func values() *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int32(), func(i int32) any { return i }),
		rapid.Map(rapid.Uint32(), func(bits uint32) any { return math.Float32frombits(bits) }),
		rapid.Map(rapid.Float32(), func(f float32) any { return f }),
		rapid.Map(rapid.SampledFrom([]float64{
			math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 100000, 999999.5, 1e-5,
		}), func(f float64) any { return float32(f) }),
		rapid.Map(text(), func(s string) any { return s }),
		rapid.Map(text(), func(s string) any { return []byte(s) }),
	)
	gen := scalar
	for range 3 {
		inner := gen
		gen = rapid.OneOf(scalar,
			rapid.Map(rapid.SliceOfN(inner, 0, 5), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(text(), inner, 0, 5), func(m map[string]any) any { return m }))
	}
	return gen
}

// asJSON returns what encoding/json makes of the JSON text of a value; ok is
// false when it has none.
func asJSON(x any) (out any, ok bool) {
	switch x := x.(type) {
	case int32:
		return float64(x), true
	case float32:
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, true
		}
		six, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', 6, 64), 64)
		return six, err == nil
	case string:
		return x, codec.Safe([]byte(x))
	case []byte:
		return nil, false
	case []any:
		list := []any{}
		for _, e := range x {
			if e, ok := asJSON(e); ok {
				list = append(list, e)
			}
		}
		return list, true
	case map[string]any:
		table := map[string]any{}
		for k, e := range x {
			if e, ok := asJSON(e); ok && codec.Safe([]byte(k)) {
				table[k] = e
			}
		}
		return table, true
	}
	return x, true
}

// TestJSONEncode: encoding/json reads what http.jsonencode writes, and so does
// http.jsondecode.
func TestJSONEncode(t *testing.T) { rapid.Check(t, checkEncode(newCodecs(t))) }

func FuzzJSONEncode(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkEncode(newCodecs(f)))) }

func checkEncode(c *codecs) func(*rapid.T) {
	return func(t *rapid.T) {
		x := values().Draw(t, "x")
		want, ok := asJSON(x)
		got := c.call(t, "encode", x)
		if !ok {
			if why, _ := got["error"].(string); !strings.HasPrefix(why, "http.jsonencode: Cannot serialize a ") {
				t.Fatalf("%v: got %v", x, got)
			}
			return
		}
		for _, name := range []string{"spaced", "compact"} {
			written, _ := got[name].(string)
			var m any
			if err := json.Unmarshal([]byte(written), &m); err != nil || !reflect.DeepEqual(m, want) {
				t.Fatalf("%v is %s, which is %v (%v), not %v", x, got[name], m, err, want)
			}
			again, _ := c.call(t, "decode", written)["again"].(string)
			if err := json.Unmarshal([]byte(again), &m); err != nil || !reflect.DeepEqual(m, want) {
				t.Fatalf("%v is %s, which we read as %s", x, written, again)
			}
		}
		if n := len(got["compact"].(string)); n > len(got["spaced"].(string)) {
			t.Fatalf("%v: the compact text is longer", x)
		}
	}
}

// asSaved returns what server.load gives of what was saved; ok is false when
// it is left out.
func asSaved(x any, inJSON bool) (out any, ok bool) {
	switch x := x.(type) {
	case float32:
		if f := float64(x); inJSON && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, true
		}
	case string:
		if !codec.Safe([]byte(x)) {
			return []byte(x), !inJSON
		}
	case []byte:
		return x, !inJSON
	case []any:
		list := []any{}
		for _, e := range x {
			if e, ok = asSaved(e, inJSON); ok {
				list = append(list, e)
			}
		}
		return list, true
	case map[string]any:
		table := map[string]any{}
		for k, e := range x {
			if e, ok = asSaved(e, inJSON); ok && codec.Safe([]byte(k)) {
				table[k] = e
			}
		}
		return table, true
	}
	return x, true
}

// TestSave: server.load gives what server.save was given, but for what the
// format cannot hold, in this incarnation and the next, with the keys in the
// same order.
func TestSave(t *testing.T) { rapid.Check(t, checkSave(newCodecs(t))) }

func FuzzSave(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkSave(newCodecs(f)))) }

func checkSave(c *codecs) func(*rapid.T) {
	return func(t *rapid.T) {
		x := map[string]any{"v": values().Draw(t, "v"), text().Draw(t, "key"): values().Draw(t, "w")}
		for _, format := range []string{"json", "binary"} {
			want, _ := asSaved(x, format == "json")
			got := c.call(t, format, x)
			if !same(got["value"], want) {
				t.Fatalf("%s: %v is loaded as %v, not %v", format, x, got, want)
			}
			if again := c.next().call(t, "load", nil); !same(again["value"], want) ||
				!reflect.DeepEqual(again["keys"], got["keys"]) {
				t.Fatalf("%s: %v is loaded as %v, then as %v", format, x, got, again)
			}
		}
	}
}

// FuzzURL compares with net/url. What it refuses we take as it is: text that
// only looks like an escape.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"", "a=b", "a=1&b=2&a=3", "a=x+y%20%2B", "a", "=b", "&&", "a=%zz", "a=%", "a=%4", "a;b",
		"%C3%A9=\xc3\xa9", "a=\x00\xff", "a==&&=", "a=%00",
	} {
		f.Add(s)
	}
	c := newCodecs(f)
	f.Fuzz(func(t *testing.T, query string) {
		out, _ := c.call(t, "url", []byte(query))["encoded"].(string)
		got, err := url.ParseQuery(out)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", query, out, err)
		}
		want, err := url.ParseQuery(query)
		if err != nil {
			again, _ := c.call(t, "url", []byte(out))["encoded"].(string)
			if want, err = url.ParseQuery(again); err != nil {
				t.Fatalf("%q becomes %q, then %q: %v", query, out, again, err)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q becomes %q: %v, not %v", query, out, got, want)
		}
		out, _ = c.call(t, "url", []byte(want.Encode()))["encoded"].(string)
		if got, err := url.ParseQuery(out); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q becomes %q: %v, %v, not %v", want.Encode(), out, got, err, want)
		}
		if strings.ContainsAny(out, "+ !*'();:@$,/?#[]") {
			t.Fatalf("%q holds what RFC 3986 reserves", out)
		}
	})
}

// FuzzBase64 compares with encoding/base64. What it refuses we take when only
// line ends, padding or a last character that makes no byte are wrong.
func FuzzBase64(f *testing.F) {
	for _, s := range []string{
		"", "Zg==", "Zm8=", "Zm9v", "Zg", "Zg=", "Z", "Z=", "=", "Zm9v\r\nYg==", "Z g = =", "Zh==",
		"Zg==Zg==", "-_", "+/+/", "Zm9vY", "\x00", "\xff",
	} {
		f.Add([]byte(s))
	}
	c := newCodecs(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		got := c.call(t, "base64", data)
		if want := base64.StdEncoding.EncodeToString(data); got["encoded"] != want {
			t.Fatalf("%x is encoded as %v, not %s", data, got["encoded"], want)
		}
		decoded, ok := got["decoded"].([]byte)
		if want, err := base64.StdEncoding.DecodeString(string(data)); err == nil && !bytes.Equal(decoded, want) {
			t.Fatalf("%q is decoded as %x, not %x", data, decoded, want)
		}
		letters := strings.TrimRight(strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(string(data)), "=")
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		if legal := strings.TrimLeft(letters, alphabet) == ""; ok != legal {
			t.Fatalf("%q: got %v", data, got)
		}
		if again := base64.RawStdEncoding.EncodeToString(decoded); ok && len(letters) > 1 &&
			!strings.HasPrefix(again, letters[:len(letters)/4*4]) {
			t.Fatalf("%q is decoded as what is %q", data, again)
		}
	})
}
