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
	Node int // at which, or the first of two
	Seed uint64
}

func (f Fault) String() string { return fmt.Sprintf("%.3f %s n%d", f.At.Seconds(), f.Kind, f.Node+1) }

// kind is a kind of fault. It returns when it is over.
type kind struct {
	do      func(w *World, n *node, f Fault) time.Duration
	restart bool // agents may be restarted by it
}

var kinds = map[string]kind{
	"kill":     {do: (*World).killNode, restart: true},
	"pause":    {do: func(w *World, n *node, _ Fault) time.Duration { return w.pause(n, 8*time.Second) }, restart: true},
	"blink":    {do: func(w *World, n *node, _ Fault) time.Duration { return w.pause(n, time.Second) }},
	"stop":     {do: func(w *World, n *node, _ Fault) time.Duration { n.stop(true); return 0 }},
	"drain":    {do: (*World).drainNode},
	"database": {do: (*World).killDatabase, restart: true},
	"all":      {do: (*World).killAll, restart: true},
	"power":    {do: (*World).powerCut},
	"offline":  {do: (*World).offline},
	"sever":    {do: (*World).severSome},
	"cut":      {do: (*World).cutOff, restart: true},
	"split":    {do: (*World).split, restart: true},
	"slow":     {do: (*World).slow, restart: true},
	"restart":  {do: (*World).restartSome, restart: true},
}

// Mistakes returns the mistakes that Config.Mistake can name.
func Mistakes() (names []string) {
	for _, name := range life.Mistakes() {
		names = append(names, "life."+name)
	}
	for _, name := range protocol.Mistakes() {
		names = append(names, "protocol."+name)
	}
	return names
}

// Kinds returns the kinds of fault.
func Kinds() []string { return sorted(kinds) }

// gap is between two faults: chaos has ten a minute.
const (
	firstFault = 4 * time.Second
	gapLeast   = 4 * time.Second
	gapMost    = 8 * time.Second
	settleWait = 90 * time.Second // for everything to come to rest at the end
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
		w.story = w.faults(length)
	}
	for _, f := range w.story {
		w.after(f.At, func() { w.happen(f) })
	}
	w.run(length)
	w.heal()
	w.load.ending = true
	w.quiet = w.now + 10*time.Second
	w.after(10*time.Second, w.load.finish)
	for end := w.now + settleWait; w.now < end && w.failure == nil && (w.now < w.quiet || len(w.load.unfinished()) > 0); {
		w.run(w.now + 500*time.Millisecond)
	}
	if w.failure == nil {
		w.lastLook()
	}
	return w.failure
}

// faults makes up what is to happen.
func (w *World) faults(length time.Duration) (story []Fault) {
	names := w.cfg.Faults
	if names == nil {
		names = Kinds()
	}
	for at := firstFault; at < length; at += w.between(gapLeast, gapMost) {
		story = append(story, Fault{
			At: at, Kind: names[w.random.IntN(len(names))], Node: w.random.IntN(len(w.nodes)), Seed: w.random.Uint64(),
		})
	}
	return story
}

func (w *World) happen(f Fault) {
	k, n := kinds[f.Kind], w.nodes[f.Node]
	w.say("FAULT %s of %s", f.Kind, n.name)
	over := k.do(w, n, f)
	if k.restart {
		w.load.explained = max(w.load.explained, w.now+over+wave)
	}
}

func (w *World) killNode(n *node, _ Fault) time.Duration {
	n.kill()
	n.startAfter(2 * time.Second)
	return 2 * time.Second
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

func (w *World) killDatabase(_ *node, _ Fault) time.Duration {
	w.away = max(w.away, w.now+time.Second)
	return time.Second
}

func (w *World) killAll(_ *node, _ Fault) time.Duration {
	w.away = max(w.away, w.now+500*time.Millisecond)
	for _, n := range w.nodes {
		n.kill()
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
	x.cut = max(x.cut, w.now+5*time.Second)
	return 5 * time.Second
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

// heal ends all faults.
func (w *World) heal() {
	for _, n := range w.nodes {
		if !n.up {
			n.startAfter(time.Second)
		}
	}
	for _, d := range w.devices {
		d.online()
		if !d.on {
			d.switchOn()
		}
	}
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
	n.closing = true
	n.after(0, func() {
		n.leaving = true
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
		}
		n.until(func() bool { return n.moves.Idle() || n.w.now >= end }, func() { n.sendAway(again) })
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
		n.stopping = true
		left := len(n.pairs)
		for _, id := range sorted(n.pairs) {
			stop := &life.Stop{Patience: stopPeriod}
			n.pairs[id].bring(arrival{event: stop, left: func(*life.Moved, error) { left-- }})
		}
		n.until(func() bool { return left == 0 }, func() {
			n.read(twin.Leave{}, func(any, error) {
				n.w.say("%s has left", n.name)
				n.kill()
				if again {
					n.startAfter(n.w.between(100*time.Millisecond, time.Second))
				}
			})
		})
	})
}

// lastLook checks what can only be seen at the end.
func (w *World) lastLook() {
	if list := w.load.unfinished(); len(list) > 0 {
		s := list[0]
		w.broken("%d agents have not come to their end; %s has had %d posts, and its device has %d back; heard at %v, asked to since %v",
			len(list), s.id, s.up, s.done, s.heard, w.quiet)
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
	for i, line := range log {
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
			if cause, known := first[order[0]+number]; known && cause > i && !w.lost[log[cause].at] {
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
