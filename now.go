package tandem

import "time"

// Now is the time at which something happens to a core that has no clock.
type Now struct {
	Wall time.Time     // for people, and for absolute times
	Mono time.Duration // elapsed since an origin that is chosen once; never steps; for deadlines, patience and back-off
}
