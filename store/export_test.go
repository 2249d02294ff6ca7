package store

import (
	"context"
	"time"
)

// SetClock gives a store that does nothing yet another clock.
func (s *Store) SetClock(now func() time.Time) { s.now = now }

// Script runs a statement in the committer's next transaction.
func (s *Store) Script(ctx context.Context, statement string) error {
	return s.do(ctx, func() error { return s.exec(statement) })
}
