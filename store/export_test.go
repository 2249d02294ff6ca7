package store

import "time"

// SetClock gives a store that does nothing yet another clock.
func (s *Store) SetClock(now func() time.Time) { s.now = now }
