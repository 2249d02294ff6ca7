package squirrel

import "math"

// Value is one Squirrel value: a 32-bit tag in the high half and a 32-bit
// payload in the low half. The payload of an integer, float or bool is its
// bits; of a native function its number; of everything else the word offset
// of an object in the VM's arena. The zero Value is null.
//
// A Value that refers to the arena is valid until the VM next runs or collects,
// because objects move then. Values that must last belong in VM.Registry.
type Value uint64

// Null is the null value.
const Null Value = 0

// Tags. All from tagString up refer to the arena; kinds of arena objects have the
// number of their tag.
const (
	tagNull   = 0
	tagInt    = 1
	tagFloat  = 2
	tagBool   = 3
	tagNative = 4

	tagString    = 8 // short and interned: equal strings are the same word
	tagLong      = 9 // longer than maxShort, compared by content
	tagTable     = 10
	tagArray     = 11
	tagClosure   = 12
	tagGenerator = 13
	tagClass     = 14
	tagInstance  = 15
	tagWeak      = 16
	tagBound     = 17 // a native function bound to an environment

	// Objects that are never the value of a Squirrel variable.
	tagCell   = 18 // a captured variable
	tagNodes  = 19 // the nodes of a table
	tagVector = 20 // values: the elements of an array, the stack
	tagBytes  = 21 // bytes: the content of long strings and blobs

	tagForward = 31 // the collector has moved the object
)

const (
	heapStart  = Value(tagString) << 32
	valFalse   = Value(tagBool) << 32
	valTrue    = Value(tagBool)<<32 | 1
	intTag     = Value(tagInt) << 32
	floatTag   = Value(tagFloat) << 32
	negZero    = floatTag | 0x80000000
	noValue    = Value(0xffffffff) << 32 // absent; never visible to a program
	maxShort   = 40                      // bytes; longer strings are not interned
	maxObjSize = 1<<24 - 1               // words
)

// Int returns an integer value.
func Int(i int32) Value { return intTag | Value(uint32(i)) }

// Float returns a float value.
func Float(f float32) Value { return floatTag | Value(math.Float32bits(f)) }

// Bool returns true or false.
func Bool(b bool) Value {
	if b {
		return valTrue
	}
	return valFalse
}

func ref(tag int, off uint32) Value { return Value(tag)<<32 | Value(off) }

func (x Value) tag() uint32     { return uint32(x >> 32) }
func (x Value) off() uint32     { return uint32(x) }
func (x Value) isHeap() bool    { return x >= heapStart }
func (x Value) isInt() bool     { return x>>32 == tagInt }
func (x Value) isFloat() bool   { return x>>32 == tagFloat }
func (x Value) isNumber() bool  { return x>>32-1 <= 1 }
func (x Value) isString() bool  { return x>>33 == tagString>>1 }
func (x Value) isTable() bool   { return x>>32 == tagTable }
func (x Value) isArray() bool   { return x>>32 == tagArray }
func (x Value) isClosure() bool { return x>>32 == tagClosure }
func (x Value) isClass() bool   { return x>>32 == tagClass }
func (x Value) isInst() bool    { return x>>32 == tagInstance }

func (x Value) isFunction() bool {
	t := x.tag()
	return t == tagClosure || t == tagNative || t == tagBound
}

// IsNull reports whether x is null.
func (x Value) IsNull() bool { return x == 0 }

// AsInt returns the value of an integer, the integral part of a float, and 1 or 0 for a
// bool.
func (x Value) AsInt() int32 {
	if x.isFloat() {
		return floatToInt(x.AsFloat())
	}
	return int32(uint32(x))
}

// AsFloat returns the value of a float, or of an integer as a float.
func (x Value) AsFloat() float32 {
	if x.isInt() {
		return float32(int32(uint32(x)))
	}
	return math.Float32frombits(uint32(x))
}

// AsBool reports whether x is the value true.
func (x Value) AsBool() bool { return x == valTrue }

// Number returns x as a float, and whether x is a number at all.
func (x Value) Number() (float32, bool) {
	if !x.isNumber() {
		return 0, false
	}
	return x.AsFloat(), true
}

// Truthy reports whether x counts as true: all values but null, false, 0 and 0.0.
func (x Value) Truthy() bool {
	return !(uint32(x) == 0 && x < heapStart && x>>32 != tagNative || x == negZero)
}

// floatToInt truncates as the C reference does on x86: a value that does not fit
// becomes the smallest integer.
func floatToInt(f float32) int32 {
	if f >= -2147483648 && f < 2147483648 {
		return int32(f)
	}
	return math.MinInt32
}

// Type is the type of a value as programs see it.
type Type uint8

// The types.
const (
	TypeNull Type = iota
	TypeInteger
	TypeFloat
	TypeBool
	TypeString
	TypeTable
	TypeArray
	TypeFunction
	TypeGenerator
	TypeClass
	TypeInstance
	TypeWeakRef
	typeCount
)

var typeNames = [...]string{
	"null", "integer", "float", "bool", "string", "table", "array", "function", "generator",
	"class", "instance", "weakref",
}

// String returns the name of the type, as typeof does.
func (t Type) String() string { return typeNames[t] }

var tagTypes = [32]Type{
	tagNull: TypeNull, tagInt: TypeInteger, tagFloat: TypeFloat, tagBool: TypeBool, tagNative: TypeFunction,
	tagString: TypeString, tagLong: TypeString, tagTable: TypeTable, tagArray: TypeArray, tagClosure: TypeFunction,
	tagGenerator: TypeGenerator, tagClass: TypeClass, tagInstance: TypeInstance, tagWeak: TypeWeakRef,
	tagBound: TypeFunction,
}

// Type returns the type of x.
func (x Value) Type() Type { return tagTypes[x.tag()&31] }
