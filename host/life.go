package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// storeWait bounds what a pair waits for a read of the store.
const storeWait = 10 * time.Second

// start begins the next incarnation. The code boots at once, but what it wants
// done is held back until the store says that the incarnation is durable, so
// that no two incarnations can be taken for one.
func (p *pair) start(reason tandem.Reason) {
	p.reason = reason
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	rec, err := p.host.Store.Record(ctx, p.agent)
	if err != nil {
		p.startLater("the agent's record cannot be read", err)
		return
	}
	if reason == tandem.ReasonNone && rec.Running && p.incarnation == 0 {
		p.resume() // it ran on an earlier node, and this event is faster than resumeAll
		return
	}
	pr, err := p.program(ctx)
	if err == nil {
		err = pr.agentErr
	}
	if err != nil {
		p.codelessFor(err)
		return
	}
	p.code = pr.agent
	cfg := p.config()
	cfg.Incarnation, cfg.Start = rec.Incarnation+1, reason
	cfg.Saved, cfg.Mark, cfg.ValidateTLS, cfg.Credits = rec.Saved, rec.Mark, pr.validate, p.credits
	p.mu.Lock()
	cfg.Connected, cfg.Address = p.connected, p.address
	p.inbox = append(p.unread, slices.DeleteFunc(p.inbox, outdated)...) // it starts with the latest
	p.unread = nil
	p.mu.Unlock()
	now := time.Now()
	p.machine = agent.New(cfg, now)
	p.state, p.incarnation, p.started, p.active = starting, cfg.Incarnation, now, now
	p.host.counts.live.Add(1)
	p.host.Store.Begin(p.agent, func(incarnation uint64, err error) {
		p.command(func() { p.begun(incarnation, err) })
	})
	p.held = slices.Clone(p.machine.Step(now, &agent.Boot{}))
}

// outdated reports whether an event was meant for an earlier incarnation.
func outdated(it item) bool {
	switch it.event.(type) {
	case *agent.DeviceConnected, *agent.DeviceDisconnected, *agent.PeerStarted, *agent.Shutdown, *agent.Fetched, *agent.FetchedPart, *agent.Uploaded,
		*agent.MQTTConnected, *agent.MQTTMessage, *agent.MQTTDone, *agent.MQTTLost, *agent.Handled:
		return true
	}
	return false
}

// config is what every incarnation of the agent has in common.
func (p *pair) config() agent.Config {
	return agent.Config{
		Program: p.code, Agent: p.agent, Device: p.device, URL: p.host.URL(p.agent),
		Memory: p.host.Memory, Budget: p.host.Budget, Version: p.host.Version,
	}
}

// begun goes on when the incarnation is durable, or cannot be.
func (p *pair) begun(incarnation uint64, err error) {
	if p.state != starting {
		return // the node stops
	}
	if err == nil && incarnation != p.incarnation {
		err = tandem.Errorf(tandem.Conflict, "incarnation %d of the agent was begun by somebody else", incarnation)
	}
	if err != nil {
		p.machine, p.held = nil, nil
		p.host.counts.live.Add(-1)
		p.startLater("the agent's new incarnation cannot be recorded", err)
		return
	}
	if !p.leased() { // it may have taken long
		return
	}
	p.state = live
	p.stopBy = time.Time{}
	reason := p.reason
	p.reason, p.began = tandem.ReasonNone, reason
	text, event := "Agent started.", "started"
	if incarnation > 1 && reason != tandem.ReasonNone {
		text, event = fmt.Sprintf("Agent restarted: %s.", reason), "restarted"
		p.host.counts.restarts.Add(string(reason), 1)
	}
	p.log(tandem.LogStatus, text)
	p.sendSystem("sys/agent", agentMessage{Event: event, Reason: reason, Incarnation: incarnation})
	held := p.held
	p.held = nil
	for _, e := range held {
		p.do(e)
		if p.machine == nil {
			return
		}
	}
	p.restartAgain()
}

// restartAgain does what was wanted while the agent could not be told.
func (p *pair) restartAgain() {
	if again := p.again; again != tandem.ReasonNone {
		p.again = tandem.ReasonNone
		p.restartFor(again)
	}
}

// startLater tries again after a failure that is not the agent's.
func (p *pair) startLater(what string, err error) {
	p.host.Logger.Error("agent not started", "agent", p.agent, "device", p.device, "what", what, "err", err)
	p.state, p.startAt = delayed, time.Now().Add(time.Second)
}

// codelessFor settles that there is nothing to run.
func (p *pair) codelessFor(err error) {
	if p.state != codeless && tandem.KindOf(err) != tandem.NotFound {
		p.log(tandem.LogAgentError, err.Error())
	}
	p.state, p.machine = codeless, nil
}

// end is the end of an incarnation: what belonged to it is dropped, and the
// next one starts, later when the agent keeps crashing.
func (p *pair) end(r *agent.Restart) {
	reason := r.Reason
	if reason == tandem.ReasonRestart && p.reason != tandem.ReasonNone {
		reason = p.reason // the agent has done as it was told
	}
	if limit := overOf(r.Reason); limit != "" {
		p.host.over(limit)
	}
	ran := time.Since(p.started)
	// A program that restarts itself as soon as it runs must be slowed down
	// like one that crashes.
	hasty := crash(reason) || r.Reason == tandem.ReasonRestart && p.reason == tandem.ReasonNone && ran < hastyRun
	p.dropMachine()
	outside := p.reason != tandem.ReasonNone // somebody else wanted that
	if outside {
		p.credits = nil // it is no way for the agent to have more
	}
	p.refuseDelivered(reason)
	if p.handling && p.current.post() && outside && !crash(r.Reason) {
		// It was cut off, and is not handled: the next incarnation has it.
		p.giveBack(p.current)
		p.current, p.handling = item{}, false
	}
	p.settle()
	if !hasty || ran >= crashMemory {
		p.crashes = 0
	}
	delay := time.Duration(0)
	if hasty {
		delay = crashDelay(p.crashes)
		p.crashes++
	}
	p.reason, p.stopBy = reason, time.Time{}
	if delay == 0 {
		p.state = absent
		p.start(reason)
		return
	}
	p.host.over(tandem.OverCrashes)
	p.log(tandem.LogStatus, fmt.Sprintf("Agent stopped: %s. It restarts in %d s, having ended early %d times in a row.", reason, int(delay.Seconds()), p.crashes))
	p.state, p.startAt = delayed, time.Now().Add(delay)
}

func (p *pair) dropMachine() {
	left := p.machine.Credits()
	p.machine, p.credits = nil, &left
	p.host.counts.live.Add(-1)
	for _, cancel := range p.fetches {
		cancel()
	}
	p.fetches, p.fetchedAt, p.uploads = nil, nil, nil
	p.leaveMQTT()
}

const (
	crashMemory = time.Minute // a run this long makes the crashes before it forgotten
	hastyRun    = time.Second // a program that restarts itself sooner is in a hurry
)

func crash(r tandem.Reason) bool {
	return r == tandem.ReasonException || r == tandem.ReasonOutOfMemory || r == tandem.ReasonWatchdog
}

// crashDelay is how long an agent waits that has crashed n times before: 0, 1,
// 2, 4 … 60 s.
func crashDelay(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return min(time.Second<<min(n-1, 10), time.Minute)
}

// restartFor restarts the agent for a reason from outside. One that has asked
// for it by server.onshutdown is told and gets some time first.
func (p *pair) restartFor(reason tandem.Reason) {
	switch p.state {
	case live:
	case frozen:
		if !p.thaw() {
			return
		}
	case starting:
		p.again = reason // it must be running to be told
		return
	case stopped:
		return
	default:
		p.crashes = 0
		p.state = absent
		if p.reason != tandem.ReasonNone && reason == tandem.ReasonRestart {
			reason = p.reason
		}
		p.start(reason)
		return
	}
	if !p.stopBy.IsZero() {
		return // it has been told already
	}
	p.reason, p.stopBy = reason, time.Now().Add(tandem.ShutdownWait)
	if p.machine.Busy() {
		p.giveBack(item{event: &agent.Shutdown{Reason: reason}})
		return
	}
	p.step(&agent.Shutdown{Reason: reason})
}

// freeze turns an idle machine into bytes.
func (p *pair) freeze() {
	if p.machine.Busy() || len(p.fetches) > 0 || !p.stopBy.IsZero() {
		return
	}
	data, err := p.machine.Snapshot()
	if err != nil {
		p.host.Logger.Error("agent cannot be hibernated", "agent", p.agent, "err", err)
		p.active = time.Now()
		return
	}
	p.host.frozeArena(p.machine.Memory())
	p.frozenAlarm = time.Time{}
	if at, ok := p.machine.Alarm(); ok {
		p.frozenAlarm = at
	}
	p.frozen, p.machine, p.state = pack(data), nil, frozen
	p.host.counts.live.Add(-1)
	p.host.counts.frozen.Add(1)
}

// thaw makes a machine of the bytes again. When that cannot be the agent
// starts anew, and thaw returns false.
func (p *pair) thaw() bool {
	data := p.frozen
	p.frozen = nil
	p.host.counts.frozen.Add(-1)
	m, err := p.restore(data)
	if err != nil {
		p.host.Logger.Warn("agent cannot be resumed and starts anew", "agent", p.agent, "err", err)
		p.leaveMQTT()
		p.state = absent
		p.start(tandem.ReasonBytecode)
		return false
	}
	now := time.Now()
	p.machine, p.state, p.active = m, live, now
	p.host.counts.live.Add(1)
	return true
}

// Runs reports whether a device's agent runs, or would if anything happened.
func (h *Host) Runs(id tandem.DeviceID) bool {
	p := h.inMemory(id)
	return p != nil && p.runs.Load()
}

// Deleted tells the host that a device and its agent are no more.
func (h *Host) Deleted(id tandem.DeviceID) {
	p := h.inMemory(id)
	if p == nil {
		return
	}
	h.devices.Delete(id)
	h.agents.Delete(p.agent)
	if h.others != nil { // it may wait for a lease, and nothing else ends that
		h.mu.Lock()
		p.abandoned.Store(true)
		h.wakeWaiting()
		h.mu.Unlock()
	}
	p.mu.Lock()
	l := p.link
	p.link = nil
	p.mu.Unlock()
	if l != nil {
		l.Close("the device has been deleted")
	}
	p.command(func() {
		if p.machine != nil {
			p.dropMachine()
		}
		p.leaveMQTT()
		p.state, p.frozen = stopped, nil
		p.refuseWaiting()
	})
}
