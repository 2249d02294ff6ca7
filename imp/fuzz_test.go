package imp

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/squirrel"
)

// The fuzzer compares values by a model of them: nil, bool, int32, float32 by
// its bits, string, blob, []any and map[string]any.
type (
	bits uint32
	blob string
)

func model(t *testing.T, compact []byte) any {
	t.Helper()
	r := codec.NewReader(compact)
	x := modelItem(&r, r.Next())
	if err := r.Close(); err != nil {
		t.Fatalf("%x: %v", compact, err)
	}
	return x
}

func modelItem(r *codec.Reader, it codec.Item) any {
	switch it.Kind {
	case codec.False, codec.True:
		return it.Kind == codec.True
	case codec.Integer:
		return it.Int
	case codec.Float:
		return bits(math.Float32bits(it.Float))
	case codec.String:
		return string(it.Bytes)
	case codec.Blob:
		return blob(it.Bytes)
	case codec.Array:
		list := []any{}
		for it = r.Next(); r.Err() == nil && it.Kind != codec.End; it = r.Next() {
			list = append(list, modelItem(r, it))
		}
		return list
	case codec.Table:
		table := map[string]any{}
		for k, ok := r.Key(); ok; k, ok = r.Key() {
			table[string(k)] = modelItem(r, r.Next())
		}
		return table
	}
	return nil
}

// travelled returns what becomes of a model in a message: strings that are not
// safe are blobs, and slots whose key is none are left out.
func travelled(x any) any {
	switch x := x.(type) {
	case string:
		if !codec.Safe([]byte(x)) {
			return blob(x)
		}
	case []any:
		list := make([]any, len(x))
		for i, e := range x {
			list[i] = travelled(e)
		}
		return list
	case map[string]any:
		table := map[string]any{}
		for k, e := range x {
			if codec.Safe([]byte(k)) {
				table[k] = travelled(e)
			}
		}
		return table
	}
	return x
}

// decodeGrowth is the most bytes of memory that a byte of the encoding gives:
// a table with one slot has four bytes. Tables that have begun but not ended
// when the data ends take more, but there are only codec.MaxDepth.
const (
	decodeGrowth = 40
	decodeStart  = codec.MaxDepth * 150
)

// FuzzDecode: input of any kind gives an error or a value and takes little
// memory, and the value is encoded as the same one, in the shortest form.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"\x00", "\x41", "\x7f", "\x03\x80\x01", "\x03\x01", "\x03\xff\xff\xff\xff\x0f", "\x03\xff\xff\xff\xff\x1f", "\x08\x21a\x07\x41\x42\x09\x09",
		"\x04\x00\x00\x20\x40", "\x04\x00\x00\xc0\x7f", "\x04\x01\x00\x80\x7f", "\x04\x00\x00\x00\x80", "\x05\x28" + strings.Repeat("x", 40), "\x05\x01x",
		"\x06\x02\xff\x00", "\x06\x01x", "\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x22\xff\xfe", "\x21\x00", "\x07", "\x09", "\x08\x21a\x09",
		"\x08\x21a\x41\x21a\x42\x09", "\x08\x21\x00\x41\x09", "\x08\x41\x41\x09", "\x07" + strings.Repeat("\x08\x09", 20) + "\x09",
		strings.Repeat("\x07", 64) + strings.Repeat("\x09", 64), strings.Repeat("\x07", 65) + strings.Repeat("\x09", 65),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		vm := squirrel.New(testVM, 16<<20)
		free := vm.MemoryFree()
		x, err := Decode(vm, data)
		if used := free - vm.MemoryFree(); used > decodeGrowth*len(data)+decodeStart {
			t.Fatalf("%x: %d bytes take %d", data, len(data), used)
		}
		if _, other := codec.TranscodeCBOR(data); (other == nil) != (err == nil) {
			t.Fatalf("%x: a VM says %v, codec %v", data, err, other)
		}
		if err != nil {
			return
		}
		want := travelled(model(t, data))
		once, _, err := Encode(nil, vm, x, ForMessage)
		if err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		if got := model(t, once); !reflect.DeepEqual(got, want) {
			t.Fatalf("%x becomes %x: %v, not %v", data, once, got, want)
		}
		checkShortest(t, once)
		twice, err := roundTrip(once)
		if err != nil || !reflect.DeepEqual(model(t, twice), model(t, once)) {
			t.Fatalf("%x becomes %x, then %x, %v", data, once, twice, err)
		}
	})
}

// checkShortest: package codec, which writes the shortest form, writes the same
// bytes when a value comes back from CBOR.
func checkShortest(t *testing.T, compact []byte) {
	item, err := codec.TranscodeCBOR(compact)
	if err != nil {
		t.Fatalf("%x: %v", compact, err)
	}
	if back, err := codec.FromCBOR(nil, item); err != nil || !bytes.Equal(back, compact) {
		t.Fatalf("%x comes back from CBOR as %x, %v", compact, back, err)
	}
}
