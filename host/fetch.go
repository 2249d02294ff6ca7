package host

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// call is an outgoing request that this host makes.
type call struct {
	cancel context.CancelFunc
	*upload
}

// fetch begins an outgoing request.
func (p *pair) fetch(e *life.Fetch) {
	ctx, cancel := limited(e.Fetch.Timeout)
	p.begin(e.ID, &call{cancel: cancel})
	cause := p.life.Number()
	part := func(data []byte) {
		p.fetchedPart(ctx, cause, &life.FetchedPart{Incarnation: e.Incarnation, ID: e.ID, Data: data})
	}
	p.request(ctx, cause, e.Incarnation, e.ID, e.Fetch, part, func(*tandem.Response) { cancel() })
}

// limited returns a context for a request with a time limit; 0 means none.
func limited(limit time.Duration) (context.Context, context.CancelFunc) {
	if limit > 0 {
		return context.WithTimeout(context.Background(), limit)
	}
	return context.WithCancel(context.Background())
}

func (p *pair) begin(id uint64, c *call) {
	if p.calls == nil {
		p.calls = map[uint64]*call{}
	}
	p.calls[id] = c
}

// request makes the Fetcher perform a request. Pieces of the body go to part; end is
// called with the response before the agent gets it. The Fetcher's goroutine then runs
// the pair.
func (p *pair) request(
	ctx context.Context, cause, incarnation, id uint64, f *tandem.Fetch, part func([]byte), end func(*tandem.Response),
) {
	if !p.host.busy() {
		return
	}
	f.Agent = p.agent
	p.host.Fetcher.Fetch(ctx, f, part, func(r *tandem.Response) {
		defer p.host.work.Done()
		end(r)
		// This goroutine has nothing else to do, so it also runs the agent.
		turns := 0
		a := arrival{event: &life.Fetched{Incarnation: incarnation, ID: id, Response: r}, cause: cause, done: r.Releaser()}
		p.bringHere(a, func() bool { turns++; return turns > 2 })
	})
}

// fetchedPart passes a piece of a body to the agent. It returns when the agent has
// handled it, so that the next piece is not read before.
func (p *pair) fetchedPart(ctx context.Context, cause uint64, ev *life.FetchedPart) {
	taken := make(chan struct{})
	p.bring(arrival{event: ev, cause: cause, done: func() { close(taken) }})
	select {
	case <-taken:
	case <-ctx.Done():
	}
}

// ended records the result of a request. If the agent has moved, the result is sent to
// its node.
func (p *pair) ended(incarnation, id uint64, r *tandem.Response, part []byte, a *arrival) {
	ref := tandem.FetchRef{Node: p.host.node, Agent: p.agent, Incarnation: incarnation, ID: id}
	if !p.gone[ref] {
		if r != nil && p.life.Expects(incarnation, id) {
			delete(p.calls, id)
		}
		return
	}
	taken := a.done
	a.done = nil
	if taken == nil {
		taken = func() {}
	}
	if r != nil {
		p.host.away.Delete(ref)
		delete(p.gone, ref)
	}
	p.host.others.Fetched(ref, r, part, taken)
}

// cancelFetch ends a request that this host makes.
func (p *pair) cancelFetch(id uint64) {
	if c := p.calls[id]; c != nil {
		delete(p.calls, id)
		c.cancel()
	}
}

// handOn records that a request goes on for an agent that has moved.
func (p *pair) handOn(ref tandem.FetchRef) {
	c := p.calls[ref.ID]
	if c == nil {
		return // it has just ended, and the outcome follows the pair's Leave in the mailbox
	}
	delete(p.calls, ref.ID)
	if p.gone == nil {
		p.gone = map[tandem.FetchRef]bool{}
	}
	p.gone[ref] = true
	p.host.away.Store(ref, c.cancel)
}

// FetchResult gives an agent the result of an outgoing request that another node has
// made.
func (h *Host) FetchResult(f tandem.FetchRef, r *tandem.Response, part []byte) {
	x, ok := h.agents.Load(f.Agent)
	if !ok {
		return
	}
	p := x.(*pair)
	if r != nil {
		p.bring(arrival{event: &life.Fetched{Incarnation: f.Incarnation, ID: f.ID, Response: r}})
		return
	}
	p.bring(arrival{event: &life.FetchedPart{Incarnation: f.Incarnation, ID: f.ID, Data: part}})
}

// CancelFetch ends a request that this host makes for an agent that has moved.
func (h *Host) CancelFetch(f tandem.FetchRef) {
	if cancel, ok := h.away.LoadAndDelete(f); ok {
		cancel.(context.CancelFunc)()
	}
}

// Away returns how many requests the host makes for agents that have moved.
func (h *Host) Away() (n int) {
	for range h.away.Range {
		n++
	}
	return n
}

// upload makes an outgoing request whose body comes in pieces.
func (p *pair) upload(e *life.Upload) {
	ctx, cancel := context.WithCancel(context.Background()) // the time limit begins when the body has ended
	cause := p.life.Number()
	u := &upload{ctx: ctx, stop: cancel, body: body{news: make(chan struct{}, 1)}}
	u.took = func(n int) {
		p.bring(arrival{event: &life.Uploaded{Incarnation: e.Incarnation, ID: e.ID, N: n}, cause: cause})
	}
	p.begin(e.ID, &call{cancel, u})
	// Whether the response is streamed is known only when the body ends.
	e.Fetch.Chunks, e.Fetch.Stream = u, true
	var body []byte
	tooLarge := false
	p.request(ctx, cause, e.Incarnation, e.ID, e.Fetch, func(data []byte) {
		switch {
		case u.streams():
			p.fetchedPart(ctx, cause, &life.FetchedPart{Incarnation: e.Incarnation, ID: e.ID, Data: data})
		case len(body)+len(data) > tandem.FetchBodySize:
			tooLarge = true
			cancel()
		default:
			body = append(body, data...)
		}
	}, func(r *tandem.Response) {
		cancel()
		u.close()
		switch {
		case tooLarge:
			*r = tandem.Response{Status: tandem.FetchTooLarge}
		case r.Status >= 100:
			r.Body = body
		}
	})
}

// add and end do nothing for a request that has ended, or has no body in pieces.
func (c *call) add(chunk []byte) {
	if c != nil && c.upload != nil {
		c.upload.add(chunk)
	}
}

func (c *call) end(timeout time.Duration, stream bool) {
	if c != nil && c.upload != nil {
		c.upload.end(timeout, stream)
	}
}
