package tandem

import "time"

// Now is the time of an event, as a core is told it. Cores read no clock.
type Now struct {
	// Wall is the wall clock. It is for people and for times that a program
	// states; it may step in either direction.
	Wall time.Time
	// Mono is the time that has passed since an origin which is fixed for as
	// long as the core is in one process. It never goes back. Deadlines,
	// patience and back-off are measured by it. It goes on while a machine
	// sleeps in memory. After a move or a restart of the node there is another
	// origin: what must survive that travels as a duration that is left.
	Mono time.Duration
}

// At returns the wall time that the clock would show at a monotonic time.
func (n Now) At(mono time.Duration) time.Time { return n.Wall.Add(mono - n.Mono) }
