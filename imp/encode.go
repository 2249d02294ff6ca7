package imp

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/text"
)

// Purpose is the purpose of an encoding. It decides which values can be serialised;
// docs/serialisation.md has the whole table.
type Purpose uint8

const (
	// ForMessage makes blobs of strings that are not safe; keys must be safe
	// strings.
	ForMessage Purpose = iota
	// ForJSON allows no blobs and no strings that are not safe, and makes null of floats
	// that are not finite. Keys that are numbers or bools become text.
	ForJSON
	// ForSaveJSON is ForJSON, but keys must be safe strings.
	ForSaveJSON
)

// Encode appends to dst the compact encoding of x. Slots and elements that cannot be
// serialised are left out; dropped has a line for each of the first ones, and one that
// counts the others. The error, for a value that cannot be serialised itself, is a text
// for the program. A weak reference counts as the object that it refers to.
// Source: https://developer.electricimp.com/resources/serialisablesquirrel.
func Encode(dst []byte, vm *squirrel.VM, x squirrel.Value, p Purpose) (out []byte, dropped []string, err error) {
	e := encoder{vm: vm, out: dst, purpose: p}
	if err := e.value(vm.Referent(x), 0); err != nil {
		return dst, nil, err
	}
	if e.more > 0 {
		e.dropped = append(e.dropped, fmt.Sprintf("%d more were left out", e.more))
	}
	return e.out, e.dropped, nil
}

// LeftOutDoc says in the documentation of a function that serialises what becomes of values
// that cannot be.
const LeftOutDoc = "Slots and elements that cannot be serialised are left out, and an error is logged for them."

// MaxEncoded is the limit of Encode's result in bytes. A structure whose parts are
// used many times can be far larger encoded than in memory.
const MaxEncoded = 1 << 20

// refusal is the reason why a value cannot be encoded. Programs get the text, so it
// is that of the imp API.
type refusal string

func (r refusal) Error() string { return "Cannot serialize " + string(r) }

var errTooLarge = refusal(fmt.Sprintf("more than %d bytes", MaxEncoded))

type encoder struct {
	vm      *squirrel.VM
	out     []byte
	purpose Purpose
	dropped []string
	more    int                            // left out, without a line in dropped
	path    [codec.MaxDepth]squirrel.Value // the containers around the current value
	keys    [codec.MaxDepth]squirrel.Value // where the current value is in each of them
}

const errCycle = refusal("a structure that contains itself")

func cannot(what string) error { return refusal("a " + what) }

// itemCost is the fuel of encoding or decoding an item, beside that for its bytes.
const itemCost = 2

// pay pays for an item of n bytes.
func (e *encoder) pay(n int) error { return e.vm.Charge(itemCost + n>>2) }

// fatal reports whether an error ends the encoding of the whole value.
func (e *encoder) fatal(err error) bool {
	return err == errTooLarge || e.vm.Stopped() != squirrel.Done
}

func (e *encoder) value(x squirrel.Value, depth int) error {
	if err := e.pay(0); err != nil {
		return err
	}
	switch x.Type() {
	case squirrel.TypeNull:
		e.out = append(e.out, codec.Null)
	case squirrel.TypeBool:
		tag := byte(codec.False)
		if x.AsBool() {
			tag = codec.True
		}
		e.out = append(e.out, tag)
	case squirrel.TypeInteger:
		e.out = codec.AppendInteger(e.out, x.AsInt())
	case squirrel.TypeFloat:
		f := float64(x.AsFloat())
		if e.purpose != ForMessage && (math.IsNaN(f) || math.IsInf(f, 0)) {
			e.out = append(e.out, codec.Null)
			break
		}
		e.out = codec.AppendFloat(e.out, x.AsFloat())
	case squirrel.TypeString:
		return e.string(e.vm.Bytes(x))
	case squirrel.TypeTable, squirrel.TypeArray:
		return e.container(x, depth)
	case squirrel.TypeInstance:
		if !e.vm.IsBlob(x) {
			return cannot(x.Type().String())
		}
		if e.purpose != ForMessage {
			return cannot("blob in JSON")
		}
		b := e.vm.Bytes(x)
		if len(e.out)+len(b) > MaxEncoded {
			return errTooLarge
		}
		if err := e.pay(len(b)); err != nil {
			return err
		}
		e.out = codec.AppendBlob(e.out, b)
	default:
		return cannot(x.Type().String())
	}
	return nil
}

func (e *encoder) string(s []byte) error {
	if len(e.out)+len(s) > MaxEncoded { // the value may occur many times and be in memory once
		return errTooLarge
	}
	if err := e.pay(len(s)); err != nil {
		return err
	}
	switch {
	case e.purpose == ForMessage:
		e.out = codec.AppendText(e.out, s)
	case codec.Safe(s):
		e.out = codec.AppendString(e.out, s)
	default:
		return cannot("string in JSON that is not UTF-8 or holds a NUL")
	}
	return nil
}

func (e *encoder) container(x squirrel.Value, depth int) error {
	if depth >= codec.MaxDepth {
		return refusal("this: " + codec.ErrTooDeep.Error())
	}
	if len(e.out) > MaxEncoded {
		return errTooLarge
	}
	if err := e.pay(depth); err != nil {
		return err
	}
	for _, around := range e.path[:depth] {
		if around == x {
			return errCycle
		}
	}
	e.path[depth] = x
	if x.Type() == squirrel.TypeTable {
		return e.table(x, depth)
	}
	e.out = append(e.out, codec.Array)
	for i := range e.vm.Len(x) {
		at := len(e.out)
		e.keys[depth] = squirrel.Int(int32(i))
		if err := e.value(e.vm.Index(x, i), depth+1); err != nil {
			if e.fatal(err) {
				return err
			}
			e.out = e.out[:at]
			e.drop(depth, err)
		}
	}
	e.out = append(e.out, codec.End)
	return nil
}

func (e *encoder) table(x squirrel.Value, depth int) error {
	e.out = append(e.out, codec.Table)
	for i, key, val, ok := e.vm.Next(x, 0); ok; i, key, val, ok = e.vm.Next(x, i) {
		at := len(e.out)
		e.keys[depth] = key
		err := e.key(key)
		if err == nil {
			err = e.value(val, depth+1)
		}
		if err != nil {
			if e.fatal(err) {
				return err
			}
			e.out = e.out[:at]
			e.drop(depth, err)
		}
	}
	e.out = append(e.out, codec.End)
	return nil
}

// drop notes that a value of a container at a depth was left out. The number of notes is
// limited.
func (e *encoder) drop(depth int, err error) {
	const enough = 10
	if len(e.dropped) == enough {
		e.more++
		return
	}
	size := 0
	for _, key := range e.keys[:depth+1] {
		size += keyCost + e.vm.Len(key)
	}
	if e.pay(dropCost+size) == nil {
		e.dropped = append(e.dropped, fmt.Sprintf("'%s' was left out: %v", e.place(depth), err))
	}
}

// place names the current value of the container at a depth as a program would, from the
// value that is encoded on: rows[2].name.
func (e *encoder) place(depth int) string {
	var b strings.Builder
	for i, key := range e.keys[:depth+1] {
		switch {
		case e.path[i].Type() == squirrel.TypeArray:
			fmt.Fprintf(&b, "[%d]", key.AsInt())
		case i == 0:
			b.WriteString(e.keyText(key))
		default:
			b.WriteString("." + e.keyText(key))
		}
	}
	return b.String()
}

const keyCost = 8 // bytes' worth, of a key in a place

const dropCost = 500 // bytes' worth

func (e *encoder) key(key squirrel.Value) error {
	if key.Type() == squirrel.TypeString {
		s := e.vm.Bytes(key)
		if len(e.out)+len(s) > MaxEncoded {
			return errTooLarge
		}
		if err := e.pay(len(s)); err != nil {
			return err
		}
		if !codec.Safe(s) {
			return cannot("table with a key that is not UTF-8 or holds a NUL")
		}
		e.out = codec.AppendString(e.out, s)
		return nil
	}
	if e.purpose != ForJSON {
		return cannot("table with a key that is not a string but of type " + key.Type().String())
	}
	switch key.Type() {
	case squirrel.TypeInteger, squirrel.TypeFloat, squirrel.TypeBool:
		e.out = codec.AppendString(e.out, e.keyText(key))
		return nil
	}
	return cannot("table with a key of type " + key.Type().String())
}

func (e *encoder) keyText(key squirrel.Value) string {
	switch key.Type() {
	case squirrel.TypeString:
		return LogText(e.vm.Bytes(key))
	case squirrel.TypeInteger:
		return text.FormatInt(key.AsInt())
	case squirrel.TypeFloat:
		return text.FormatFloat(key.AsFloat())
	case squirrel.TypeBool:
		return strconv.FormatBool(key.AsBool())
	}
	return key.Type().String()
}

// Decode makes the value of data, which is in the compact encoding.
func Decode(vm *squirrel.VM, data []byte) (squirrel.Value, error) {
	d := decoder{vm: vm, Reader: codec.NewReader(data)}
	x := d.value(d.Next())
	if d.unpaid != nil {
		return squirrel.Null, d.unpaid
	}
	return x, d.Close()
}

type decoder struct {
	vm *squirrel.VM
	codec.Reader
	unpaid error
}

// pay pays for an item. It reports whether the decoding goes on.
func (d *decoder) pay(b []byte) bool {
	if d.good() {
		d.unpaid = d.vm.Charge(itemCost + len(b)>>3)
	}
	return d.good()
}

func (d *decoder) good() bool { return d.Err() == nil && d.unpaid == nil }

func (d *decoder) value(it codec.Item) squirrel.Value {
	vm := d.vm
	if !d.pay(it.Bytes) {
		return squirrel.Null
	}
	switch it.Kind {
	case codec.False, codec.True:
		return squirrel.Bool(it.Kind == codec.True)
	case codec.Integer:
		return squirrel.Int(it.Int)
	case codec.Float:
		return squirrel.Float(it.Float)
	case codec.String:
		return vm.NewStringBytes(it.Bytes)
	case codec.Blob:
		return vm.NewBlob(it.Bytes)
	case codec.Array:
		a := vm.NewArray()
		for it = d.Next(); it.Kind != codec.End && d.good(); it = d.Next() {
			vm.Append(a, d.value(it))
		}
		return a
	case codec.Table:
		t := vm.NewTable()
		for k, ok := d.Key(); ok && d.pay(k); k, ok = d.Key() {
			key := vm.NewStringBytes(k)
			vm.Set(t, key, d.value(d.Next()))
		}
		return t
	}
	return squirrel.Null
}
