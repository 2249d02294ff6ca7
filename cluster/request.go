package cluster

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/mesh"
)

// calls are the questions that wait for an answer from another node, by id.
type calls struct {
	mu      sync.Mutex
	waiting map[uint64]*call
	empty   map[mesh.Peer]bool // have said that they do nothing any more

	serving atomic.Int64 // requests of other nodes
}

func (c *calls) emptied(p mesh.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.empty == nil {
		c.empty = map[mesh.Peer]bool{}
	}
	c.empty[p] = true
}

type call struct {
	peer   mesh.Peer        // who has the question; zero while it is on its way with its agent
	answer chan *toldAnswer // has room for one
}

// toldAnswer is an answer to a request or a question of the control plane.
type toldAnswer struct {
	response  *tandem.Response
	yes       bool
	lines     []tandem.LogEntry
	err       error
	elsewhere bool
	lost      bool // whoever had the question is gone
}

func (c *calls) add(id uint64, peer mesh.Peer) *call {
	k := &call{peer: peer, answer: make(chan *toldAnswer, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[uint64]*call{}
	}
	c.waiting[id] = k
	return k
}

func (c *calls) remove(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// answer ends a wait; nobody may be waiting any more.
func (c *calls) answered(id uint64, a *toldAnswer) {
	c.mu.Lock()
	k := c.waiting[id]
	delete(c.waiting, id)
	c.mu.Unlock()
	if k != nil {
		k.answer <- a
	}
}

// passOn notes that a question is not with one run any more, or is with
// another now; the two are told by different nodes, in any order.
func (c *calls) passOn(id uint64, from, to mesh.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.waiting[id]
	if k == nil {
		return
	}
	if to != (mesh.Peer{}) || k.peer == from {
		k.peer = to
	}
}

// lost ends the waits for a node that is gone.
func (c *calls) lost(peer mesh.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, k := range c.waiting {
		if k.peer == peer {
			delete(c.waiting, id)
			k.answer <- &toldAnswer{lost: !c.empty[peer], elsewhere: c.empty[peer]}
		}
	}
	delete(c.empty, peer)
}

// allLost ends all waits. Answers go to the run of the node that asked: when that
// has ended, nobody will ever know them.
func (c *calls) allLost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, k := range c.waiting {
		delete(c.waiting, id)
		k.answer <- &toldAnswer{lost: true}
	}
	c.empty = nil
}

// Request gives an agent an HTTP request, wherever in the cluster it is, and
// returns its answer. While the agent is between two nodes, or nobody has it,
// the request waits. See host.Host.Request for the errors. When the agent's node
// was lost while it had the request, or this one was declared lost meanwhile, the
// answer is 502, unless the method is one that may be repeated.
func (c *Cluster) Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tandem.AnswerWait, errNoAnswer)
	defer cancel()
	reach, stop := context.WithTimeoutCause(ctx, tandem.PlacementWait, errNotReached)
	defer stop()
	for {
		t := c.table.Load()
		a, err := c.attempt(ctx, t, id, r)
		switch {
		case err != nil:
			return nil, err
		case a.lost && !repeatable(r.Method):
			return lostResponse, nil
		case a.err != nil || a.response != nil:
			return a.response, a.err
		}
		if err := c.pauseForNews(reach, t); err != nil {
			return nil, context.Cause(reach)
		}
	}
}

var (
	errNotReached = tandem.Errorf(tandem.Unavailable, "the agent could not be reached within %v", tandem.PlacementWait)
	errNoAnswer   = tandem.Errorf(tandem.Unavailable, "the agent did not answer within %v", tandem.AnswerWait)
)

var lostResponse = &tandem.Response{
	Status:  502,
	Headers: []tandem.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}},
	Body:    []byte("A server was lost before the agent answered this request. It may or may not have had an effect.\n"),
}

// repeatable says which methods may be sent again when it is not known whether
// they had an effect: RFC 9110, section 9.2.2.
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

// rerouteWait bounds the wait for news of where an agent is, which are only
// broadcast: they may have been missed.
const rerouteWait = 50 * time.Millisecond

func (c *Cluster) pauseForNews(ctx context.Context, t *table) error {
	c.look() // at the database
	return t.await(ctx, rerouteWait)
}

// attempt sends a request to where the agent is believed to be. An empty
// answer says that it is not there.
func (c *Cluster) attempt(ctx context.Context, t *table, id tandem.AgentID, r *tandem.Request) (*toldAnswer, error) {
	owner := t.route(id).owner
	peer, known := t.peer(owner)
	if !known {
		if _, err := c.Store.DeviceOf(ctx, id); tandem.KindOf(err) == tandem.NotFound {
			return nil, err
		}
		return &toldAnswer{}, nil
	}
	number := c.ids.Add(1)
	k := c.calls.add(number, peer)
	defer c.calls.remove(number)
	if owner == c.Info.ID {
		response, err := c.Host.Request(ctx, tandem.Origin{Node: owner, ID: number}, id, r)
		switch {
		case errors.Is(err, host.ErrElsewhere):
			return &toldAnswer{}, nil
		case errors.Is(err, host.ErrLost):
			return &toldAnswer{lost: true}, nil
		case !errors.Is(err, host.ErrMoved):
			return &toldAnswer{response: response, err: err}, nil
		}
		// The agent has taken it along; the answer comes from wherever it is.
		c.calls.passOn(number, peer, mesh.Peer{})
	} else if err := c.send(peer, kindRequest, &requestMessage{ID: number, Agent: id, Request: r}); err != nil {
		return &toldAnswer{}, nil // the node is gone, and the table about to say so
	}
	select {
	case a := <-k.answer:
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// serveRequest answers another node's request.
func (c *Cluster) serveRequest(from mesh.Peer, m *requestMessage) {
	defer c.calls.serving.Add(-1)
	ctx, cancel := context.WithTimeout(context.Background(), tandem.AnswerWait)
	defer cancel()
	response, err := c.Host.Request(ctx, tandem.Origin{Node: from.Node, ID: m.ID}, m.Agent, m.Request)
	if errors.Is(err, host.ErrMoved) { // whoever has the agent answers
		c.reply(from, kindLeft, &pendingMessage{ID: m.ID})
		return
	}
	a := &answerMessage{ID: m.ID, Response: response}
	switch {
	case errors.Is(err, host.ErrElsewhere):
		a.Elsewhere = true
	case errors.Is(err, host.ErrLost):
		a.Lost = true
	default:
		a.Failure = failureOf(err)
	}
	c.reply(from, kindAnswer, a)
}

// Answered is for the host: the answer to a request that has come with its
// agent.
func (c *Cluster) Answered(o tandem.Origin, r *tandem.Response, err error) {
	a := &answerMessage{ID: o.ID, Response: r, Failure: failureOf(err)}
	switch {
	case errors.Is(err, host.ErrElsewhere):
		a.Elsewhere, a.Failure = true, nil
	case errors.Is(err, host.ErrLost):
		a.Lost, a.Failure = true, nil
	}
	if o.Node == c.Info.ID {
		c.takeAnswer(a)
		return
	}
	if peer, ok := c.table.Load().peer(o.Node); ok {
		c.reply(peer, kindAnswer, a)
	}
}

func (c *Cluster) takeAnswer(m *answerMessage) {
	c.calls.answered(m.ID, &toldAnswer{response: m.Response, err: m.Failure.err(), elsewhere: m.Elsewhere, lost: m.Lost})
}

// Fetched is for the host: what came of an outgoing request whose agent has
// moved.
func (c *Cluster) Fetched(f tandem.FetchRef, r *tandem.Response, part []byte, taken func()) {
	c.forward(&fetchedMessage{Ref: f, Response: r, Part: part}, taken)
}

// maxHops bounds how often a result is sent after an agent that keeps moving.
const maxHops = 100

func (c *Cluster) forward(m *fetchedMessage, taken func()) {
	if c.Host.Has(m.Ref.Agent) {
		c.Host.FetchResult(m.Ref, m.Response, m.Part)
		taken()
		return
	}
	if m.Hops++; m.Hops > maxHops {
		taken() // its node is lost, and with it who waited
		return
	}
	t := c.table.Load()
	peer, ok := t.peer(t.route(m.Ref.Agent).owner)
	if ok && peer.Node != c.Info.ID {
		c.reply(peer, kindFetched, m)
		taken()
		return
	}
	time.AfterFunc(rerouteWait, func() { c.forward(m, taken) })
}

// CancelFetch is for the host.
func (c *Cluster) CancelFetch(f tandem.FetchRef) {
	if f.Node == c.Info.ID {
		c.Host.CancelFetch(f)
	} else if peer, ok := c.table.Load().peer(f.Node); ok {
		c.reply(peer, kindCancel, &cancelMessage{Ref: f})
	}
}
