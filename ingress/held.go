package ingress

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
)

// errShort is the reason why requests are turned away while memory is short.
var errShort = tandem.Errorf(tandem.Unavailable, "this server is short of memory: try again in a moment")

// held is the context of a request to an agent. It can be ended by shedding from the moment
// on at which something waits for it. Most requests are answered without a wait, and cost
// nothing of that.
type held struct {
	ctx  context.Context // of the request
	line *waiting
	wait
}

// wait is the state of a held that something waits for, under its lock.
type wait struct {
	mu      sync.Mutex
	live    context.Context // nil: nothing has waited
	cancel  context.CancelCauseFunc
	element *list.Element // in the line
}

// waiting are the requests that wait for an agent's answer, the oldest first, under their
// lock.
type waiting struct {
	mu   sync.Mutex
	list list.List // of context.CancelCauseFunc
}

// current returns the context that says whether the request goes on.
func (x *held) current() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.live != nil {
		return x.live
	}
	return x.ctx
}

// Done is part of context.Context.
func (x *held) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.live == nil {
		x.live, x.cancel = context.WithCancelCause(x.ctx)
		x.line.mu.Lock()
		x.element = x.line.list.PushBack(x.cancel)
		x.line.mu.Unlock()
	}
	return x.live.Done()
}

// Err is part of context.Context.
func (x *held) Err() error { return x.current().Err() }

// Value is part of context.Context.
func (x *held) Value(key any) any { return x.current().Value(key) }

// Deadline is part of context.Context.
func (x *held) Deadline() (time.Time, bool) { return x.ctx.Deadline() }

// leave says that the request has ended.
func (x *held) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.live == nil {
		return
	}
	x.cancel(nil)
	x.line.mu.Lock()
	defer x.line.mu.Unlock()
	x.line.list.Remove(x.element) // it does nothing when the request was shed
}

// shed ends up to n requests, the oldest first, and returns how many.
func (l *waiting) shed(n int) (ended int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; ended < n && l.list.Len() > 0; ended++ {
		l.list.Remove(l.list.Front()).(context.CancelCauseFunc)(errShort)
	}
	return ended
}

func (l *waiting) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list.Len()
}

// shed reports whether ctx was ended to make room.
func shed(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errShort) }
