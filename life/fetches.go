package life

import (
	"fmt"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// doFetch turns the machine's effects on outgoing requests into the pair's.
func (l *Life) doFetch(e agent.Effect) {
	switch e := e.(type) {
	case *agent.Fetch:
		l.Fetches = append(l.Fetches, fetching{ID: e.ID})
		l.emit(&Fetch{l.Incarnation, e.ID, e.Fetch})
	case *agent.Upload:
		l.Fetches = append(l.Fetches, fetching{ID: e.ID, Upload: true})
		l.emit(&Upload{l.Incarnation, e.ID, e.Fetch})
	case *agent.Chunk:
		l.emit(&Chunk{e.ID, e.Data})
	case *agent.ChunksEnd:
		l.emit(&ChunksEnd{e.ID, e.Timeout, e.Stream})
	case *agent.Cancel:
		if i := l.fetchOf(l.Incarnation, e.ID); i >= 0 {
			l.cancel(l.Fetches[i])
			l.Fetches = slices.Delete(l.Fetches, i, i+1)
		}
	default:
		panic(fmt.Sprintf("life: %T is no effect of an agent", e))
	}
}

// fetchOf returns the index of an outgoing request, -1 when the agent does not
// wait for it any more.
func (l *Life) fetchOf(incarnation, id uint64) int {
	if incarnation != l.Incarnation {
		return -1
	}
	return slices.IndexFunc(l.Fetches, func(f fetching) bool { return f.ID == id })
}

func (l *Life) cancel(f fetching) {
	if f.Node == "" {
		l.emit(&CancelFetch{f.ID})
		return
	}
	l.emit(&CancelAway{l.fetchRef(f)})
}

func (l *Life) fetchRef(f fetching) tandem.FetchRef {
	return tandem.FetchRef{Node: f.Node, Agent: l.Agent, Incarnation: l.Incarnation, ID: f.ID}
}

// cancelFetches ends all outgoing requests.
func (l *Life) cancelFetches() {
	for _, f := range l.Fetches {
		l.cancel(f)
	}
	l.Fetches = nil
}

func (l *Life) fetched(ev *Fetched) {
	i := l.fetchOf(ev.Incarnation, ev.ID)
	if i < 0 {
		l.handled(ev.Token)
		return
	}
	l.Fetches = slices.Delete(l.Fetches, i, i+1)
	l.push(item{event: &agent.Fetched{ID: ev.ID, Response: ev.Response}, token: ev.Token})
}

func (l *Life) fetchedPart(ev *FetchedPart) {
	if l.fetchOf(ev.Incarnation, ev.ID) < 0 {
		l.handled(ev.Token)
		return
	}
	l.push(item{event: &agent.FetchedPart{ID: ev.ID, Data: ev.Data}, token: ev.Token})
}

// nodeLost ends the requests that a lost node made for the agent.
func (l *Life) nodeLost(ev *NodeLost) {
	l.earlierLost(ev)
	l.Fetches = slices.DeleteFunc(l.Fetches, func(f fetching) bool {
		if f.Node != ev.Node {
			return false
		}
		l.push(item{event: &agent.Fetched{ID: f.ID, Response: &tandem.Response{Status: tandem.FetchReceiveFailed}}})
		return true
	})
}

// doMQTT turns the machine's effects on its connection to a broker into the
// pair's. A request on a connection that is gone has failed already: MQTTLost is
// on its way.
func (l *Life) doMQTT(e agent.Effect) {
	switch e := e.(type) {
	case *agent.MQTTConnect:
		l.leaveMQTT()
		l.MQTTs++
		l.MQTT = l.MQTTs
		l.emit(&ConnectMQTT{l.MQTT, e})
	case *agent.MQTTClose:
		l.leaveMQTT()
	default:
		if l.MQTT != 0 {
			l.emit(&DoMQTT{l.MQTT, e})
		}
	}
}

// leaveMQTT ends the connection in good order.
func (l *Life) leaveMQTT() {
	if l.MQTT != 0 {
		l.emit(&CloseMQTT{l.MQTT})
		l.MQTT = 0
	}
}

// mqtt passes on what comes of the connection, unless it is none any more.
func (l *Life) mqtt(ev *MQTT) {
	if ev.Conn != l.MQTT {
		l.handled(ev.Token)
		return
	}
	switch x := ev.Event.(type) {
	case *agent.MQTTLost:
		l.MQTT = 0
	case *agent.MQTTConnected:
		if x.Code != 0 {
			l.MQTT = 0
		}
	}
	l.push(item{event: ev.Event, token: ev.Token})
}

// lostMQTT tells the program that its connection is gone, which has stayed where
// the agent was before. id is the program's number for it.
func (l *Life) lostMQTT(id uint64) {
	l.push(item{event: &agent.MQTTLost{ID: id, Why: "the agent has moved"}})
}

// Expects reports whether the agent waits for an outgoing request.
func (l *Life) Expects(incarnation, id uint64) bool { return l.fetchOf(incarnation, id) >= 0 }
