package agent

import "time"

// Limits of an agent's outgoing requests and signatures.
const (
	maxCredits       = 40
	creditsPerSecond = 2
)

// credits limit how much an agent does at once. Spent credits come back as time
// passes. They need no timer, so an idle agent costs nothing.
type credits struct {
	Left float64 `cbor:"1,keyasint"`
	At   int64   `cbor:"2,keyasint"` // the time of that count, in nanoseconds since 1970
}

// Credits are the credits that an agent has left. They are passed from one
// incarnation to the next, so that a restart does not refill them.
type Credits struct {
	Sending credits `cbor:"1,keyasint"`
	Signing credits `cbor:"2,keyasint"`
}

// Credits returns the credits that the machine has left.
func (m *Machine) Credits() Credits { return Credits{m.sending, m.signing} }

// Shift returns the credits with their time put on by d.
func (c Credits) Shift(d time.Duration) Credits {
	c.Sending.At += int64(d)
	c.Signing.At += int64(d)
	return c
}

func newCredits(now time.Time) credits { return credits{maxCredits, now.UnixNano()} }

// take takes n credits. When there are fewer it takes none, and wait is the
// number of seconds until there are enough.
func (c *credits) take(now time.Time, n float64) (wait float64, ok bool) {
	passed := time.Duration(max(0, now.UnixNano()-c.At))
	c.Left = min(maxCredits, c.Left+passed.Seconds()*creditsPerSecond)
	c.At = now.UnixNano()
	if c.Left < n {
		return (n - c.Left) / creditsPerSecond, false
	}
	c.Left -= n
	return 0, true
}
