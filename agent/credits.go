package agent

import "time"

// Limits of what agents may do outside of themselves.
const (
	maxCredits       = 40
	creditsPerSecond = 2
)

// credits are what an agent may use up at once; they come back as time
// passes. An idle agent's cost nothing.
type credits struct {
	Left float64 `cbor:"1,keyasint"`
	At   int64   `cbor:"2,keyasint"` // when that was true, in nanoseconds since 1970
}

// Credits are what an agent has left. They outlive its incarnations: a restart is no
// way to have more.
type Credits struct {
	Sending credits `cbor:"1,keyasint"`
	Signing credits `cbor:"2,keyasint"`
}

// Credits returns what the machine has left.
func (m *Machine) Credits() Credits { return Credits{m.sending, m.signing} }

func newCredits(now time.Time) credits { return credits{maxCredits, now.UnixNano()} }

// take takes n credits, unless there are fewer. wait is then in how many
// seconds there will be enough.
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
