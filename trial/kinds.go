package trial

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem/rehearsal"
)

// Where says at which points of a run a fault can do something of its own.
type Where int

// Points of a run.
const (
	AtAgent  Where = iota // after each thing that the agent has got
	AtDevice              // after each thing that the device's runtime has got
	AtBoth
)

// Kind is a kind of fault, as a rehearsal knows it: what it does, how long, and where it is tried.
type Kind struct {
	Name  string
	Where Where
	// Spans are how long it takes when it is tried alone; nil: it has no length.
	Spans []time.Duration
	// Parts are what is done to the pair, each after a share of the span.
	Parts func(d time.Duration) []Part
	// Simpler is the kind that a shrunk story has in its place if that will do; "": there is none.
	Simpler string
}

// Part is something that is done to the pair, some time after the fault began.
type Part struct {
	After time.Duration
	Fault rehearsal.Fault
}

func once(f rehearsal.Fault) func(time.Duration) []Part {
	return func(d time.Duration) []Part {
		part := f // searches on several processors share the kinds
		part.For = d
		return []Part{{0, part}}
	}
}

func restart(reason, simpler string) Kind {
	k := Kind{Name: "restart " + reason, Simpler: simpler}
	k.Parts = once(rehearsal.Fault{Kind: rehearsal.Restart, Text: reason})
	return k
}

// usualLatency is that of a link without faults.
const usualLatency = 10 * time.Millisecond

// Cuts on both sides of the grace within which a reconnect is not told, and of what a node bears of a
// silent device.
const (
	shortCut = time.Second
	longCut  = 8 * time.Second
	lostCut  = 90 * time.Second
)

// Kinds are all kinds of faults, in the order in which they are tried.
var Kinds = slices.Concat([]Kind{
	restart("restart", ""), restart("reload", "restart restart"), restart("new_bytecode_version", "restart restart"),
	restart("migrating", "restart restart"), restart("shutdown", "restart restart"),
	restart("unassigned", "restart restart"), restart("idle", "restart restart"),
	{
		Name: "agent memory", Simpler: "restart restart",
		Parts: once(rehearsal.Fault{Kind: rehearsal.MemoryFull, Text: "agent"}),
	},
	{
		Name: "lose", Simpler: "restart restart", Spans: spans(time.Second),
		Parts: once(rehearsal.Fault{Kind: rehearsal.Lose}),
	},
	{Name: "move", Parts: once(rehearsal.Fault{Kind: rehearsal.Move})},
	{Name: "hibernate", Parts: once(rehearsal.Fault{Kind: rehearsal.Hibernate})},
	{Name: "refuse", Spans: spans(10 * time.Second), Parts: once(rehearsal.Fault{Kind: rehearsal.Refuse})},
	{
		Name: "late answers", Spans: spans(time.Minute),
		Parts: once(rehearsal.Fault{Kind: rehearsal.Silence, Text: rehearsal.Late}),
	},
	{
		Name: "no server", Spans: spans(time.Minute),
		Parts: once(rehearsal.Fault{Kind: rehearsal.Silence, Text: rehearsal.Unreachable}),
	},
	{Name: "quiet", Parts: once(rehearsal.Fault{Kind: rehearsal.Quiet})},
}, deviceKinds, linkKinds)

var deviceKinds = []Kind{
	{
		Name: "power", Where: AtDevice, Spans: spans(time.Second),
		Parts: once(rehearsal.Fault{Kind: rehearsal.PowerCycle}),
	},
	{
		Name: "device restart", Where: AtDevice, Simpler: "power",
		Parts: once(rehearsal.Fault{Kind: rehearsal.RestartDevice}),
	},
	{
		Name: "device memory", Where: AtDevice, Simpler: "device restart",
		Parts: once(rehearsal.Fault{Kind: rehearsal.MemoryFull, Text: "device"}),
	},
	{
		Name: "sleep", Where: AtDevice, Spans: spans(20 * time.Second),
		Parts: once(rehearsal.Fault{Kind: rehearsal.Sleep}),
	},
}

var linkKinds = []Kind{
	{
		Name: "cut", Where: AtBoth, Spans: spans(shortCut, longCut, lostCut),
		Parts: once(rehearsal.Fault{Kind: rehearsal.Cut}),
	},
	{Name: "reset", Where: AtBoth, Parts: once(rehearsal.Fault{Kind: rehearsal.Reset})},
	{
		Name: "overtake", Where: AtBoth, Spans: spans(2 * time.Second),
		Parts: once(rehearsal.Fault{Kind: rehearsal.Overtake}),
	},
	{Name: "slow", Spans: spans(time.Minute), Parts: func(d time.Duration) []Part {
		return []Part{
			{0, rehearsal.Fault{Kind: rehearsal.Latency, For: 30 * time.Second}},
			{d, rehearsal.Fault{Kind: rehearsal.Latency, For: usualLatency}},
		}
	}},
	{Name: "lossy", Spans: spans(time.Minute), Parts: func(d time.Duration) []Part {
		return []Part{
			{0, rehearsal.Fault{Kind: rehearsal.Loss, Value: 0.3}},
			{d, rehearsal.Fault{Kind: rehearsal.Loss}},
		}
	}},
	{Name: "deploy", Simpler: "restart restart", Parts: once(rehearsal.Fault{Kind: rehearsal.Deploy})},
	// The agent runs the new code, and the device does not hear of it for a while.
	{Name: "half a deployment", Simpler: "deploy", Spans: spans(20 * time.Second), Parts: func(d time.Duration) []Part {
		return []Part{{0, rehearsal.Fault{Kind: rehearsal.Deploy}}, {0, rehearsal.Fault{Kind: rehearsal.Cut, For: d}}}
	}},
	{
		Name: "agent clock", Spans: spans(time.Hour, -time.Hour),
		Parts: once(rehearsal.Fault{Kind: rehearsal.AgentClock}),
	},
	{
		Name: "device clock", Where: AtDevice, Spans: spans(time.Hour, -time.Hour),
		Parts: once(rehearsal.Fault{Kind: rehearsal.DeviceClock}),
	},
}

func spans(d ...time.Duration) []time.Duration { return d }

// KindOf returns the kind with a name.
func KindOf(name string) (k *Kind, ok bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return nil, false
	}
	return &Kinds[i], true
}

func kindOf(name string) *Kind {
	k, _ := KindOf(name)
	return k
}

// lasts reports whether the span of a fault of the kind is the time that it takes.
func (k *Kind) lasts() bool { return k.Name != "agent clock" && k.Name != "device clock" }
