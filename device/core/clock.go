package core

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// clocks are the times of a device. All that waits, the code's timers included, follows the
// time that has passed. The clock of a board without a battery may step by years, either way,
// at any moment; only what the code reads by time and date may follow it.
type clocks struct {
	now    tandem.Now
	origin time.Time // passed, when Mono was 0; it does not change
	server time.Time // the server's time, when Mono was 0; zero: not told
}

// clockTolerance is how far our clock may be off: the network may well need half a minute to
// bring the time.
const clockTolerance = time.Minute

// A machine is given times between these: its nanoseconds since 1970 must not overflow.
var (
	earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// set takes the clocks of an event. A time of the system knows what has passed, too, and would
// hide a step.
func (k *clocks) set(now tandem.Now) {
	k.now = tandem.Now{Wall: now.Wall.Round(0), Mono: now.Mono}
	now = k.now
	if k.origin.IsZero() {
		k.origin = earliest
		if now.Wall.After(earliest) && now.Wall.Before(latest) {
			k.origin = now.Wall.Add(-now.Mono)
		}
	}
}

// passed is the time of a machine's events. It begins with the wall clock's and never steps.
func (k *clocks) passed() time.Time { return k.origin.Add(k.now.Mono) }

// read is the time that the code reads: the wall clock's, or the server's where the two differ.
func (k *clocks) read() time.Time {
	if k.server.IsZero() {
		return k.now.Wall
	}
	server := k.server.Add(k.now.Mono)
	if k.now.Wall.Sub(server).Abs() < clockTolerance {
		return k.now.Wall
	}
	return server
}

// told takes the server's time, and returns by how much it is ahead of the wall clock, 0 when
// that is not worth a word.
func (k *clocks) told(t time.Time) (ahead time.Duration) {
	k.server = t.Add(-k.now.Mono)
	if ahead = t.Sub(k.now.Wall); ahead.Abs() < clockTolerance {
		return 0
	}
	return ahead
}

// verifyAt returns the time for verifying a server's certificate. A clock that is behind what
// the server has once told is wrong.
func (c *Core) verifyAt() (at time.Time, least bool) {
	at = c.clocks.read()
	if told := time.Unix(c.disk.Time, 0); at.Before(told) {
		return told, true
	}
	return at, false
}

// stamps gives the stamps of what the device says. They follow what the code reads. When that
// was far ahead and is put right, they begin again there: nodes take no stamp for more than
// hlc.MaxAhead ahead of their own, so the device would be of no use to the order of the log.
type stamps struct {
	clock *hlc.Clock
	read  func() time.Time
}

func newStamps(read func() time.Time) *stamps { return &stamps{hlc.New(read), read} }

// Now returns the next stamp.
func (s *stamps) Now() hlc.Timestamp {
	t := s.clock.Now()
	if t.Time().Sub(s.read()) > hlc.MaxAhead {
		s.clock = hlc.New(s.read)
		t = s.clock.Now()
	}
	return t
}

// Observe takes the stamp of a message.
func (s *stamps) Observe(t hlc.Timestamp) { s.clock.Observe(t) }
