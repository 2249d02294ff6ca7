package protocol

import (
	"cmp"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// Bounds of waiting.
const (
	// newsWait is between two attempts when there is no newer table: broadcasts
	// may have been missed.
	newsWait = 50 * time.Millisecond
	// AskWait bounds a question of the control plane.
	AskWait = 5 * time.Second
	// LogWait bounds a question for a node's part of a log.
	LogWait = 2 * time.Second
)

// Target is who is to answer a question: the owner of Agent; or else whichever
// run of Node is registered; or else exactly Run.
type Target struct {
	Agent tandem.AgentID
	Node  string
	Run   Peer
}

// Calls are the requests and questions of this node that wait for an answer, and how
// many requests of others it serves.
//
// A call that was sent is with one run of a node. When its agent moves, the old owner
// and the new one both say so with Taken; the word with the highest epoch counts,
// in whatever order they come. When the run that has the call is lost, the call ends:
// what an emptied node has not answered it has not done, so that is asked again;
// of anything else it is not known, and only what may be repeated is.
type Calls struct {
	self    string
	shardOf func(tandem.AgentID) int
	bugs    bugs

	table   *Table
	calls   map[uint64]*call
	empty   map[Peer]bool // have said that they do nothing any more
	lost    runs
	serving int
	closed  bool // what others ask is answered Elsewhere: Empty has been said, or is about to be
	said    bool // it has been said
}

// call is one request or question.
type call struct {
	id      uint64
	agent   tandem.AgentID
	shard   int
	request *tandem.Request // nil: a question
	ask     Question
	target  Target

	asked bool // with peer; otherwise it waits for news, or for the store
	peer  Peer
	epoch int64         // since which peer has it
	pause time.Duration // when it is tried again
	reach time.Duration // by when the agent must have been reached
	until time.Duration // by when there must be an answer
	once  bool          // it is for one run of a node
}

// NewCalls returns the calls at the beginning: none.
func NewCalls(self string, shardOf func(tandem.AgentID) int) *Calls {
	return &Calls{self: self, shardOf: shardOf, calls: map[uint64]*call{}, empty: map[Peer]bool{}, lost: runs{}}
}

// Ask begins a request to an agent. Its number is one that was never used by
// this node.
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

// Cancel forgets a call for whose answer no one waits.
func (c *Calls) Cancel(id uint64) { delete(c.calls, id) }

// to returns the run that is to have a call, and since which epoch it has the shard.
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
		k.asked, k.peer, k.epoch = true, peer, epoch
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

// await has a call wait for news of where its agent is.
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

// Refused says that an attempt could not be sent, or came to a host that does not
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

// Found says whether there is such an agent.
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

// Answered takes the answer to a request, from wherever it comes.
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
		return nil // who has the agent answers
	case Elsewhere:
		return c.await(now, k)
	case Lost:
		return c.gone(now, k)
	}
	return c.finish(k, Finish{Failure: failure})
}

// gone ends or repeats a call of which it is not known whether it was done.
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

// Taken notes that requests have moved with their agents.
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

// Emptied notes that a run has nothing to do any more.
func (c *Calls) Emptied(from Peer) { c.empty[from] = true }

// HasEmptied reports whether a run has said that it has nothing to do any more.
func (c *Calls) HasEmptied(p Peer) bool { return c.empty[p] }

// Lost ends the waits for a run that is over.
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

// Abandoned ends all waits: this node's run is over. Answers go to the run that
// asked, and that no longer hears them.
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

// Table replaces the table; what waits for news is tried again.
func (c *Calls) Table(now tandem.Now, t *Table) (out []Effect) {
	c.table = t
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

// DeadlineOf says when a call needs a tick.
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

// Deadline says when any call needs a tick.
func (c *Calls) Deadline() (at time.Duration, ok bool) {
	for id := range c.calls {
		d, _ := c.DeadlineOf(id)
		at, ok = soonest(at, d)
	}
	return at, ok
}

// Tick ends the waits that have lasted too long and makes the attempts that are due.
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

// Served takes what came of it. One that has moved with its agent is answered from
// there; that it has moved, Moves tells who asked.
func (c *Calls) Served(from Peer, id uint64, r *tandem.Response, failure *Failure) (out []Effect) {
	c.serving--
	if FateOf(failure) != Moved {
		out = append(out, Tell{To: from, Message: &Answer{ID: id, Response: r, Failure: failure}})
	}
	return append(out, c.sayEmpty()...)
}

// Serving returns how many requests of others are with the host.
func (c *Calls) Serving() int { return c.serving }

// Empty tells the others that this node has no agents, as soon as the requests of others have
// been answered. Later ones are not served, whatever agents still come here: what an emptied
// node has not answered it has not done.
func (c *Calls) Empty() []Effect {
	c.closed, c.said = true, false
	return c.sayEmpty()
}

func (c *Calls) sayEmpty() (out []Effect) {
	if !c.closed || c.said || c.serving > 0 {
		return nil
	}
	c.said = true
	for _, p := range c.table.Others(c.self) {
		out = append(out, Tell{To: p, Message: &Empty{}})
	}
	return out
}

// repeatable says which methods may be sent again when it is not known whether
// they had an effect: RFC 9110, section 9.2.2.
func repeatable(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}

// lostResponse is the answer to a request of which it is not known whether it was done.
func lostResponse() *tandem.Response {
	return &tandem.Response{
		Status:  502,
		Headers: []tandem.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}},
		Body:    []byte("A server was lost before the agent answered this request. It may or may not have had an effect.\n"),
	}
}
