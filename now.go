package tandem

import "time"

// Now is the time as a core is told it with every event. Wall is for people
// and for absolute times; it may step either way. Mono is the time that has
// passed since an origin that is chosen once for a core and never moves;
// deadlines, patience, back-off and grace follow it.
type Now struct {
	Wall time.Time
	Mono time.Duration
}
