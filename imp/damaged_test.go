package imp

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/squirrel"
)

// TestCBORWords: what is CBOR of ours to the byte, and what is not, in hexadecimal.
func TestCBORWords(t *testing.T) {
	for _, tc := range []struct{ cbor, json string }{
		{"80", "[]"}, {"a0", "{}"}, {"9fff", "[]"}, {"bfff", "{}"}, {"8101", "[1]"}, {"9f01ff", "[1]"},
		{"9f0102ff", "[1,2]"}, {"820102", "[1,2]"},
		{"a1616101", `{"a":1}`}, {"bf616101ff", `{"a":1}`}, {"818180", "[[[]]]"}, {"9f9fffff", "[[]]"},
		{"9f80ff", "[[]]"}, {"819fff", "[[]]"},
		{"60", `""`}, {"6161", `"a"`}, {"7fff", `""`}, {"7f6161ff", `"a"`}, {"7f61616162ff", `"ab"`}, {"7f60ff", `""`},
		{"81ff", ""}, {"8201ff", ""}, {"820102ff", ""}, {"a1ff", ""}, {"a16161ff", ""}, {"bf6161ff", ""}, {"9f", ""},
		{"9f01", ""}, {"bf", ""}, {"bf616101", ""},
		{"ff", ""}, {"", ""}, {"81", ""}, {"a1", ""}, {"a16161", ""}, {"7f", ""}, {"7f6161", ""}, {"7f4161ff", ""},
		{"7f7f6161ffff", ""}, {"7f01ff", ""},
		{"7f6560ff", ""}, {"7f62ff", ""}, {"62", ""}, {"6261", ""}, {"0101", ""}, {"8001", ""},
	} {
		data, err := hex.DecodeString(tc.cbor)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := codec.FromCBOR(nil, data)
		if (err == nil) != (tc.json != "") {
			t.Errorf("%s: %v, want %q", tc.cbor, err, tc.json)
			continue
		}
		if err == nil {
			if text, err := codec.ToJSON(nil, compact, codec.JSONStyle{}); err != nil || string(text) != tc.json {
				t.Errorf("%s: %s, %v, want %s", tc.cbor, text, err, tc.json)
			}
		}
	}
}

// TestMaxEncoded: how large what Encode makes of one value may be.
func TestMaxEncoded(t *testing.T) {
	vm := squirrel.New(testVM, 16<<20)
	for _, tc := range []struct {
		x   squirrel.Value
		err bool
	}{
		{vm.NewBlob(make([]byte, MaxEncoded)), false},
		{vm.NewBlob(make([]byte, MaxEncoded+1)), true},
		{vm.NewString(strings.Repeat("x", MaxEncoded)), false},
		{vm.NewString(strings.Repeat("x", MaxEncoded+1)), true},
	} {
		if out, _, err := Encode(nil, vm, tc.x, ForMessage); (err != nil) != tc.err {
			t.Errorf("%s of %d bytes: %d bytes, %v", tc.x.Type(), len(vm.Bytes(tc.x)), len(out), err)
		}
	}
}

// TestRestoreRefusesDamage: a Core's own part of a snapshot that is cut short or
// no CBOR is refused.
func TestRestoreRefusesDamage(t *testing.T) {
	c, cfg := coreForTest(t, "imp.wakeup(1, @() null);")
	data, err := c.Snapshot([]byte("machine"))
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.Index(data, []byte("machine"))
	for i := range end + len("machine") {
		if _, err := new(Core).Restore(cfg, data[:i], time.Unix(2, 0)); err == nil {
			t.Errorf("%d bytes of %d are taken", i, len(data))
		}
	}
	for i, damage := range map[int]byte{0: snapshotVersion + 1, 2: 0xff} {
		damaged := bytes.Clone(data)
		damaged[i] = damage
		if _, err := new(Core).Restore(cfg, damaged, time.Unix(2, 0)); err == nil {
			t.Errorf("with byte %d damaged it is taken", i)
		}
	}
}
