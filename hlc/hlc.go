// Package hlc is a hybrid logical clock: time stamps that are close to the
// wall clock and never contradict causality.
//
// Whoever does something that others can notice takes a stamp with Now and
// sends it along; whoever notices calls Observe with it before doing anything
// of its own. Then, of two things of which one could have caused the other, the
// cause has the smaller stamp, whatever the wall clocks of the machines say.
//
//	stamp := clock.Now()     // a line is logged, a message leaves
//	clock.Observe(received)  // a message has come
//
// Stamps of one clock are all different and always grow, also when the wall
// clock is set back. A stamp may run ahead of the wall clock: by what the
// wall clock was set back, by how fast another machine's runs, and by one
// millisecond for every 65,536 stamps taken within one.
package hlc

import (
	"strconv"
	"sync/atomic"
	"time"
)

// counterBits is how much of a stamp counts within one millisecond.
const counterBits = 16

// MaxAhead is how far a stamp from elsewhere may be ahead of our wall clock.
// One that is further ahead is not believed: a single broken clock would
// otherwise drag everybody's along for as long as it is wrong.
const MaxAhead = time.Minute

// A Timestamp is milliseconds since 1970 in its upper 48 bits and a counter in
// its lower 16. Zero means no stamp.
type Timestamp uint64

// At returns the first stamp of the millisecond of t.
func At(t time.Time) Timestamp {
	return Timestamp(max(t.UnixMilli(), 0)) << counterBits
}

// Time returns the millisecond that t lies in.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t >> counterBits)) }

// String returns the decimal form, which is how stamps travel as text.
func (t Timestamp) String() string { return strconv.FormatUint(uint64(t), 10) }

// Parse reads what String wrote.
func Parse(s string) (Timestamp, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	return Timestamp(n), err
}

// Clock is a hybrid logical clock. The zero Clock follows time.Now. It is safe
// for concurrent use and must not be copied.
type Clock struct {
	wall func() time.Time // nil: time.Now
	last atomic.Uint64    // the newest stamp taken or observed
}

// New returns a clock that follows wall instead of time.Now.
func New(wall func() time.Time) *Clock { return &Clock{wall: wall} }

func (c *Clock) now() Timestamp {
	if c.wall == nil {
		return At(time.Now())
	}
	return At(c.wall())
}

// Now returns a stamp greater than every stamp this clock has returned or
// believed before. A full counter carries into the milliseconds.
func (c *Clock) Now() Timestamp {
	wall := uint64(c.now())
	for {
		last := c.last.Load()
		next := max(wall, last+1)
		if c.last.CompareAndSwap(last, next) {
			return Timestamp(next)
		}
	}
}

// Observe makes every later stamp of this clock greater than t. It reports
// whether t was believed; see MaxAhead.
func (c *Clock) Observe(t Timestamp) bool {
	if t > c.now()+At(time.UnixMilli(MaxAhead.Milliseconds())) {
		return false
	}
	for {
		last := c.last.Load()
		if uint64(t) <= last || c.last.CompareAndSwap(last, uint64(t)) {
			return true
		}
	}
}
