package runner

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestBeside: on a slow link an attempt that is held up is not waited for; on a fast one there is one attempt. An
// error is one when none is left.
func TestBeside(t *testing.T) {
	broken := errors.New("broken")
	type attempt struct {
		trip, takes time.Duration // takes since the address has answered
		err         error
	}
	slow := attempt{time.Minute, time.Hour, nil}
	for _, tc := range []struct {
		name     string
		attempts []attempt
		want     time.Duration
		err      error
		began    int32
	}{
		{"good", []attempt{{time.Minute, 2 * time.Minute, nil}}, 3 * time.Minute, nil, 1},
		{"held up", []attempt{slow, {time.Minute, 2 * time.Minute, nil}}, 390 * time.Second, nil, 2},
		{"the first after all", []attempt{{time.Minute, 4 * time.Minute, nil}, slow}, 5 * time.Minute, nil, 2},
		{"all held up", []attempt{slow, slow, slow}, time.Hour, context.DeadlineExceeded, 3},
		{"a busy server", []attempt{{time.Millisecond, 30 * time.Minute, nil}}, 30*time.Minute + time.Millisecond, nil, 1},
		{"refused", []attempt{{time.Minute, time.Minute, broken}}, 2 * time.Minute, broken, 1},
		{"one fails", []attempt{{time.Minute, 4 * time.Minute, broken}, {time.Minute, 2 * time.Minute, nil}},
			390 * time.Second, nil, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var began, told atomic.Int32
				open := func(ctx context.Context, reached func(time.Duration)) (net.Conn, error) {
					a := tc.attempts[began.Add(1)-1]
					for i, d := range []time.Duration{a.trip, a.takes} {
						select {
						case <-time.After(d):
						case <-ctx.Done():
							return nil, ctx.Err()
						}
						if i == 0 {
							reached(d)
						}
					}
					if a.err != nil {
						return nil, a.err
					}
					c, _ := net.Pipe()
					return c, nil
				}
				start := time.Now()
				c, err := beside(ctx, 2, func(time.Duration) { told.Add(1) }, open)
				if took := time.Since(start); took != tc.want || !errors.Is(err, tc.err) || (c == nil) != (tc.err != nil) {
					t.Errorf("after %v: %v", took, err)
				}
				if began.Load() != tc.began || told.Load() != 1 {
					t.Errorf("%d attempts, %d times reached", began.Load(), told.Load())
				}
			})
		})
	}
}
