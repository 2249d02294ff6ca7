package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
)

// calls is the shell of the core of requests and questions that wait for an answer. The
// core's effects for a call are carried out by the goroutine that waits for the call.
type calls struct {
	mu      sync.Mutex
	core    *protocol.Calls
	callers map[uint64]chan struct{}     // wakes the goroutine that waits for a call
	todo    map[uint64][]protocol.Effect // what it has to do
}

// step gives the core an event. It queues effects for callers, and carries out the others.
func (k *calls) step(c *Cluster, event func(k *protocol.Calls, now tandem.Now) []protocol.Effect) {
	for _, e := range k.add(c, event) {
		if s, ok := e.(protocol.Serve); ok {
			c.takeRequest(s)
			continue
		}
		c.general(e)
	}
}

// add gives the core an event, and returns the effects that are not for callers.
func (k *calls) add(c *Cluster, event func(k *protocol.Calls, now tandem.Now) []protocol.Effect) []protocol.Effect {
	k.mu.Lock()
	defer k.mu.Unlock() // also when the event panics
	return k.route(event(k.core, c.now()))
}

// route queues effects for their callers, and returns the others. The lock is held.
func (k *calls) route(effects []protocol.Effect) (rest []protocol.Effect) {
	for _, e := range effects {
		var id uint64
		switch e := e.(type) {
		case protocol.Attempt:
			id = e.ID
		case protocol.Find:
			id = e.ID
		case protocol.Wait:
			id = e.ID
		case protocol.Finish:
			id = e.ID
		default:
			rest = append(rest, e)
			continue
		}
		if wake := k.callers[id]; wake != nil {
			k.todo[id] = append(k.todo[id], e)
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
	return rest
}

func (k *calls) serving() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.core.Serving()
}

// call makes a call and waits until it ends. begin gives the core the event that begins it.
func (c *Cluster) call(
	ctx context.Context, id uint64, begin func(k *protocol.Calls, now tandem.Now) []protocol.Effect,
) (protocol.Finish, error) {
	wake := make(chan struct{}, 1)
	c.calls.mu.Lock()
	c.calls.callers[id] = wake
	c.calls.mu.Unlock()
	defer func() {
		c.calls.mu.Lock()
		c.calls.core.Cancel(id)
		delete(c.calls.callers, id)
		delete(c.calls.todo, id)
		c.calls.mu.Unlock()
	}()
	c.calls.step(c, begin)
	var timer *time.Timer
	for {
		e, wait := c.calls.next(id, c.now())
		if f, ok := e.(protocol.Finish); ok {
			return f, nil
		}
		if e != nil {
			c.doCall(ctx, e)
			continue
		}
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-wake:
		case <-timer.C:
			c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.TickOf(now, id) })
		case <-ctx.Done():
			return protocol.Finish{}, context.Cause(ctx)
		}
	}
}

// next returns a caller's next effect, or how long it may wait for one.
func (k *calls) next(id uint64, now tandem.Now) (e protocol.Effect, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if todo := k.todo[id]; len(todo) > 0 {
		k.todo[id] = todo[1:]
		return todo[0], 0
	}
	at, ok := k.core.DeadlineOf(id)
	if !ok {
		at = now.Mono + time.Hour // the call has ended, and its Finish is about to be queued
	}
	return nil, max(at-now.Mono, 0)
}

// doCall carries out an effect of a call, on the caller's goroutine. For Wait there is
// nothing to do: the caller looks at its deadline next.
func (c *Cluster) doCall(ctx context.Context, e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Find:
		_, err := c.Store.DeviceOf(ctx, e.Agent)
		c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect {
			return k.Found(now, e.ID, protocol.FailureOf(err))
		})
	case protocol.Attempt:
		if r := c.runNow(); r != nil && e.To == r.self {
			c.attemptHere(ctx, e)
		} else if c.tell(e.To, e.Message) != nil {
			c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Refused(now, e.ID) })
		}
	}
}

// attemptHere makes an attempt at this node: its host gets the request or question.
func (c *Cluster) attemptHere(ctx context.Context, e protocol.Attempt) {
	var outcome func(k *protocol.Calls, now tandem.Now) []protocol.Effect
	switch m := e.Message.(type) {
	case *protocol.Request:
		r, err := c.Host.Request(ctx, tandem.Origin{Node: e.To.Node, ID: e.ID}, m.Agent, m.Request)
		a := &protocol.Answer{ID: e.ID, Response: r, Failure: failureOf(err)}
		outcome = func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Answered(now, a) }
	case *protocol.Ask:
		told := c.answer(ctx, e.To, m)
		outcome = func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Told(now, told) }
	}
	c.calls.step(c, outcome)
}

// Request gives an HTTP request to an agent on any node of the cluster, and
// returns its answer. While the agent moves, or no node owns it, the request
// waits. See host.Host.Request for the errors. When the agent's node was lost
// while it had the request, or this node was declared lost meanwhile, the answer is
// 502, unless the method may be repeated.
func (c *Cluster) Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	number := c.ids.Add(1)
	f, err := c.call(ctx, number,
		func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Ask(now, number, id, r) })
	if err != nil {
		return nil, err
	}
	return f.Response, f.Failure.Err()
}

// takeRequest takes another node's request. It does not wait for the answer.
func (c *Cluster) takeRequest(e protocol.Serve) {
	if !c.served.begin(e.From.Node) {
		c.over.Add(tandem.OverNodeCalls, 1)
		c.servedWith(e, nil, errServed)
		return
	}
	go func() {
		defer c.served.end(e.From.Node)
		c.guarded(e.From.Node, func() { c.serve(e) })
	}()
}

// serve answers another node's request.
func (c *Cluster) serve(e protocol.Serve) {
	ctx, cancel := context.WithTimeout(context.Background(), tandem.AnswerWait)
	defer cancel()
	m := e.Request
	var r *tandem.Response
	err := c.guard(e.From.Node, func() (err error) {
		r, err = c.Host.Request(ctx, tandem.Origin{Node: e.From.Node, ID: m.ID}, m.Agent, m.Request)
		return err
	})
	c.servedWith(e, r, err)
}

// servedWith answers another node's request with a result.
func (c *Cluster) servedWith(e protocol.Serve, r *tandem.Response, err error) {
	m := e.Request
	c.calls.step(c, func(k *protocol.Calls, _ tandem.Now) []protocol.Effect {
		return k.Served(e.From, m.ID, r, failureOf(err))
	})
}

// Answered sends the answer to a request that moved here with its agent. The host
// calls it.
func (c *Cluster) Answered(o tandem.Origin, r *tandem.Response, err error) {
	if peer, ok := c.table().Peer(o.Node); ok {
		c.say(peer, &protocol.Answer{ID: o.ID, Response: r, Failure: failureOf(err)})
	}
}

// question asks a question until there is an answer, for wait at most.
func (c *Cluster) question(
	ctx context.Context, to protocol.Target, q protocol.Question, wait time.Duration,
) (protocol.Finish, error) {
	id := c.ids.Add(1)
	f, err := c.call(ctx, id, func(k *protocol.Calls, now tandem.Now) []protocol.Effect {
		return k.Question(now, id, to, q, wait)
	})
	return f, errors.Join(err, f.Failure.Err())
}

// Fetched sends the result of an outgoing request to the node that its agent moved
// to. The host calls it.
func (c *Cluster) Fetched(f tandem.FetchRef, r *tandem.Response, part []byte, taken func()) {
	c.forward(&protocol.Fetched{Ref: f, Response: r, Part: part}, taken)
}

const (
	maxHops     = 100                   // limit of forwards of a result whose agent keeps moving
	forwardWait = 50 * time.Millisecond // wait for a table with the agent's owner
)

// forward sends a result to the agent's node. taken is called when the result is on
// its way, so that later ones do not overtake it.
func (c *Cluster) forward(m *protocol.Fetched, taken func()) {
	if c.Host.Has(m.Ref.Agent) {
		c.Host.FetchResult(m.Ref, m.Response, m.Part)
		taken()
		return
	}
	if m.Hops++; m.Hops > maxHops {
		taken() // its node is lost, and so is the agent that waited for the result
		return
	}
	t := c.table()
	peer, ok := t.Peer(t.Route(c.shardOf(m.Ref.Agent)).Owner)
	if ok && peer.Node != c.Info.ID {
		c.say(peer, m)
		taken()
		return
	}
	time.AfterFunc(forwardWait, func() { c.guarded(c.Info.ID, func() { c.forward(m, taken) }) })
}

// CancelFetch cancels an outgoing request at the node that makes it. The host calls it.
func (c *Cluster) CancelFetch(f tandem.FetchRef) {
	if peer, ok := c.table().Peer(f.Node); ok {
		c.say(peer, &protocol.Cancel{Ref: f})
	}
}
