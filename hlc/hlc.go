// Package hlc is a hybrid logical clock: time stamps that are close to the
// wall clock and never contradict causality.
//
// A node takes a stamp with Now for each event that others can observe and sends
// the stamp along. A node that receives a stamp calls Observe with it before it
// does anything else. Then, of two events of which one could have caused the
// other, the cause has the smaller stamp, whatever the machines' wall clocks show.
//
//	stamp := clock.Now()     // a line is logged, a message leaves
//	clock.Observe(received)  // a message was received
//
// Stamps of one clock are all different and always grow, also when the wall
// clock is set back. A stamp may be ahead of the wall clock: by the time by which
// the wall clock was set back, by the lead of another machine's wall clock, and by
// one millisecond for every 65,536 stamps taken within one.
package hlc

import (
	"strconv"
	"sync/atomic"
	"time"
)

// counterBits is the number of bits that count the stamps of one millisecond.
const counterBits = 16

// MaxAhead is how far a received stamp may be ahead of the wall clock. A stamp
// further ahead is ignored: otherwise one machine with a wrong clock would put the
// clocks of all others ahead.
const MaxAhead = time.Minute

// A Timestamp is milliseconds since 1970 in its upper 48 bits and a counter in
// its lower 16. Zero means no stamp.
type Timestamp uint64

// At returns the first stamp of the millisecond of t.
func At(t time.Time) Timestamp {
	return Timestamp(max(t.UnixMilli(), 0)) << counterBits
}

// Time returns the millisecond of t.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t >> counterBits)) }

// String returns t in decimal, the form in which stamps are sent as text.
func (t Timestamp) String() string { return strconv.FormatUint(uint64(t), 10) }

// Parse parses the result of String.
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

// Now returns a stamp greater than every stamp that this clock has returned or
// accepted before. A full counter carries into the milliseconds.
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
// whether t was accepted; see MaxAhead.
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
