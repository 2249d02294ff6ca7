package device

import (
	"math"
	"testing"
)

// TestALaw: codes of G.711, and that a sample comes back about as it was.
func TestALaw(t *testing.T) {
	for x, want := range map[int16]byte{
		0: 0xD5, -1: 0x55, 8: 0xD5, 16: 0xD4, 1000: 0xFA, math.MaxInt16: 0xAA, math.MinInt16: 0x2A,
	} {
		if got := compressALaw(x); got != want {
			t.Errorf("%d: code %#x, want %#x", x, got, want)
		}
	}
	for x := math.MinInt16; x <= math.MaxInt16; x++ {
		got := int(expandALaw(compressALaw(int16(x))))
		if off := math.Abs(float64(got - x)); off > math.Max(16, math.Abs(float64(x))/16) {
			t.Fatalf("%d comes back as %d", x, got)
		}
	}
	for code := range 256 {
		if got := compressALaw(expandALaw(byte(code))); got != byte(code) {
			t.Errorf("code %#x comes back as %#x", code, got)
		}
	}
}
