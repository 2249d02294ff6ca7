package world

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/store/twin"
)

// Fault is something that goes wrong at a time.
type Fault struct {
	At   time.Duration
	Kind string
	When string // it waits for this moment, of any node; "": it does not
	Node int    // at which, or the first of two; with a moment, counted from the node that it is of
	Seed uint64
}

func (f Fault) String() string {
	if f.When == "" {
		return fmt.Sprintf("%.3f %s n%d", f.At.Seconds(), f.Kind, f.Node+1)
	}
	at := [...]string{"it", "the next node", "the one before"}[min(f.Node, 2)]
	return fmt.Sprintf("%.3f at the next %q of a node: %s %s", f.At.Seconds(), f.When, f.Kind, at)
}

// kind is a kind of fault. It returns when it is over.
type kind struct {
	do      func(w *World, n *node, f Fault) time.Duration
	restart bool // agents may be restarted by it
}

// kinds has the kinds of fault by their names.
func kinds() map[string]kind {
	return map[string]kind{
		"kill":     {do: (*World).killNode, restart: true},
		"down":     {do: (*World).nodeDown, restart: true},
		"pause":    {do: (*World).pauseLong, restart: true},
		"blink":    {do: func(w *World, n *node, f Fault) time.Duration { return w.pause(n, f.lasts(100*ms, 1200*ms)) }},
		"stop":     {do: func(w *World, n *node, _ Fault) time.Duration { n.stop(true); return 0 }},
		"drain":    {do: (*World).drainNode},
		"undrain":  {do: (*World).drainAndBack},
		"last":     {do: (*World).lastSurvivor, restart: true},
		"apart":    {do: (*World).setApart, restart: true},
		"away":     {do: (*World).stayAway},
		"deploy":   {do: (*World).deploy, restart: true},
		"database": {do: (*World).killDatabase, restart: true},
		"all":      {do: (*World).killAll, restart: true},
		"power":    {do: (*World).powerCut},
		"offline":  {do: (*World).offline},
		"sever":    {do: (*World).severSome},
		"cut":      {do: (*World).cutOff, restart: true},
		"split":    {do: (*World).split, restart: true},
		"slow":     {do: (*World).slow, restart: true},
		"restart":  {do: (*World).restartSome, restart: true},
		"lost":     {do: (*World).loseSome},
		"restored": {do: (*World).restoreSome},
		"clock":    {do: (*World).setClocks},
	}
}

// leaveEarly is a mistake of a node's shell, not of a core: it leaves the cluster while a
// renewal of its lease is under way.
const leaveEarly = "world.leaveEarly"

// Mistakes returns the mistakes that Config.Mistake can name.
func Mistakes() (names []string) {
	for _, name := range life.Mistakes() {
		names = append(names, "life."+name)
	}
	for _, name := range protocol.Mistakes() {
		names = append(names, "protocol."+name)
	}
	return append(names, leaveEarly)
}

// Kinds returns the kinds of fault.
func Kinds() []string { return sorted(kinds()) }

// gap is between two faults: chaos has ten a minute.
const (
	firstFault = 4 * time.Second
	gapLeast   = 4 * time.Second
	gapMost    = 8 * time.Second
	settleWait = 90 * time.Second // for everything to come to rest at the end
	calm       = 10 * time.Second // after the last fault, for all that it has begun to end
)

// Chaos lets faults happen for a while under load, and looks at what has come of it.
func (w *World) Chaos(length time.Duration) error {
	for _, n := range w.nodes {
		n.start()
	}
	for _, d := range w.devices {
		w.after(w.between(0, 2*time.Second), d.switchOn)
	}
	w.load.explained = firstFault + wave
	w.after(2*time.Second, w.load.begin)
	if w.story = w.cfg.Story; w.story == nil {
		w.story = w.profile.story(w.fate, length, len(w.nodes))
	}
	for _, f := range w.story {
		if f.When != "" {
			w.after(f.At, func() { w.waiting = append(w.waiting, f) })
		} else {
			w.after(f.At, func() { w.happen(f) })
		}
	}
	w.after(0, w.look)
	w.run(length)
	w.heal()
	w.load.ending = true
	w.quiet = max(w.now, w.trouble) + calm
	w.after(w.quiet-w.now-calm/2, func() { w.asleep = w.sleepers() })
	w.after(w.quiet-w.now, w.becomeQuiet)
	for end := w.now + settleWait; w.now < end && w.failure == nil && (w.now < w.quiet || w.unsettled() != ""); {
		w.run(w.now + 500*time.Millisecond)
	}
	if w.failure == nil {
		w.lastLook()
	}
	return w.failure
}

func (w *World) happen(f Fault) {
	if w.quiet != 0 {
		return
	}
	k, n := kinds()[f.Kind], w.nodes[f.Node]
	w.say("FAULT %s of %s", f.Kind, n.name)
	over := k.do(w, n, f)
	w.trouble = max(w.trouble, w.now+over)
	if k.restart {
		w.load.explained = max(w.load.explained, w.now+over+wave)
	}
}

func (w *World) killNode(n *node, f Fault) time.Duration {
	n.kill(false)
	down := f.lasts(300*ms, 3*time.Second)
	n.startAfter(down)
	return down
}

// nodeDown kills a node for longer than its lease.
func (w *World) nodeDown(n *node, f Fault) time.Duration {
	n.kill(false)
	down := f.lasts(4*time.Second, 10*time.Second)
	n.startAfter(down)
	return down
}

// startAfter starts a node that does not run.
func (n *node) startAfter(d time.Duration) {
	run := n.run
	n.w.after(d, func() {
		if n.run == run && !n.up {
			n.start()
		}
	})
}

// pauseLong pauses a node for longer than its lease.
func (w *World) pauseLong(n *node, f Fault) time.Duration {
	return w.pause(n, f.lasts(3500*ms, 9*time.Second))
}

func (w *World) pause(n *node, d time.Duration) time.Duration {
	n.paused = max(n.paused, w.now+d)
	return d
}

func (w *World) drainNode(n *node, _ Fault) time.Duration {
	if n.up && n.member != nil {
		n.after(0, func() { n.drain(false) })
		w.after(2*time.Second, func() { n.stop(true) })
	}
	return 0
}

// drainAndBack drains a node, and takes that back.
func (w *World) drainAndBack(n *node, f Fault) time.Duration {
	if n.up {
		n.after(0, func() { n.drain(false) })
		n.after(f.lasts(50*ms, 3*time.Second), func() { n.drain(true) })
	}
	return 0
}

// lastSurvivor drains all nodes and kills one: the others are to take its agents all the same.
func (w *World) lastSurvivor(n *node, _ Fault) time.Duration {
	const long = 12 * time.Second
	for _, o := range w.nodes {
		if o != n && o.up {
			o.after(0, func() { o.drain(false) })
			o.after(long+2*time.Second, func() { o.drain(true) })
		}
	}
	w.after(time.Second, func() {
		n.kill(false)
		n.startAfter(long)
	})
	return long
}

// setApart has a node not reach the database, for less than its lease and for more.
func (w *World) setApart(n *node, f Fault) time.Duration {
	long := f.lasts(200*ms, 5*time.Second)
	n.apart = max(n.apart, w.now+long)
	return long
}

// stayAway takes the power or the network of some devices for long.
func (w *World) stayAway(_ *node, _ Fault) time.Duration {
	for _, d := range w.some() {
		long := w.between(8*time.Second, 25*time.Second)
		if w.one(2) {
			d.hangUpOffline(w.one(2))
			w.after(long, d.online)
			continue
		}
		d.cut()
		w.after(long, func() {
			if !d.on {
				d.switchOn()
			}
		})
	}
	return 0
}

func (w *World) killDatabase(_ *node, _ Fault) time.Duration {
	w.away = max(w.away, w.now+time.Second)
	return time.Second
}

func (w *World) killAll(_ *node, _ Fault) time.Duration {
	w.away = max(w.away, w.now+500*time.Millisecond)
	for _, n := range w.nodes {
		n.kill(false)
		n.startAfter(w.between(500*time.Millisecond, 1500*time.Millisecond))
	}
	return 2 * time.Second
}

// some is a third of the devices.
func (w *World) some() (list []*device) {
	for _, i := range w.random.Perm(len(w.devices))[:(len(w.devices)+2)/3] {
		list = append(list, w.devices[i])
	}
	return list
}

func (w *World) powerCut(_ *node, _ Fault) time.Duration {
	for _, d := range w.some() {
		d.cut()
		w.after(w.between(10*time.Millisecond, 3*time.Second), func() {
			if !d.on {
				d.switchOn()
			}
		})
	}
	return 0
}

// offline takes the network of some devices for longer than the grace or shorter,
// with and without the gateway noticing.
func (w *World) offline(_ *node, _ Fault) time.Duration {
	for _, d := range w.some() {
		d.hangUpOffline(w.one(2))
		w.after([]time.Duration{time.Second, 8 * time.Second}[w.random.IntN(2)], d.online)
	}
	return 0
}

// severSome breaks connections that come back at once.
func (w *World) severSome(_ *node, _ Fault) time.Duration {
	for _, d := range w.some() {
		d.sever()
	}
	return 0
}

// cutOff cuts a node off from all else, for longer than its lease.
func (w *World) cutOff(n *node, _ Fault) time.Duration {
	const long = 6 * time.Second
	n.apart = max(n.apart, w.now+long)
	for _, o := range w.nodes {
		if o != n {
			x := w.wire(n.name, o.name)
			x.cut = max(x.cut, w.now+long)
		}
	}
	return long
}

// split has two nodes not hear of each other, while both reach the database.
func (w *World) split(n *node, f Fault) time.Duration {
	other := w.nodes[(f.Node+1+int(f.Seed%uint64(len(w.nodes)-1)))%len(w.nodes)]
	x := w.wire(n.name, other.name)
	long := f.lasts(300*ms, 6*time.Second)
	x.cut = max(x.cut, w.now+long)
	return long
}

func (w *World) slow(n *node, _ Fault) time.Duration {
	for _, o := range w.nodes {
		if o != n {
			x := w.wire(n.name, o.name)
			x.slow = max(x.slow, w.now+4*time.Second)
		}
	}
	return 4 * time.Second
}

// restartSome restarts some agents, as an operator does.
func (w *World) restartSome(_ *node, _ Fault) time.Duration {
	for _, n := range w.nodes {
		for _, id := range sorted(n.pairs) {
			if w.one(3) {
				n.after(w.between(0, time.Second), func() {
					if p := n.pairs[id]; p != nil {
						p.bring(arrival{event: &life.Restart{Reason: tandem.ReasonRestart}})
					}
				})
			}
		}
	}
	return time.Second
}

// loseSome has some devices lose their directory. Their ids and keys are elsewhere.
func (w *World) loseSome(_ *node, _ Fault) time.Duration {
	for _, d := range w.some() {
		d.lose()
		w.after(w.between(10*time.Millisecond, 3*time.Second), d.switchOnAgain)
	}
	return 0
}

// restoreSome has some devices go on with a directory as it was before.
func (w *World) restoreSome(_ *node, _ Fault) time.Duration {
	for _, d := range w.some() {
		d.restore(d.switchOnAgain)
	}
	return 0
}

// switchOnAgain gives a device power that has none.
func (d *device) switchOnAgain() {
	if !d.on {
		d.switchOn()
	}
}

// setClocks has the clocks of some devices step, by minutes or years, either way.
func (w *World) setClocks(_ *node, _ Fault) time.Duration {
	const year = 365 * 24 * time.Hour
	for _, d := range w.some() {
		d.skew = pick(w.random, 0, -time.Hour, 2*time.Hour, -50*year, 50*year, 100*year)
		w.say("device %s has a clock that is %v off", d.home.ID, d.skew)
	}
	return 0
}

// heal ends all faults.
func (w *World) heal() {
	for _, n := range w.nodes {
		if !n.up {
			n.startAfter(time.Second)
		}
	}
	w.waiting = nil
	if !w.profile.dark {
		w.light()
	}
}

// light gives all devices their power and their network.
func (w *World) light() {
	for _, d := range w.devices {
		d.online()
		if !d.on {
			d.switchOn()
		}
	}
}

// becomeQuiet is when all that faults have begun should have ended.
func (w *World) becomeQuiet() {
	w.lookBeliefs()
	w.light()
	w.load.finish()
}

// Bounds of a node's leaving, as in package server.
const (
	leaveWait  = 60 * time.Second
	linkWait   = 5 * time.Second
	stopLook   = 20 * time.Millisecond
	stopPeriod = 5 * time.Second
)

// stop stops a node in good order, and starts it again.
func (n *node) stop(again bool) {
	if !n.up || n.closing || n.table == nil {
		return
	}
	n.w.say("%s is stopped", n.name)
	n.w.moment("stop", n)
	n.closing = true
	n.after(0, func() {
		n.leaving = true
		n.watchDrain(true)
		n.moves.Refuse()
		n.stepMember(n.member.Drain(n.now(), true))
	})
	end := n.w.now + leaveWait
	n.until(func() bool {
		empty := n.leaving && n.table.Owned(n.name) == 0 && n.moves.Quiet()
		return n.w.now >= end || empty || !n.table.TakersFor(n.name)
	}, func() {
		empty := n.table.Owned(n.name) == 0 && n.moves.Quiet()
		n.moves.Halt()
		if empty {
			n.stepCalls(n.calls.Empty())
			n.w.moment("empty", n)
		}
		atRest := func() bool { return n.moves.Idle() && n.calls.Serving() == 0 }
		n.until(func() bool { return atRest() || n.w.now >= end }, func() { n.sendAway(again) })
	})
}

// until has something happen when something is so.
func (n *node) until(so func() bool, then func()) {
	if so() {
		then()
		return
	}
	n.after(stopLook, func() { n.until(so, then) })
}

// sendAway sends the devices to other nodes, then puts the agents that are left to
// sleep, and leaves the cluster.
func (n *node) sendAway(again bool) {
	for _, id := range sorted(n.conns) {
		if c := n.conns[id]; !c.ended {
			c.session.End(mqtt.UseAnotherServer, "this server is being stopped", "")
			c.settle()
		}
	}
	end := n.w.now + linkWait
	n.until(func() bool { return len(n.conns) == 0 || n.w.now >= end }, func() {
		// What the others do not hear now, the end of the links and that the node is empty,
		// they never hear.
		others := n.table.Others(n.name)
		if len(n.conns) == 0 {
			for _, p := range others {
				n.say(p, &protocol.Settled{})
			}
		}
		n.flush(others, max(0, end-n.w.now), func(err error) {
			n.watch.heard = err == nil
			n.stopAgents(again)
		})
	})
}

// stopAgents puts the agents that are left to sleep, and leaves the cluster.
func (n *node) stopAgents(again bool) {
	n.stopping = true
	left := len(n.pairs)
	for _, id := range sorted(n.pairs) {
		stop := &life.Stop{Patience: stopPeriod}
		n.pairs[id].bring(arrival{event: stop, left: func(*life.Moved, error) { left-- }})
	}
	n.until(func() bool { return left == 0 }, func() { n.over = true })
	n.until(func() bool { return n.over && (n.asking == 0 || n.w.cfg.Mistake == leaveEarly) }, func() {
		n.read(twin.Leave{}, func(any, error) {
			n.w.say("%s has left", n.name)
			n.kill(true)
			if again {
				n.startAfter(n.w.between(100*time.Millisecond, time.Second))
			}
		})
	})
}

// lastLook checks what can only be seen at the end.
func (w *World) lastLook() {
	if what := w.unsettled(); what != "" {
		w.broken("%s, %v after the last fault", what, (calm + settleWait).Round(time.Second))
		return
	}
	for _, d := range w.devices {
		if err := w.causal(w.log[d.home.ID]); err != nil {
			w.broken("device %s: %w", d.home.ID, err)
			return
		}
	}
}

// causal checks the order of the lines of a pair's log, by their clocks: a number is
// sent by the device before the agent gets it, and that before it is back. What a node
// has written that was lost then is no cause: its stamps may have reached no other node.
func (w *World) causal(log []line) error {
	log = slices.Clone(log)
	slices.SortStableFunc(log, func(a, b line) int { return cmp.Compare(a.Clock, b.Clock) })
	first := map[string]int{}
	lost := map[string]bool{} // a run that was lost wrote it, too
	for i, line := range log {
		_, ended := w.endedAt[line.at]
		lost[line.Msg] = lost[line.Msg] || ended
		if _, known := first[line.Msg]; !known {
			first[line.Msg] = i
		}
	}
	for _, order := range [][2]string{{"sent ", "got "}, {"got ", "back "}} {
		for i, line := range log {
			number, ok := strings.CutPrefix(line.Msg, order[1])
			if !ok || first[line.Msg] != i {
				continue
			}
			if cause, known := first[order[0]+number]; known && cause > i && !lost[order[0]+number] {
				return fmt.Errorf("the log has %q before %q", line.Msg, order[0]+number)
			}
		}
	}
	return nil
}

// Shrink looks for a shorter story that breaks the world in the same way. It tries at
// most so many. The error says how the world breaks, which it always does: a story that
// breaks nothing is told back as such.
func Shrink(cfg Config, length time.Duration, story []Fault, tries int) ([]Fault, error) {
	broken := func(story []Fault) error {
		c := cfg
		c.Story, c.Trace = story, false
		if c.Story == nil {
			c.Story = []Fault{}
		}
		return New(c).Chaos(length)
	}
	last := broken(story)
	if last == nil {
		return story, errors.New("the story breaks nothing")
	}
	for i := len(story) - 1; i >= 0 && tries > 0; i-- {
		tries--
		shorter := slices.Delete(slices.Clone(story), i, i+1)
		if err := broken(shorter); err != nil {
			story, last = shorter, err
		}
	}
	return story, last
}
