package protocol

import (
	"cmp"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// Limits of waiting.
const (
	// newsWait is the time between two attempts when there is no newer table, because a
	// broadcast may have been lost.
	newsWait = 50 * time.Millisecond
	// AskWait limits a question of the control plane.
	AskWait = 5 * time.Second
	// LogWait limits a question for a node's part of a log.
	LogWait = 2 * time.Second
)

// Target says which node answers a question: the owner of Agent if that is set; else
// the registered run of Node if that is set; else exactly Run.
type Target struct {
	Agent tandem.AgentID
	Node  string
	Run   Peer
}

// Calls are the requests and questions of this node that wait for an answer, and the
// number of requests that it serves for other nodes.
//
// A call that was sent is with one run of a node. When its agent moves, the old and the
// new owner both send Taken; the one with the highest epoch counts, in whatever order
// they arrive. When the run that has the call is lost, the call ends or is repeated:
// a call that an empty node has not answered has not been done, so it is repeated. Any
// other call may have been done, and is repeated only if its method allows it.
type Calls struct {
	self    string
	shardOf func(tandem.AgentID) int
	bugs    bugs

	table   *Table
	calls   map[uint64]*call
	empty   map[Peer]bool // runs that have sent Empty
	lost    runs
	serving int
	closed  bool          // requests of other nodes are answered Elsewhere: Empty was sent or will be
	said    map[Peer]bool // runs to which Empty was sent
}

// call is one request or question.
type call struct {
	id      uint64
	agent   tandem.AgentID
	shard   int
	request *tandem.Request // nil: a question
	ask     Question
	target  Target

	asked bool // it is with peer; otherwise it waits for a table, or for the store
	peer  Peer
	epoch int64         // of the shard at peer
	pause time.Duration // time of the next attempt
	reach time.Duration // time limit to reach the agent
	until time.Duration // time limit of the answer
	once  bool          // it is for one run of a node
}

// NewCalls returns a Calls without calls.
func NewCalls(self string, shardOf func(tandem.AgentID) int) *Calls {
	return &Calls{
		self: self, shardOf: shardOf,
		calls: map[uint64]*call{}, empty: map[Peer]bool{}, said: map[Peer]bool{}, lost: runs{},
	}
}

// Ask begins a request to an agent. This node must never have used its number.
func (c *Calls) Ask(now tandem.Now, id uint64, agent tandem.AgentID, r *tandem.Request) []Effect {
	k := &call{id: id, agent: agent, shard: c.shardOf(agent), request: r}
	k.reach, k.until = now.Mono+tandem.PlacementWait, now.Mono+tandem.AnswerWait
	c.calls[id] = k
	return c.attempt(now, k)
}

// Question begins a question of the control plane.
func (c *Calls) Question(now tandem.Now, id uint64, target Target, q Question, wait time.Duration) []Effect {
	k := &call{id: id, agent: target.Agent, ask: q, target: target, once: target.Run.Node != ""}
	if k.agent != "" {
		k.shard = c.shardOf(k.agent)
	}
	k.reach, k.until = now.Mono+wait, now.Mono+wait
	c.calls[id] = k
	return c.attempt(now, k)
}

// Cancel forgets a call whose caller has gone.
func (c *Calls) Cancel(id uint64) { delete(c.calls, id) }

// to returns the run that a call should go to, and the epoch of the shard there.
func (c *Calls) to(k *call) (p Peer, epoch int64, ok bool) {
	switch {
	case k.agent != "":
		r := c.table.Route(k.shard)
		p, ok = c.table.Peer(r.Owner)
		return p, r.Epoch, ok
	case k.target.Node != "":
		p, ok = c.table.Peer(k.target.Node)
		return p, 0, ok
	}
	return k.target.Run, 0, true
}

func (c *Calls) attempt(now tandem.Now, k *call) []Effect {
	k.asked, k.pause = false, 0
	peer, epoch, known := c.to(k)
	switch {
	case known && (!c.lost.lost(peer) || c.bugs.askTheLost):
		k.asked = true
		k.peer = peer
		k.epoch = epoch
		return []Effect{Attempt{ID: k.id, To: peer, Message: k.message()}}
	case k.once:
		return c.finish(k, Finish{Failure: Fatef(Lost, "node "+k.target.Run.Node+" is gone")})
	case k.target.Node != "":
		return c.finish(k, Finish{Failure: &Failure{Kind: tandem.NotFound, Text: "the cluster has no node " + k.target.Node}})
	case k.request != nil && !known:
		return []Effect{Find{ID: k.id, Agent: k.agent}}
	}
	return c.await(now, k)
}

func (k *call) message() Message {
	if k.request != nil {
		return &Request{ID: k.id, Agent: k.agent, Request: k.request}
	}
	return &Ask{ID: k.id, Question: k.ask}
}

// await makes a call wait for a table that shows its agent.
func (c *Calls) await(now tandem.Now, k *call) []Effect {
	k.asked = false
	k.pause = now.Mono + newsWait
	return []Effect{Look{}, Wait{ID: k.id}}
}

func (c *Calls) finish(k *call, f Finish) []Effect {
	delete(c.calls, k.id)
	f.ID = k.id
	return []Effect{f}
}

// Refused says that an attempt could not be sent, or reached a host that does not
// have the agent.
func (c *Calls) Refused(now tandem.Now, id uint64) []Effect {
	k := c.calls[id]
	if k == nil || !k.asked {
		return nil
	}
	if k.once {
		return c.finish(k, Finish{Failure: Fatef(Lost, "node "+k.peer.Node+" is gone")})
	}
	return c.await(now, k)
}

// Found takes the store's answer to Find: a failure of kind NotFound means that the
// agent does not exist.
func (c *Calls) Found(now tandem.Now, id uint64, failure *Failure) []Effect {
	k := c.calls[id]
	if k == nil || k.asked || k.pause != 0 {
		return nil
	}
	if failure != nil && failure.Kind == tandem.NotFound {
		return c.finish(k, Finish{Failure: failure})
	}
	return c.await(now, k)
}

// Answered takes the answer to a request, from any node.
func (c *Calls) Answered(now tandem.Now, m *Answer) []Effect {
	k := c.calls[m.ID]
	if k == nil {
		return nil
	}
	if m.Failure == nil {
		return c.finish(k, Finish{Response: m.Response})
	}
	return c.failed(now, k, m.Failure)
}

// Told takes the answer to a question.
func (c *Calls) Told(now tandem.Now, m *Told) []Effect {
	k := c.calls[m.ID]
	if k == nil {
		return nil
	}
	if m.Failure == nil {
		return c.finish(k, Finish{Yes: m.Yes, Lines: m.Lines})
	}
	return c.failed(now, k, m.Failure)
}

func (c *Calls) failed(now tandem.Now, k *call, failure *Failure) []Effect {
	switch failure.Fate {
	case Moved:
		return nil // the agent's new owner answers
	case Elsewhere:
		return c.await(now, k)
	case Lost:
		return c.gone(now, k)
	}
	return c.finish(k, Finish{Failure: failure})
}

// gone ends or repeats a call that may or may not have been done.
func (c *Calls) gone(now tandem.Now, k *call) []Effect {
	switch {
	case k.once:
		return c.finish(k, Finish{Failure: Fatef(Lost, "node "+k.peer.Node+" is gone")})
	case k.request != nil && !repeatable(k.request.Method) && !c.bugs.repeatAll:
		return c.finish(k, Finish{Response: lostResponse()})
	case k.request != nil:
		// It was there, perhaps for long: the next owner has as much time to be reached.
		k.reach = now.Mono + tandem.PlacementWait
	}
	return c.await(now, k)
}

// Taken records that requests have moved with their agents.
func (c *Calls) Taken(now tandem.Now, m *Taken) (out []Effect) {
	for _, id := range m.IDs {
		k := c.calls[id]
		if k == nil || !k.asked || m.Epoch <= k.epoch && !c.bugs.followLast {
			continue
		}
		k.peer, k.epoch = m.By, m.Epoch
		if c.lost.lost(m.By) && !c.bugs.askTheLost {
			out = append(out, c.gone(now, k)...)
		}
	}
	return out
}

// Emptied records that a run has sent Empty.
func (c *Calls) Emptied(from Peer) { c.empty[from] = true }

// Lost ends or repeats the calls that are with a lost run.
func (c *Calls) Lost(now tandem.Now, p Peer) (out []Effect) {
	c.lost.lose(p)
	for _, k := range c.sorted() {
		if !k.asked || k.peer != p {
			continue
		}
		if c.empty[p] && !k.once && !c.bugs.emptyIsLost {
			out = append(out, c.await(now, k)...)
		} else {
			out = append(out, c.gone(now, k)...)
		}
	}
	delete(c.empty, p)
	return out
}

// Abandoned ends or repeats all calls, because this node's run has ended: answers go
// to the run that asked, and are lost.
func (c *Calls) Abandoned(now tandem.Now) (out []Effect) {
	clear(c.empty)
	if c.bugs.waitForOldRun {
		return nil
	}
	for _, k := range c.sorted() {
		if k.asked {
			out = append(out, c.gone(now, k)...)
		}
	}
	return out
}

// Table replaces the table, and makes another attempt for the calls that wait for one.
func (c *Calls) Table(now tandem.Now, t *Table) (out []Effect) {
	c.table = t
	out = c.sayEmpty() // to those that are new
	for _, k := range c.sorted() {
		if k.pause != 0 {
			out = append(out, c.attempt(now, k)...)
		}
	}
	return out
}

func (c *Calls) sorted() []*call {
	list := make([]*call, 0, len(c.calls))
	for _, k := range c.calls {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b *call) int { return cmp.Compare(a.id, b.id) })
	return list
}

// DeadlineOf returns the time at which a call needs a tick.
func (c *Calls) DeadlineOf(id uint64) (at time.Duration, ok bool) {
	k := c.calls[id]
	if k == nil {
		return 0, false
	}
	if k.asked {
		return soonest(k.until)
	}
	return soonest(k.until, k.reach, k.pause)
}

// Deadline returns the time at which the first call needs a tick.
func (c *Calls) Deadline() (at time.Duration, ok bool) {
	for id := range c.calls {
		d, _ := c.DeadlineOf(id)
		at, ok = soonest(at, d)
	}
	return at, ok
}

// Tick ends the calls that have timed out and makes the attempts that are due.
func (c *Calls) Tick(now tandem.Now) (out []Effect) {
	for _, k := range c.sorted() {
		out = append(out, c.TickOf(now, k.id)...)
	}
	return out
}

// TickOf is Tick for one call.
func (c *Calls) TickOf(now tandem.Now, id uint64) []Effect {
	k := c.calls[id]
	switch {
	case k == nil:
		return nil
	case passed(k.until, now) && k.ask != nil:
		return c.finish(k, Finish{Failure: Fatef(Refused, "the node that has the answer cannot be reached; try again")})
	case passed(k.until, now):
		return c.finish(k, Finish{Failure: Fatef(Refused, "the agent did not answer within "+tandem.AnswerWait.String())})
	case !k.asked && passed(k.reach, now):
		text := "the agent could not be reached within " + tandem.PlacementWait.String()
		return c.finish(k, Finish{Failure: Fatef(Refused, text)})
	case !k.asked && passed(k.pause, now):
		return c.attempt(now, k)
	}
	return nil
}

// Requested takes a request of another node.
func (c *Calls) Requested(from Peer, m *Request) []Effect {
	if c.closed && !c.bugs.serveWhenEmpty {
		return []Effect{Tell{To: from, Message: &Answer{ID: m.ID, Failure: Fatef(Elsewhere, "the node stops")}}}
	}
	c.serving++
	return []Effect{Serve{From: from, Request: m}}
}

// Served takes the result of a request of another node. A request that has moved with
// its agent is answered by the new owner; Moves tells the caller.
func (c *Calls) Served(from Peer, id uint64, r *tandem.Response, failure *Failure) (out []Effect) {
	c.serving--
	if FateOf(failure) != Moved {
		out = append(out, Tell{To: from, Message: &Answer{ID: id, Response: r, Failure: failure}})
	}
	return append(out, c.sayEmpty()...)
}

// Serving returns how many requests of other nodes are with the host.
func (c *Calls) Serving() int { return c.serving }

// Empty tells the other nodes that this node has no agents, as soon as their requests have
// been answered, and those that join before it has left, too. Later requests are not served, even
// if agents still arrive, so that requests without an answer from an empty node have certainly had
// no effect.
func (c *Calls) Empty() []Effect {
	c.closed = true
	clear(c.said)
	return c.sayEmpty()
}

func (c *Calls) sayEmpty() (out []Effect) {
	if !c.closed || c.serving > 0 {
		return nil
	}
	for _, p := range c.table.Others(c.self) {
		if !c.said[p] && !(c.bugs.emptyOnce && len(c.said) > 0) {
			out = append(out, Tell{To: p, Message: &Empty{}})
		}
	}
	for _, e := range out {
		c.said[e.(Tell).To] = true
	}
	return out
}

// repeatable reports whether a method is idempotent, so that a request which may have had
// an effect can be repeated: RFC 9110, section 9.2.2.
func repeatable(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}

// lostResponse is the answer to a request that may or may not have been done.
func lostResponse() *tandem.Response {
	return &tandem.Response{
		Status:  502,
		Headers: []tandem.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}},
		Body:    []byte("A server was lost before the agent answered this request. It may or may not have had an effect.\n"),
	}
}
