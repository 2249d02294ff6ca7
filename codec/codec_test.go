package codec

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

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

func TestHalfFloat(t *testing.T) {
	for h, want := range map[uint16]float32{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x3555: 0.33325195,
		0x7bff: 65504, 0x0001: 5.9604645e-08, 0x7c00: float32(math.Inf(1)),
	} {
		if got := halfFloat(h); got != want {
			t.Errorf("%04x: got %v, want %v", h, got, want)
		}
	}
	if f := halfFloat(0x7e00); f == f {
		t.Error("7e00 is not a number")
	}
}

// TestInvalid: what each of the readers refuses, and the error that says why.
func TestInvalid(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	compact := func(_, data []byte) ([]byte, error) { return TranscodeJSON(data) }
	for _, c := range []struct {
		from func(dst, data []byte) ([]byte, error)
		data string
		want error // nil: the text says where it is
		text string
	}{
		{FromJSON, "", errJSONEnd, "invalid JSON at byte 1: the text ends too early"},
		{FromJSON, `{"a":1,}`, nil, "invalid JSON at byte 8: unexpected '}'"},
		{FromJSON, deep, ErrTooDeep, "invalid JSON at byte 65: it is nested more than 64 deep"},
		{FromMessageJSON, deep, ErrTooDeep, "invalid JSON at byte 65: it is nested more than 64 deep"},
		{FromCBOR, "", errCBOREnd, "invalid CBOR: it ends too early"},
		{FromCBOR, "\x01\x02", nil, "invalid CBOR: 1 bytes follow"},
		{FromCBOR, "\xa1\xf5\x01", errCBORKey, "invalid CBOR: keys must be text or integers"},
		{FromCBOR, "\xe0", errCBORKind, "invalid CBOR: it holds an item that has no counterpart in Squirrel"},
		{FromCBOR, strings.Repeat("\x81", MaxDepth+1) + "\x00", ErrTooDeep, "invalid CBOR: it is nested more than 64 deep"},
		{compact, "", errInvalid, errInvalid.Error()},
		{compact, "\x41\x41", errInvalid, errInvalid.Error()},
		{compact, "\x09", errInvalid, errInvalid.Error()},
		{compact, "\x08\x41\x41\x09", errInvalid, errInvalid.Error()},
		{compact, "\x08\x21a\x09", errInvalid, errInvalid.Error()},
		{compact, strings.Repeat("\x07", MaxDepth+1), ErrTooDeep, ErrTooDeep.Error()},
	} {
		out, err := c.from([]byte("before"), []byte(c.data))
		if err == nil || err.Error() != c.text || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%.20q: got %v, want %s", c.data, err, c.text)
		}
		if len(out) > 0 && string(out) != "before" {
			t.Errorf("%.20q: %q is left in the result", c.data, out)
		}
	}
}
