package tandem

import "time"

// Now is the time of an event, passed to a core by its shell. Cores read no clock.
type Now struct {
	// Wall is the wall clock. It is for people and for times that a program
	// states; it may step in either direction.
	Wall time.Time
	// Mono is the time since an origin that is fixed for as long as the core is
	// in one process. It never goes back. Deadlines, timeouts and back-off are
	// measured by it. It advances while a machine hibernates in memory. After a
	// move or a restart of the node the origin is another one, so a deadline that
	// must survive these is stored as the remaining duration.
	Mono time.Duration
}

// At returns the wall time that the clock would show at a monotonic time.
func (n Now) At(mono time.Duration) time.Time { return n.Wall.Add(mono - n.Mono) }
