// Package chance has random numbers for what must be repeatable: a source's whole state is one number,
// which can be copied with the rest of a world.
package chance

import "time"

// Source is a source of random numbers: SplitMix64. Its value is the seed.
type Source uint64

// Next returns a number.
func (s *Source) Next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Below returns a number below n, which is not 0.
func (s *Source) Below(n uint64) uint64 { return s.Next() % n }

// Between returns a duration of at least low, and less than high.
func (s *Source) Between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.Below(uint64(high-low)))
}

// Share returns a number of at least 0, and less than 1.
func (s *Source) Share() float64 { return float64(s.Next()>>11) / (1 << 53) }
