package host

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// waiter is a caller that waits for an agent's answer.
type waiter struct {
	ready    chan struct{} // has room for one
	request  life.Request  // here to save an allocation; the life does not use it after taking it
	response *tandem.Response
	err      error
}

// finish ends the wait.
func (w *waiter) finish(r *tandem.Response, err error) {
	w.response, w.err = r, err
	w.ready <- struct{}{}
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

// Request gives an agent an HTTP request and returns its answer. If necessary it starts
// or wakes the agent. The error's kind is NotFound when the agent does not exist, Limit
// when too many requests wait for it, and Unavailable when it could not be reached, or
// did not answer, in time.
//
// After life.ErrElsewhere nothing has happened; after life.ErrMoved the request has
// moved with the agent, and origin will get the answer; after life.ErrLost the request
// may or may not have had an effect. A host outside of a cluster returns none of these,
// and needs no origin.
func (h *Host) Request(
	ctx context.Context, origin tandem.Origin, id tandem.AgentID, r *tandem.Request,
) (*tandem.Response, error) {
	p, err := h.pairOfAgent(ctx, id)
	if err != nil {
		return nil, err
	}
	w := waiters.Get().(*waiter)
	number := h.ids.Add(1)
	w.request = life.Request{Number: number, Origin: origin, Request: r}
	owner, verdict, why := p.box.request(arrival{event: &w.request, wait: w})
	switch verdict {
	case life.Full:
		h.over(tandem.OverInbox)
		return nil, errManyRequests
	case life.Shut:
		if h.drilling(ctx, id) {
			return h.Request(ctx, origin, id, r)
		}
		return nil, why
	}
	if owner {
		turns := 0
		p.run(func() bool {
			if len(w.ready) > 0 {
				turns++
			}
			return turns > favours || turns > 0 && p.took > lightEvent
		})
	}
	if len(w.ready) == 0 && !w.wait(ctx) {
		// The answer may still come, so the waiter cannot be reused.
		p.bring(arrival{event: &life.GaveUp{Number: number}})
		return nil, ctx.Err()
	}
	<-w.ready
	response, err := w.response, w.err
	*w = waiter{ready: w.ready}
	waiters.Put(w)
	return response, err
}

// A caller that has its answer runs the pair a little longer, for others whose requests have
// come meanwhile, while these take next to nothing: to wake a goroutine for them takes
// longer, and moves the agent's memory to another processor.
const (
	favours    = 8 // turns
	lightEvent = 20 * time.Microsecond
)

// wait waits for the answer. It returns false when ctx ends before that.
func (w *waiter) wait(ctx context.Context) bool {
	select {
	case <-w.ready:
		w.ready <- struct{}{}
		return true
	case <-ctx.Done():
		return false
	}
}

var errManyRequests = tandem.Errorf(tandem.Limit,
	"%d requests wait for this agent already: try again later", life.MaxRequests)
