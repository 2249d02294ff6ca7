package main

import (
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
)

// memorySize is a number of bytes, written with a unit.
type memorySize int64

// leastMemory is less than any node can do with.
const leastMemory = 32 << 20

// UnmarshalText reads a size such as 512MiB, 2GiB or 2GB.
func (m *memorySize) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"MiB", 1 << 20}, {"GiB", 1 << 30}, {"MB", 1e6}, {"GB", 1e9}} {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	// A comparison with NaN is false.
	if err != nil || !(n > 0 && n*float64(unit) < 1<<60) {
		return tandem.Errorf(tandem.Invalid, "--memory %s is not a size such as 512MiB or 2GiB", text)
	}
	if *m = memorySize(n * float64(unit)); *m < leastMemory {
		return tandem.Errorf(tandem.Invalid, "--memory %s is too little: a node needs at least %d MiB",
			text, leastMemory>>20)
	}
	return nil
}
