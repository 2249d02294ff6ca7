package server

import (
	"context"
	"math"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/ingress"
	"github.com/tandem-iot/tandem/store"
)

// File descriptors have owners. These are the shares, in parts of 32, of what the process
// may have. Agents' own requests, with the connections that are kept for them, have 7.5
// more, and their connections to MQTT brokers one (package egress), so that 2.5 are left
// for the log, the store and other nodes.
const (
	devicesShare = 17 // of the listeners for MQTT
	apiShare     = 2  // of the HTTP listener; it has both shares when agents are served there too
	agentsShare  = 2  // of the listener for agents in path form
	allShares    = 32
)

// An address may have half of a listener's connections, and not more than this. Connections
// that have logged in do not count.
const mostOfAddress = 1024

// Requests that agents have not answered get three quarters of the connections, so that the
// API can be reached when agents let their callers wait.
const agentsPart = 0.75

// admission is the state of a node that has to do with who gets in.
type admission struct {
	gates    map[string]*admit.Gate // by the kind of listener
	guards   []*ingress.Guard       // of the HTTP listeners
	health   *health
	logins   *admit.Logins
	target   int64        // of the memory, in bytes; 0: none
	inUse    func() int64 // bytes of memory
	pressure atomic.Int32 // an admit.Pressure
	turned   atomic.Int64 // requests to the API that were turned away
}

// Kinds of listeners, as the log and the metrics have them.
const (
	doorDevices = "devices"
	doorAPI     = "api"
	doorAgents  = "agents"
)

func (n *node) prepareAdmission() {
	a := &n.admission
	shares := map[string]int{doorDevices: devicesShare, doorAPI: apiShare, doorAgents: agentsShare}
	if n.Agents.Domain != "" {
		shares = map[string]int{doorDevices: devicesShare, doorAPI: apiShare + agentsShare}
	}
	a.gates = map[string]*admit.Gate{}
	for kind, share := range shares {
		total := admit.Descriptors() * share / allShares
		a.gates[kind] = admit.NewGate(kind, total, min(total/2, mostOfAddress), n.TrustedProxies, n.logger)
	}
	a.logins = new(admit.Logins)
	a.health = n.newHealth()
	a.target = n.memoryTarget()
	a.inUse = admit.MemoryInUse
}

// admit puts a listener behind the gate of its kind. what is the name of the listener.
func (n *node) admit(l net.Listener, what string) net.Listener {
	kind := doorAPI
	if strings.HasPrefix(what, "MQTT") {
		kind = doorDevices
	} else if what == doorAgents {
		kind = doorAgents
	}
	return n.admission.gates[kind].Listen(l)
}

// guard stands before the handler of a listener.
func (n *node) guard(h http.Handler) *ingress.Guard {
	g := &ingress.Guard{Handler: h, Logger: n.logger}
	n.admission.guards = append(n.admission.guards, g)
	return g
}

// mostRequests limits the requests that agents have not answered.
func (n *node) mostRequests() int {
	return int(agentsPart * float64(admit.Descriptors()*(apiShare+agentsShare)/allShares))
}

// ofContainer is the share of a container's memory that Go may use. The rest is for
// SQLite, stacks of threads, and buffers of the kernel.
const ofContainer = 0.9

// memoryTarget returns how much memory the node may use, 0 when that is not known: what
// the flag says, or GOMEMLIMIT, or the container. It makes the target the limit of Go's
// collector.
func (n *node) memoryTarget() int64 {
	target := n.MemoryTarget
	if target == 0 {
		if set := debug.SetMemoryLimit(-1); set != math.MaxInt64 {
			return set // by GOMEMLIMIT
		}
		target = int64(ofContainer * float64(admit.ContainerMemory(os.DirFS("/"))))
	}
	if target > 0 {
		debug.SetMemoryLimit(target)
		n.logger.Info("memory has a target", "bytes", target)
	}
	return target
}

// room returns how many bytes something may take: as many as usual, or a part of the memory
// target if that is less.
func (n *node) room(usual, parts int64) int64 {
	if n.admission.target == 0 {
		return usual
	}
	return min(usual, n.admission.target/parts)
}

// Intervals of watch.
const (
	readMemory  = time.Second
	collectWait = 5 * time.Second
)

// watch sheds work when memory runs short, and reports what was refused, until ctx ends.
func (n *node) watch(ctx context.Context, agents *ingress.Handler) {
	tick := time.NewTicker(readMemory)
	defer tick.Stop()
	collected := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if n.relieve(agents) > admit.Calm && now.Sub(collected) >= collectWait {
				// What was shed is seen only after a collection, and a node that refuses
				// everything allocates too little for one.
				runtime.GC()
				collected = now
			}
			n.reportRefused(now)
		}
	}
}

// shedPart is the part of what waits that is shed in a second.
const shedPart = 8

// relieve reads the memory in use, and sheds what its level says.
func (n *node) relieve(agents *ingress.Handler) admit.Pressure {
	a := &n.admission
	before := admit.Pressure(a.pressure.Load())
	used := a.inUse()
	level := before.Next(used, a.target)
	a.pressure.Store(int32(level))
	agents.Under(level)
	a.gates[doorDevices].Shut(level >= admit.Critical)
	var connections, requests int
	if level >= admit.Tight {
		for _, g := range a.gates {
			connections += g.Shed(1 + int(g.Connections())/shedPart)
		}
		n.fetcher.Idle()
	}
	if level >= admit.Short {
		requests = agents.Shed(1 + agents.Waiting()/shedPart)
	}
	switch {
	case level > before:
		n.logger.Warn("memory is short; work is shed", "level", level.String(), "bytes", used, "target", a.target,
			"connections", connections, "requests", requests)
	case level < before:
		n.logger.Info("memory is less short", "level", level.String(), "bytes", used, "target", a.target)
	}
	return level
}

// reportRefused writes to the log how much was refused, at most once a minute.
func (n *node) reportRefused(now time.Time) {
	for _, g := range n.admission.gates {
		g.Report(now)
	}
	if c := n.admission.logins.Failures(now); c.N > 0 {
		n.logger.Warn("logins failed",
			"failed", c.N, "addresses", c.Sources, "most_from", c.Most.String(), "of_it", c.MostN)
	}
}

// overloaded answers a request to the API when even that has to wait, and reports whether
// it did.
func (n *node) overloaded(w http.ResponseWriter, r *http.Request) bool {
	if admit.Pressure(n.admission.pressure.Load()) < admit.Critical {
		return false
	}
	n.admission.turned.Add(1)
	ingress.TurnAway(w, r, errCritical)
	return true
}

var errCritical = tandem.Errorf(tandem.Unavailable, "this server is out of memory: try again in a moment")

// overAdmission returns how often each of the limits here was reached.
func (n *node) overAdmission() map[string]int64 {
	a := &n.admission
	listeners := int64(0)
	for _, g := range a.guards {
		listeners += g.Over()
	}
	for _, gate := range a.gates {
		listeners += gate.Over()
	}
	return map[string]int64{
		tandem.OverListener: listeners, tandem.OverLogins: a.logins.Slowed(), tandem.OverNodeMemory: a.turned.Load(),
	}
}

// collectAdmission reads the figures of admission.
func (f figures) collectAdmission(p page) {
	a := &f.n.admission
	connections := map[string]int64{}
	for kind, g := range a.gates {
		connections[kind] = g.Connections()
	}
	p.by(prometheus.GaugeValue, "connections", "Connections of clients.", "listener", connections)
	p.one(prometheus.GaugeValue, "requests_waiting", "Requests that wait for an agent's answer.", f.agents.Waiting())
	p.one(prometheus.GaugeValue, "memory_in_use_bytes", "Memory that Go cannot free.", int(a.inUse()))
	p.one(prometheus.GaugeValue, "memory_target_bytes", "What the memory may be; 0: there is no target.", int(a.target))
	p.one(prometheus.GaugeValue, "memory_pressure", "What is shed: 0 nothing, 1 connections that wait, "+
		"2 requests to agents, 3 requests to the API too.", int(a.pressure.Load()))
	panics := int64(0)
	for _, g := range a.guards {
		panics += g.Panics()
	}
	p.one(prometheus.CounterValue, "http_panics_total", "Requests that ended in a panic; the log has the stack.",
		int(panics))
}

// known adds to agents whether there is one.
type known struct {
	requester
	store *store.Store
}

type requester interface {
	Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error)
}

// Exists returns nil when there is such an agent.
func (k known) Exists(ctx context.Context, id tandem.AgentID) error {
	_, err := k.store.DeviceOf(ctx, id)
	return err
}
