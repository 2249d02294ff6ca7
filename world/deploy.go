package world

import (
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// release makes the next version of the code the group's.
func (w *World) release() {
	w.version++
	g := record.Group{ID: "group", Name: "group", Type: tandem.GroupDevelopment, Current: strconv.Itoa(w.version)}
	w.db.PutGroup(g)
}

// deploy has the devices' group run a new version. An operator who hears of an error deploys
// again.
func (w *World) deploy(_ *node, _ Fault) time.Duration {
	w.release()
	w.announce(w.version)
	return time.Second
}

// announce has a node tell all others of a version, unless there is a newer one.
func (w *World) announce(version int) {
	again := func() { w.after(500*ms, func() { w.announce(version) }) }
	n := w.load.door()
	switch {
	case version != w.version:
		return
	case n == nil:
		again()
		return
	}
	left, run := 0, n.run
	failed, over := false, false
	q := &protocol.Deployed{Group: "group", Deployment: deploymentOf(version)}
	names := n.news.Say(n.now(), q, n.table)
	for _, name := range names {
		left++
		id := n.number()
		n.callers[id] = caller{since: w.now, done: func(_ *tandem.Response, err error) {
			left--
			failed = failed || err != nil && tandem.KindOf(err) != tandem.NotFound
			if over = left == 0; over && failed {
				again()
			}
		}}
		n.stepCalls(n.calls.Question(n.now(), id, protocol.Target{Node: name}, q, protocol.AskWait))
	}
	w.after(protocol.AskWait+2*time.Second, func() {
		if !over && (!n.up || n.run != run) {
			again()
		}
	})
	w.say("%s deploys version %d, and tells %v", n.name, version, names)
}

// answerNews has the host do what news asks for.
func (n *node) answerNews(from protocol.Peer, m *protocol.Ask) {
	n.news.Hear(n.now(), m.Question)
	if m.Again {
		n.review(n.self, nil)
		return
	}
	n.forgetProgram()
	reload := &life.Reload{Group: "group", Deployment: m.Question.(*protocol.Deployed).Deployment}
	n.eachDevice(func(p *pair) { p.bring(arrival{event: reload}) }, func(err error) {
		if m.ID != 0 {
			n.say(from, &protocol.Told{ID: m.ID, Failure: failureOf(err)})
		}
	})
}

// eachDevice does something to all pairs that are here, as the store lists them.
func (n *node) eachDevice(do func(p *pair), then func(err error)) {
	n.read(twin.Devices{Group: "group"}, func(v any, err error) {
		list, _ := v.([]record.Device)
		for _, d := range list {
			p, e := n.pairOf(d.Agent)
			switch {
			case e == nil:
				do(p)
			case e != life.ErrElsewhere:
				err = e
			}
		}
		then(err)
	})
}

// recall has the pairs of shards that were opened here follow news that they may have missed.
func (n *node) recall(effects []protocol.Effect) {
	run := n.self
	for _, e := range effects {
		in := set(e.(protocol.Recall).Shards)
		n.after(time.Second, func() { n.review(run, in) })
	}
}

// review has the pairs of some shards compare what they run with what the group has, until
// that has succeeded or the run of the node is over. nil means all pairs, for which the code
// is read again.
func (n *node) review(run protocol.Peer, in map[int]bool) {
	if in == nil {
		n.forgetProgram()
	}
	n.insist(run, func(then func(err error)) {
		n.eachDevice(func(p *pair) {
			if in == nil || in[p.shard] {
				p.bring(arrival{event: &life.Review{Group: "group"}})
			}
		}, then)
	}, func() {})
}

// insist does something every second until it succeeds, or the run of the node is over:
// package cluster's.
func (n *node) insist(run protocol.Peer, do func(then func(err error)), then func()) {
	if n.self != run || n.abandoning {
		return
	}
	do(func(err error) {
		switch {
		case err == nil:
			then()
		case err != life.ErrStopping:
			n.after(time.Second, func() { n.insist(run, do, then) })
		}
	})
}

// forgetProgram has the group's code be read again.
func (n *node) forgetProgram() {
	n.program = nil
	n.programs++
}

// withProgram reads the group's code, unless the node has it.
func (n *node) withProgram(then func(*life.Program, error)) {
	if n.program != nil {
		then(n.program, nil)
		return
	}
	turn := n.programs
	n.read(twin.Group{ID: "group"}, func(v any, err error) {
		if err != nil {
			then(nil, err)
			return
		}
		version, _ := strconv.Atoi(v.(record.Group).Current)
		p := program(version)
		if n.programs == turn { // else there is another by now, which is read again
			n.program = p
		}
		then(p, nil)
	})
}
