package squirrel

import "math"

// randMax is the largest integer that rand() returns, as in glibc.
const randMax = math.MaxInt32

// AddMath adds the mathematical functions with prefix before their names: ""
// places them at the root, as the stock library does, "math." in a table. PI
// and RAND_MAX are at the root in either case.
//
// rand() continues a sequence that is part of the machine's state, and so of a
// snapshot; VM.Seed starts it. Where the functions are in a table, as on imps, srand()
// has no effect: the host sets the seed.
func AddMath(l *Library, prefix string) {
	for _, f := range []struct {
		name    string
		fn      func(float64) float64
		invalid uint32 // bits of the NaN that is the result for an invalid argument
	}{
		{"sqrt", math.Sqrt, minusNaN}, {"sin", math.Sin, minusNaN}, {"cos", math.Cos, minusNaN},
		{"tan", math.Tan, minusNaN}, {"log", math.Log, minusNaN}, {"log10", math.Log10, plusNaN},
		{"asin", math.Asin, plusNaN}, {"acos", math.Acos, plusNaN}, {"atan", math.Atan, minusNaN},
		{"floor", math.Floor, minusNaN}, {"ceil", math.Ceil, minusNaN}, {"exp", math.Exp, minusNaN},
	} {
		l.Func(prefix+f.name, Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
			x := c.Float(1)
			if x != x {
				return c.Arg(1), nil
			}
			return floatResult(f.fn(float64(x)), f.invalid), nil
		}})
	}
	l.Func(prefix+"fabs", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		return Float(math.Float32frombits(math.Float32bits(c.Float(1)) &^ (1 << 31))), nil
	}})
	for _, f := range []struct {
		name string
		fn   func(x, y float64) float64
	}{{"atan2", math.Atan2}, {"pow", math.Pow}} {
		l.Func(prefix+f.name, Native{Check: 3, Mask: ".nn", Fn: func(c *Call) (Value, error) {
			return floatResult(f.fn(float64(c.Float(1)), float64(c.Float(2))), minusNaN), nil
		}})
	}
	l.Func(prefix+"abs", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		i := c.Int(1)
		return Int(max(i, -i)), nil
	}})
	l.Func(prefix+"rand", Native{Check: 1, Fn: func(c *Call) (Value, error) {
		return Int(int32(c.v.random() >> 33)), nil
	}})
	l.Func(prefix+"srand", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		if prefix == "" {
			c.v.Seed(uint64(uint32(c.Int(1))))
		}
		return Null, nil
	}})
	for _, p := range []string{prefix, ""}[:1+min(len(prefix), 1)] {
		l.Const(p+"RAND_MAX", randMax)
		l.Const(p+"PI", math.Pi)
	}
}

// Programs see the sign of a NaN when they print it. These are the signs of the C
// library on x86.
const (
	plusNaN  = 0x7fc00000
	minusNaN = 0xffc00000
)

// floatResult rounds to a float.
func floatResult(x float64, invalid uint32) Value {
	if math.IsNaN(x) {
		return Float(math.Float32frombits(invalid))
	}
	return Float(float32(x))
}

// randKey is where the registry holds the state of rand(): an array of its
// low and high half. A machine that was never seeded has the state 0.
const randKey = "math.rand"

// Seed starts the sequence of rand(). The same seed gives the same sequence.
func (v *VM) Seed(n uint64) {
	a := v.newArray(2)
	*v.arraySlot(a, 0) = Int(int32(uint32(n)))
	*v.arraySlot(a, 1) = Int(int32(uint32(n >> 32)))
	v.SetField(v.registry, randKey, ref(tagArray, a))
}

// random returns 64 bits of the sequence: SplitMix64.
func (v *VM) random() uint64 {
	state := v.Field(v.registry, randKey)
	if v.Len(state) != 2 || !state.isArray() {
		v.Seed(0)
		state = v.Field(v.registry, randKey)
	}
	low, high := v.arraySlot(state.off(), 0), v.arraySlot(state.off(), 1)
	z := uint64(lo(*high))<<32 | uint64(lo(*low))
	z += 0x9e3779b97f4a7c15
	*low, *high = Int(int32(uint32(z))), Int(int32(uint32(z>>32)))
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
