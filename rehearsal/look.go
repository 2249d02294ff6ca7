package rehearsal

import (
	"fmt"
	"maps"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/rehearsal/ground"
)

// Ways of messages between the sides, as they are counted and as the log has them.
const (
	ToAgent  = "device → agent"
	ToDevice = "agent → device"

	acknowledged = "acknowledged"
)

// sight is what is noted of a world for those who look at it between two steps.
type sight struct {
	moving        int        // entries of the queue that are on their way: see moves
	agent, device bool       // which sides have run since they were asked for
	event         life.Event // that the agent's life has got last
	name          string     // of a message that the device got last
	happened      happening  // what happened last
	counts        map[string]int
	known         map[tandem.Mark]knowledge // of numbered messages of the device
}

// knowledge is what is counted of a message already.
type knowledge struct{ arrived, acked bool }

// arrives counts a message of the device, unless it was counted already.
func (s *sight) arrives(name string, mark tandem.Mark) {
	if k := s.of(mark); !k.arrived {
		k.arrived = true
		s.learn(mark, k)
		s.count(ToAgent, name)
	}
}

// acks counts an acknowledgement.
func (s *sight) acks(name string, mark tandem.Mark) {
	if k := s.of(mark); !k.acked {
		k.acked = true
		s.learn(mark, k)
		s.count(acknowledged, name)
	}
}

func (s *sight) of(mark tandem.Mark) knowledge { return s.known[mark] }

func (s *sight) learn(mark tandem.Mark, k knowledge) {
	if mark == (tandem.Mark{}) {
		return // it has no number: each is another
	}
	if s.known == nil {
		s.known = map[tandem.Mark]knowledge{}
	}
	s.known[mark] = k
}

func (s *sight) count(way, name string) {
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	s.counts[way+"  "+name]++
}

// moves reports whether a pair is not at rest while something is to happen: a message, an answer or
// a write is on its way. The others are deadlines, which are far away in the usual case.
func moves(what happening) bool {
	switch what.(type) {
	case atHost, atDevice, handledAt, settleConn, storeOp, outcome, requested, callEnd, fetchedAt, replied, diskDone,
		arriveThere, dialing, dialed, written, closedAtDevice, brokenAtHost:
		return true
	}
	return false
}

// Next returns when the next thing happens; false when nothing will.
func (w *World) Next() (time.Duration, bool) {
	if w.failed != nil || len(w.queue) == 0 {
		return 0, false
	}
	return w.queue[0].at, true
}

// Touched reports which sides have run since it was asked last.
func (w *World) Touched() (agent, device bool) {
	s := &w.seen
	agent, device = s.agent, s.device
	s.agent, s.device = false, false
	return agent, device
}

// Resting reports whether nothing is on its way, and no program waits in the middle of an event.
func (w *World) Resting() bool {
	if w.seen.moving > 0 || len(w.wire.held) > 0 || len(w.device.pending) > 0 {
		return false
	}
	h := &w.host
	if !h.up {
		return true
	}
	m := h.life.Machine()
	return !h.onWay && !h.busy && (m == nil || !m.Busy())
}

// Whole reports whether the agent runs, and the device has its link if there is one.
func (w *World) Whole() bool {
	return w.host.up && !w.host.onWay && w.host.life.Runs() && (w.linked() || !w.cfg.Pair.HasDevice)
}

// Counts returns how many messages there were, by way and name.
func (w *World) Counts() map[string]int { return maps.Clone(w.seen.counts) }

// Vitals is how a pair is, as far as it can be seen from outside.
type Vitals struct {
	Agent, Device, Linked bool
	Turn                  uint64 // of the agent's machine, in the middle of which it waits; 0: it does not
	Waiting               int    // of what the agent is to handle
	Outbox                int    // of what the device is to send
}

// Vitals returns how the pair is.
func (w *World) Vitals() (v Vitals) {
	h := &w.host
	v.Agent = h.up && h.life.Runs()
	v.Device, v.Linked = w.device.on, w.linked()
	if h.up {
		v.Waiting = h.life.Queued() + len(h.inbox)
		if m := h.life.Machine(); m != nil && m.Busy() {
			v.Turn = m.NextTurn()
		}
	}
	if w.device.on {
		v.Outbox = w.device.core.Outgoing()
	}
	return v
}

// Sizes returns how large the snapshots of both sides are, 0 for one that does not run. Garbage is
// collected for that, which a program may notice: nothing comparable happens afterwards.
func (w *World) Sizes() (agent, device int) {
	size := func(p ground.Program) int {
		core := w.running(p)
		if core == nil {
			return 0
		}
		data, err := core.VM.Snapshot()
		if err != nil {
			return 0
		}
		return len(data)
	}
	return size(ground.Agent), size(ground.Device)
}

// What returns what a step of the world has meant for the side that has run in it: what its program
// got, as it is written in code where that is known.
func (w *World) What(agent bool) string {
	if agent {
		return agentGot(w.seen.event)
	}
	switch e := w.seen.happened.(type) {
	case atDevice:
		if len(e.sent) > 0 {
			return fmt.Sprintf("agent.on(%q)", e.sent[0])
		}
		return "an acknowledgement"
	case deviceTick, wakeDevice:
		return "a timer"
	case diskDone:
		return "a write to the disk"
	case changed:
		return "the board"
	case powerOn:
		return "power"
	case closedAtDevice, dialed:
		return "the connection"
	}
	return "its network"
}

func agentGot(ev life.Event) string {
	switch ev := ev.(type) {
	case *life.Message:
		return fmt.Sprintf("device.on(%q)", tandem.UnescapeName(ev.Message.Name))
	case *life.Request:
		return ev.Request.Method + " " + ev.Request.Path
	case *life.Tick:
		return "a timer"
	case *life.Saved:
		return "a save"
	case *life.Fetched, *life.FetchedPart, *life.Uploaded:
		return "an answer to its request"
	case *life.Linked, *life.Unlinked:
		return "the connection"
	case *life.AgentLoaded, *life.ProgramLoaded, *life.DeviceLoaded, *life.PostsLoaded, *life.Begun, *life.Reload:
		return "its start"
	case *life.Said, *life.Again:
		return "a line or news of the device"
	}
	return "other events"
}
