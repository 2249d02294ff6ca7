package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// waiter is somebody who waits for an agent's answer.
type waiter struct {
	ready    chan struct{} // has room for one
	response *tandem.Response
	err      error
	begun    bool // the agent has seen the request; under the pair's mu

	origin tandem.Origin // zero when the host is alone
	away   bool          // who waits is at origin, not here
}

// finish ends the wait.
func (w *waiter) finish(h *Host, r *tandem.Response, err error) {
	if w.away {
		if !errors.Is(err, ErrMoved) {
			h.others.Answered(w.origin, r, err)
		}
		return
	}
	w.response, w.err = r, err
	w.ready <- struct{}{}
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

// Request gives an agent an HTTP request and returns its answer. The agent is
// started, woken or waited for as need be. The error's kind is NotFound when
// there is no such agent, Limit when too many requests wait for it already,
// and Unavailable when it could not be reached, or did not answer, in time.
//
// With ErrElsewhere nothing has happened; with ErrMoved the agent has taken the
// request along, and origin will have the answer; with ErrLost it is not known
// what has become of it. A host that has all agents returns none of these, and
// needs no origin.
func (h *Host) Request(ctx context.Context, origin tandem.Origin, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	p, err := h.pairOfAgent(ctx, id)
	if err != nil {
		return nil, err
	}
	w := waiters.Get().(*waiter)
	w.origin = origin
	number := h.ids.Add(1)
	it := item{event: &agent.Request{ID: number, Request: r}, request: number, waiter: w}
	if err := p.deliver(it, func() bool { return len(w.ready) > 0 }); err != nil {
		if tandem.KindOf(err) == tandem.Limit {
			h.over(tandem.OverInbox)
			err = tandem.Errorf(tandem.Limit, "%d requests and messages wait for this agent already: try again later", inboxLimit)
		}
		return nil, err
	}
	if len(w.ready) == 0 {
		if err := p.wait(ctx, number, w); err != nil {
			return nil, err
		}
	}
	<-w.ready
	response, err := w.response, w.err
	w.response, w.err, w.begun, w.origin = nil, nil, false, tandem.Origin{}
	waiters.Put(w)
	return response, err
}

// wait waits for an answer that takes its time: a while for the agent to be
// there, and longer once it has the request.
func (p *pair) wait(ctx context.Context, number uint64, w *waiter) error {
	why := errNotReached
	for _, d := range []time.Duration{tandem.PlacementWait, tandem.AnswerWait - tandem.PlacementWait} {
		timer := time.NewTimer(d)
		select {
		case <-w.ready:
			timer.Stop()
			w.ready <- struct{}{}
			return nil
		case <-ctx.Done():
			timer.Stop()
			return p.abandon(number, ctx.Err())
		case <-timer.C:
		}
		p.mu.Lock()
		begun := w.begun
		p.mu.Unlock()
		if !begun {
			break
		}
		why = errNoAnswer
	}
	err := p.abandon(number, why)
	switch err {
	case errNotReached:
		p.host.over(tandem.OverPlacementWait)
	case errNoAnswer:
		p.host.over(tandem.OverAnswerWait)
	}
	return err
}

// abandon takes a request back because of err, unless its answer is on its way
// all the same.
func (p *pair) abandon(number uint64, err error) error {
	if !p.forget(number) {
		return nil
	}
	return err
}

var (
	errNotReached = tandem.Errorf(tandem.Unavailable, "the agent could not take the request within %v", tandem.PlacementWait)
	errNoAnswer   = tandem.Errorf(tandem.Unavailable, "the agent did not answer within %v", tandem.AnswerWait)
)

// forget takes a request back; it returns false when it has been answered.
func (p *pair) forget(number uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.waiting[number]
	delete(p.waiting, number)
	// Nobody wants what the agent has not seen yet, and nobody counts its body.
	p.inbox = slices.DeleteFunc(p.inbox, func(it item) bool { return it.request == number })
	return ok
}

// answer ends the wait for a request. Answers nobody waits for any more are
// dropped: the client has gone.
func (p *pair) answer(number uint64, r *tandem.Response, err error) {
	p.mu.Lock()
	w := p.waiting[number]
	delete(p.waiting, number)
	p.mu.Unlock()
	if w != nil {
		w.finish(p.host, r, err)
	}
}

// refuseDelivered answers the requests that an incarnation has seen and took
// with it. They are not given to the next one: whether they had an effect
// already nobody can know.
func (p *pair) refuseDelivered(reason tandem.Reason) {
	p.mu.Lock()
	var numbers []uint64
	for number, w := range p.waiting {
		if w.begun {
			numbers = append(numbers, number)
		}
	}
	p.mu.Unlock()
	for _, number := range numbers {
		p.answer(number, &tandem.Response{
			Status:  502,
			Headers: []tandem.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}},
			Body:    fmt.Appendf(nil, "The agent restarted (%s) before it answered this request.\n", reason),
		}, nil)
	}
}

// refuseAll answers everything that waits for an agent that has no code. What
// the device has posted waits until there is some.
func (p *pair) refuseAll() {
	p.mu.Lock()
	inbox := p.inbox
	p.inbox = nil
	p.mu.Unlock()
	for _, it := range inbox {
		if it.post() {
			p.unread = append(p.unread, it)
			continue
		}
		if it.request != 0 {
			p.answer(it.request, nil, tandem.Errorf(tandem.NotFound, "this agent has no code: its device group has no deployment"))
		}
		if it.handled != nil {
			it.handled()
		}
	}
}
