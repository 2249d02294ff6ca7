package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// The fuzzers compare with the libraries of others by way of a model: nil,
// bool, int32, float32 by its bits, string, blob, []any and map[string]any.
type (
	bits uint32
	blob string
)

// modeler is a writer that makes the model of a value in the compact encoding.
type modeler struct {
	stack []modelContainer
	all   any
}

type modelContainer struct {
	list  []any
	table map[string]any
	key   string
}

func (m *modeler) put(x any) {
	if len(m.stack) == 0 {
		m.all = x
		return
	}
	c := &m.stack[len(m.stack)-1]
	if c.table != nil {
		c.table[c.key] = x
	} else {
		c.list = append(c.list, x)
	}
}

func (m *modeler) scalar(it Item) {
	switch it.Kind {
	case Null:
		m.put(nil)
	case False, True:
		m.put(it.Kind == True)
	case Integer:
		m.put(it.Int)
	case Float:
		m.put(bits(math.Float32bits(it.Float)))
	case String:
		m.put(string(it.Bytes))
	case Blob:
		m.put(blob(it.Bytes))
	}
}

func (m *modeler) open(kind byte) {
	c := modelContainer{list: []any{}}
	if kind == Table {
		c.table = map[string]any{}
	}
	m.stack = append(m.stack, c)
}

func (m *modeler) element(byte, int) {}

func (m *modeler) key(k []byte) { m.stack[len(m.stack)-1].key = string(k) }

func (m *modeler) close(byte, int) {
	c := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	if c.table != nil {
		m.put(c.table)
	} else {
		m.put(c.list)
	}
}

func model(t *testing.T, compact []byte) any {
	t.Helper()
	var m modeler
	if err := transcode(compact, &m); err != nil {
		t.Fatalf("%x: %v", compact, err)
	}
	return m.all
}

// change returns a model with every scalar and every key changed.
func change(x any, scalar func(any) any, key func(string) string) any {
	switch x := x.(type) {
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = change(e, scalar, key)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			out[key(k)] = change(e, scalar, key)
		}
		return out
	}
	return scalar(x)
}

func same(k string) string { return k }

// travelled is what becomes of a scalar in a message.
func travelled(x any) any {
	if s, ok := x.(string); ok && !Safe([]byte(s)) {
		return blob(s)
	}
	return x
}

// number is what a machine makes of a JSON number.
func number(t *testing.T, n json.Number) any {
	if i, err := strconv.ParseInt(string(n), 10, 32); err == nil {
		return int32(i)
	}
	f, err := strconv.ParseFloat(string(n), 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		t.Fatal(err)
	}
	return bits(math.Float32bits(float32(f)))
}

// stdJSON returns the model of what encoding/json makes of a text.
func stdJSON(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return change(x, func(x any) any {
		if n, ok := x.(json.Number); ok {
			return number(t, n)
		}
		return x
	}, same)
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
// for the same values, but for numbers, which have 32 bits, and for bytes that
// are not UTF-8, which stay.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`null`, `{"a":[1,2.5,-3e2,"x\n\u00e9\ud83d\ude00",true,false,null]}`, `[[],{}]`, `"`, `1e999`, `-0`, `-0.0`, `[1`, `[1,]`, `01`, `1.`,
		`"\ud800"`, `"\ud800\u0041"`, `"\ud800\ud800\udc00"`, `"\udc00"`, `"\u0000"`, "\"\x00\"", "\"\x7f\"", `16777217`, `3000000000`, `-2147483648`,
		`2147483648`, `1e-46`, `7.038531e-26`, `"` + "\xff" + `"`, `{"a":1,"a":2}`, "{\"\xff\":1,\"\xfe\":2}", `{"a\u0000":"b\u0000"}`, "\ufeff1", " \t\r\n1 ",
		strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := FromJSON(nil, text)
		if err != nil && strings.Contains(err.Error(), ErrTooDeep.Error()) {
			if depth(text) <= MaxDepth {
				t.Fatalf("%q is not so deep", text)
			}
			return
		}
		if valid := json.Valid(text); valid != (err == nil) {
			t.Fatalf("%q: valid is %v for encoding/json, but we say %v", text, valid, err)
		}
		checkMessageJSON(t, text, got, err == nil)
		if err != nil {
			return
		}
		mended, err := FromJSON(nil, []byte(string([]rune(string(text))))) // as encoding/json does it
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if m, want := model(t, mended), stdJSON(t, text); !reflect.DeepEqual(m, want) {
			t.Fatalf("%q: got %v, want %v", text, m, want)
		}
		checkToJSON(t, got)
	})
}

// checkMessageJSON: the data of a message is the value of its JSON text, or
// the text itself, and what is not safe is a blob.
func checkMessageJSON(t *testing.T, text, plain []byte, valid bool) {
	got, err := FromMessageJSON(nil, text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	var want any
	switch {
	case valid:
		want = change(model(t, plain), travelled, same)
	case len(text) > 0:
		want = travelled(string(text))
	}
	if m := model(t, got); !reflect.DeepEqual(m, want) {
		t.Fatalf("%q in a message: got %v, want %v", text, m, want)
	}
}

// checkToJSON: what is written is read as what was there, but for what JSON
// cannot say.
func checkToJSON(t *testing.T, compact []byte) {
	var w rewriter
	if err := transcode(compact, &w); err != nil {
		t.Fatalf("%x: %v", compact, err)
	}
	for _, style := range []JSONStyle{{}, {Spaced: true}, {Short: true}, {Spaced: true, Short: true}} {
		text, err := ToJSON(nil, compact, style)
		if err != nil || !json.Valid(text) || !Safe(text) {
			t.Fatalf("%x, %v: %q, %v", compact, style, text, err)
		}
		back, err := FromJSON(nil, text)
		if err != nil || !w.lossy && !style.Short && !bytes.Equal(back, w.out) {
			t.Fatalf("%x, %v: %q is read as %x, %v", compact, style, text, back, err)
		}
	}
}

// rewriter is a writer that makes the compact encoding again, in its shortest
// form.
type rewriter struct {
	message bool // as a message carries it: strings that are not safe are blobs
	out     []byte
	lossy   bool // there are floats that are no numbers, bytes that are not UTF-8, or blobs
}

func (w *rewriter) scalar(it Item) {
	switch it.Kind {
	case Integer:
		w.out = AppendInteger(w.out, it.Int)
	case Float:
		f := float64(it.Float)
		w.lossy = w.lossy || math.IsNaN(f) || math.IsInf(f, 0)
		w.out = AppendFloat(w.out, it.Float)
	case String:
		if w.message {
			w.out = AppendText(w.out, it.Bytes)
		} else {
			w.key(it.Bytes)
		}
	case Blob:
		w.lossy = true
		w.out = AppendBlob(w.out, it.Bytes)
	default:
		w.out = append(w.out, it.Kind)
	}
}

func (w *rewriter) key(k []byte) {
	w.lossy = w.lossy || !utf8.Valid(k)
	w.out = AppendString(w.out, k)
}

func (w *rewriter) open(kind byte)    { w.out = append(w.out, kind) }
func (w *rewriter) element(byte, int) {}
func (w *rewriter) close(byte, int)   { w.out = append(w.out, End) }

// FuzzCompact: input of any kind gives an error or a value. A Reader and transcode
// agree on which, and the value is the same in all encodings.
func FuzzCompact(f *testing.F) {
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
		r := NewReader(data)
		read := readModel(&r, r.Next())
		err := r.Close()
		var w rewriter
		if other := transcode(data, &w); other != err {
			t.Fatalf("%x: a Reader says %v, transcode %v", data, err, other)
		}
		if err != nil {
			return
		}
		if value := model(t, data); !reflect.DeepEqual(value, read) {
			t.Fatalf("%x: a Reader has %v, transcode %v", data, read, value)
		}
		if value := model(t, w.out); !reflect.DeepEqual(value, read) || len(w.out) > len(data) {
			t.Fatalf("%x is %v, and written again, as %x, %v", data, read, w.out, value)
		}
		checkToJSON(t, data)
		message := rewriter{message: true}
		if err := transcode(data, &message); err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		checkCBOR(t, message.out)
	})
}

// readModel is model, made with a Reader.
func readModel(r *Reader, it Item) any {
	switch it.Kind {
	case False, True:
		return it.Kind == True
	case Integer:
		return it.Int
	case Float:
		return bits(math.Float32bits(it.Float))
	case String:
		return string(it.Bytes)
	case Blob:
		return blob(it.Bytes)
	case Array:
		list := []any{}
		for it = r.Next(); r.Err() == nil && it.Kind != End; it = r.Next() {
			list = append(list, readModel(r, it))
		}
		return list
	case Table:
		table := map[string]any{}
		for k, ok := r.Key(); ok; k, ok = r.Key() {
			table[string(k)] = readModel(r, r.Next())
		}
		return table
	}
	return nil
}

// checkCBOR: a value goes through CBOR as it is, and fxamacker/cbor reads the
// same.
func checkCBOR(t *testing.T, compact []byte) {
	item, err := ToCBOR(nil, compact)
	if err != nil {
		t.Fatal(err)
	}
	back, err := FromCBOR(nil, item)
	if err != nil || !bytes.Equal(back, compact) {
		t.Fatalf("%x as CBOR is %x, which is %x, %v", compact, item, back, err)
	}
	theirs, comparable, err := stdCBOR(item)
	if ours := change(model(t, compact), oneNaN, same); err != nil || !comparable || !reflect.DeepEqual(theirs, ours) {
		t.Fatalf("%x as CBOR is %x, which fxamacker/cbor reads as %v, %v, not %v", compact, item, theirs, err, ours)
	}
}

// oneNaN makes all floats that are no numbers the same.
func oneNaN(x any) any {
	if b, ok := x.(bits); ok && math.IsNaN(float64(math.Float32frombits(uint32(b)))) {
		return bits(math.Float32bits(float32(math.NaN())))
	}
	return x
}

var cborMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		MaxNestedLevels: MaxDepth + 8, UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: 1 << 20,
		MaxMapPairs: 1 << 20,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// stdCBOR returns the model of what fxamacker/cbor makes of an item; not
// comparable are items that mean more to it than to us.
func stdCBOR(data []byte) (value any, comparable bool, err error) {
	var x any
	if err := cborMode.Unmarshal(data, &x); err != nil {
		return nil, false, err
	}
	comparable = true
	return cborModel(x, &comparable), comparable, nil
}

func cborModel(x any, comparable *bool) any {
	switch x := x.(type) {
	case nil, bool:
		return x
	case uint64:
		if x <= math.MaxInt32 {
			return int32(x)
		}
		return bits(math.Float32bits(float32(x)))
	case int64:
		if x >= math.MinInt32 {
			return int32(x)
		}
		return bits(math.Float32bits(float32(x)))
	case float64:
		return oneNaN(bits(math.Float32bits(float32(x))))
	case string:
		return travelled(x)
	case []byte:
		return blob(x)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = cborModel(e, comparable)
		}
		return out
	case map[any]any:
		return cborTable(x, comparable)
	case cbor.Tag:
		return cborModel(x.Content, comparable)
	}
	*comparable = false // a time, a simple value, an integer beyond 64 bits
	return nil
}

func cborTable(x map[any]any, comparable *bool) any {
	out := map[string]any{}
	for k, e := range x {
		name := ""
		switch k := k.(type) {
		case string:
			name = k
		case uint64:
			name = strconv.FormatUint(k, 10)
		case int64:
			name = strconv.FormatInt(k, 10)
		default:
			*comparable = false
		}
		if _, twice := out[name]; twice {
			*comparable = false // 1 and "1"
		}
		out[name] = cborModel(e, comparable)
	}
	return out
}

// FuzzCBOR compares with fxamacker/cbor: what we take is well-formed and the
// same value, and what we refuse has no counterpart in a program.
func FuzzCBOR(f *testing.F) {
	for _, v := range []any{
		nil, 1, -1, int64(1 << 31), -1 << 31, int64(-1<<31 - 1), int64(1 << 40), int64(-1 << 40), uint64(math.MaxUint64), 1.5,
		math.Copysign(0, -1), 1e300, math.NaN(), math.Inf(-1), "x", "é\x00", []byte{1, 0xff},
		map[string]any{"a": []any{1, "b"}}, map[int]int{1: 2, -3: 4}, map[any]any{1: 2, "1": 3},
	} {
		data, err := cbor.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{
		"\x9f\x01\x02\xff", "\x7f\x61a\x61b\xff", "\x5f\x41a\x7f\xff\xff", "\xf9\x3c\x00", "\xf9\x7e\x01", "\xbf\x61a\x01\xff", "\xbf\x61a\xff", "\xff", "\x61\xff", "\xf7", "\xf8\x14", "\xf8\xff",
		"\xc1\x1a\x00\x00\x00\x05", "\xc2\x41\x01", "\xd8\x20\x61a", "\x3b\x00\x00\x00\x00\x80\x00\x00\x80", "\x3b\xff\xff\xff\xff\xff\xff\xff\xff", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
		"\xbb\x00\x00\x00\x01\x00\x00\x00\x00", "\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "\x1c", strings.Repeat("\x81", 64) + "\x80", strings.Repeat("\xc6", 300) + "\x01", strings.Repeat("\x9f", 100000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		compact, err := FromCBOR(nil, data)
		theirs, comparable, theirErr := stdCBOR(data)
		if err != nil {
			documented := errors.Is(err, ErrTooDeep) || errors.Is(err, errCBORKind) || errors.Is(err, errCBORKey)
			// Where an int has 32 bits it takes a length of 1<<32 for none.
			cut := strconv.IntSize == 32 && errors.Is(err, errCBOREnd)
			if theirErr == nil && !documented && !cut {
				t.Fatalf("%x: we say %v, fxamacker/cbor reads %v", data, err, theirs)
			}
			return
		}
		if err := cbor.Wellformed(data); err != nil && !strings.Contains(err.Error(), "exceeded max") {
			t.Fatalf("%x: taken as %x, but %v", data, compact, err)
		}
		value := model(t, compact)
		if ours := change(value, oneNaN, same); theirErr == nil && comparable && !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%x: we read %v, fxamacker/cbor %v", data, ours, theirs)
		}
		checkToJSON(t, compact)
	})
}
