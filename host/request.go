package host

import (
	"context"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// waiter is who waits for an agent's answer.
type waiter struct {
	ready    chan struct{} // has room for one
	request  life.Request  // in the same piece of memory; the life is done with it when it has taken it
	response *tandem.Response
	err      error
}

// finish ends the wait.
func (w *waiter) finish(r *tandem.Response, err error) {
	w.response, w.err = r, err
	w.ready <- struct{}{}
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

// Request gives an agent an HTTP request and returns its answer. The agent is
// started, woken or waited for as need be. The error's kind is NotFound when
// there is no such agent, Limit when too many requests wait for it already,
// and Unavailable when it could not be reached, or did not answer, in time.
//
// With life.ErrElsewhere nothing has happened; with life.ErrMoved the agent has
// taken the request along, and origin will have the answer; with life.ErrLost it
// is not known what has become of it. A host that has all agents returns none of
// these, and needs no origin.
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
		return nil, why
	}
	if owner {
		p.run(func() bool { return len(w.ready) > 0 })
	}
	if len(w.ready) == 0 && !w.wait(ctx) {
		// The answer may come all the same, and is not taken out: the waiter is not
		// used again.
		p.bring(arrival{event: &life.GaveUp{Number: number}})
		return nil, ctx.Err()
	}
	<-w.ready
	response, err := w.response, w.err
	*w = waiter{ready: w.ready}
	waiters.Put(w)
	return response, err
}

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
