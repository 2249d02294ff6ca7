package world

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/store/twin"
)

// request brings an HTTP request to the node, as its ingress does. done is called with
// the answer, unless the node is killed.
func (n *node) request(agent tandem.AgentID, r *tandem.Request, done func(*tandem.Response, error)) {
	id := n.number()
	n.callers[id] = caller{n.w.now, done}
	n.stepCalls(n.calls.Ask(n.now(), id, agent, r))
}

func (n *node) stepCalls(effects []protocol.Effect) {
	n.drive(driveCalls, effects, n.doCalls)
	n.tick(driveCalls, n.calls, func() { n.stepCalls(n.calls.Tick(n.now())) })
}

func (n *node) doCalls(e protocol.Effect) {
	n.watchCalls(e)
	switch e := e.(type) {
	case protocol.Find:
		n.read(twin.DeviceOf{Agent: e.Agent}, func(_ any, err error) {
			n.stepCalls(n.calls.Found(n.now(), e.ID, protocol.FailureOf(err)))
		})
	case protocol.Attempt:
		n.after(n.jitter(), func() { n.attempt(e) })
	case protocol.Wait: // the timer is for all calls
	case protocol.Finish:
		c := n.callers[e.ID]
		delete(n.callers, e.ID)
		n.after(n.jitter(), func() { c.done(e.Response, e.Failure.Err()) })
	case protocol.Serve:
		n.after(n.jitter(), func() {
			origin := tandem.Origin{Node: e.From.Node, ID: e.Request.ID}
			n.ask(origin, e.Request.Agent, e.Request.Request, func(r *tandem.Response, err error) {
				n.stepCalls(n.calls.Served(e.From, e.Request.ID, r, failureOf(err)))
			})
		})
	default:
		n.general(e)
	}
}

// attempt sends a request to where its agent is believed to be.
func (n *node) attempt(e protocol.Attempt) {
	m, ok := e.Message.(*protocol.Request)
	switch {
	case ok && e.To == n.self:
		n.ask(tandem.Origin{Node: n.name, ID: e.ID}, m.Agent, m.Request, func(r *tandem.Response, err error) {
			n.stepCalls(n.calls.Answered(n.now(), &protocol.Answer{ID: e.ID, Response: r, Failure: failureOf(err)}))
		})
	case e.To == n.self:
		n.dispatch(n.self, e.Message)
	case !n.tell(e.To, e.Message):
		n.stepCalls(n.calls.Refused(n.now(), e.ID))
	}
}

// answered brings the answer to a request that has come with its agent.
func (n *node) answerAway(o tandem.Origin, r *tandem.Response, err error) {
	if peer, ok := n.table.Peer(o.Node); ok {
		n.say(peer, &protocol.Answer{ID: o.ID, Response: r, Failure: failureOf(err)})
	}
}
