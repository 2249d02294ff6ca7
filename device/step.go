package device

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// SetAhead says by how much the clock that the code reads, by time and date, is ahead of the
// times of Steps from now on. It may step; nothing that waits for a time follows it.
func (m *Machine) SetAhead(d time.Duration) { m.core.Ahead = d }

// Step takes an event and returns the effects that the code asks for. The next Step
// reuses the slice. A dead machine does nothing. The times of Steps pass as time does: they
// never go back, nor step ahead, when a clock is set.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	clear(m.effects)
	m.effects = m.effects[:0]
	if m.dead || m.Busy() && !TakenBusy(ev) {
		return nil
	}
	m.core.Now = now
	if !m.Busy() {
		m.core.During = during(ev)
		m.st.Posts.Cause, m.st.Posts.Nth = 0, 0
		m.st.Poll.Empty = 0
	}
	m.settle(m.guarded(func() imp.Outcome { return m.take(ev) }))
	for !m.dead && !m.Busy() && len(m.st.Later) > 0 {
		next := m.st.Later[0]
		m.st.Later = m.st.Later[1:]
		m.core.During = duringLater(next)
		m.settle(m.guarded(func() imp.Outcome { return m.callBack(next) }))
	}
	if m.st.Link.Dropped {
		m.st.Link.Dropped = false
		m.lost()
	}
	if !m.Busy() {
		m.core.During = imp.During{}
	}
	return m.effects
}

// guarded runs f. When f finds the memory full while it makes a value, the outcome
// is that of a program out of memory.
func (m *Machine) guarded(f func() imp.Outcome) (o imp.Outcome) {
	defer m.core.Guard(&o)
	return f()
}

func (m *Machine) take(ev Event) imp.Outcome {
	now := m.core.Now
	switch ev := ev.(type) {
	case *Boot:
		return m.boot()
	case *AgentMessage:
		return m.message(ev.Message)
	case *Linked:
		m.st.Unexpected = 0
		if m.st.Patience != 0 {
			m.st.Patience = 0
			m.later(onConnect, ServerConnected)
		}
		return m.conclude(func(l *link) verdict { return l.linked(now, ev.Address) })
	case *Unlinked:
		if m.st.Link.Up && !m.st.Link.suspends() {
			m.lost()
		}
		return m.conclude(func(l *link) verdict { return l.unlinked(ev.Reason) })
	case *Written:
		return m.conclude(func(l *link) verdict { return l.written(now, ev.ID) })
	case *Sent:
		return m.conclude(func(l *link) verdict { return l.sent(now, ev.ID, ev.Code) })
	case *Handled:
		return m.postHandled(ev)
	case *Settled:
		return m.conclude(func(l *link) verdict { return l.settled(ev.Count) })
	case *Room:
		m.st.Posts.Room = *ev
	case *Alarm:
		return m.alarm()
	case *Woken:
		switch m.core.Waiting() {
		case imp.Sleeping:
			return m.core.Wake()
		case waitCount:
			return m.counted()
		case waitPoll:
			return m.polled()
		}
		return m.conclude(func(l *link) verdict { return l.expired(now) })
	case *Changed:
		return m.changed(ev)
	case *Shutdown:
		return m.shutdown(ev.Reason)
	case *PeerStarted:
		return m.core.PeerStarted(ev.Reason, ev.Incarnation)
	case *Idle:
		return m.once(onIdle)
	}
	return imp.Done
}

// boot runs the code from its first line, with the nv table of the deep sleep
// before.
func (m *Machine) boot() imp.Outcome {
	if nv := m.st.NV; nv != nil {
		m.st.NV = nil
		if x, err := imp.Decode(m.vm(), nv); err == nil {
			m.vm().SetField(m.vm().Root(), "nv", x)
		} else {
			m.explain(true, "the nv table from before the deep sleep is lost: "+err.Error())
		}
	}
	return m.core.Boot()
}

// message runs the handler of a message from the agent.
func (m *Machine) message(msg tandem.Message) imp.Outcome {
	m.st.Posts.Cause = msg.Post
	fn := m.core.Handler(agentHandler(msg.Name))
	m.core.Prepare(fn)
	if fn.IsNull() {
		m.explain(true, "no handler for device.send(): "+imp.ShownName(msg.Name))
		return imp.Done
	}
	data, err := codec.Compact(msg)
	var x squirrel.Value
	if err == nil {
		x, err = imp.Decode(m.vm(), data)
	}
	if err != nil {
		m.explain(true, "the data of device.send(), "+imp.ShownName(msg.Name)+", is damaged: "+err.Error())
		return imp.Done
	}
	return m.core.CallHandler(agentHandler(msg.Name), x)
}

// lost starts the timer after which the code is told that the link is lost.
func (m *Machine) lost() {
	m.st.Unexpected = instantOf(m.core.Now.Add(reconnectPatience))
}

// task is something that the machine itself does at a time.
type task int

const (
	tellLost task = iota
	tellFailed
	fillBuffer
	convertBuffer
	endScan
	tellCell
)

// taskCalls are the calls for which the program's function is called in a task, if one is.
var taskCalls = [...]string{
	tellLost: onUnexpected, fillBuffer: "hardware.sampler", convertBuffer: "hardware.fixedfrequencydac",
	endScan: "imp.scanwifinetworks", tellCell: "imp.net.getcellinfo",
}

// nextDue returns what the machine itself does next, and when; 0 is never.
func (m *Machine) nextDue() (next task, at instant) {
	for i, due := range [...]instant{
		tellLost: m.st.Unexpected, tellFailed: m.st.Patience, fillBuffer: m.st.Sampler.Due,
		convertBuffer: m.st.Converter.Due, endScan: m.st.Scan, tellCell: m.st.Cell,
	} {
		if due != 0 && (at == 0 || due < at) {
			next, at = task(i), due
		}
	}
	return next, at
}

// alarm runs one timer or task whose time has come: the one that is due first.
func (m *Machine) alarm() imp.Outcome {
	next, at := m.nextDue()
	if timer, ok := m.core.Alarm(); at == 0 || ok && instantOf(timer) < at {
		return m.core.Fire()
	}
	if !at.due(m.core.Now) {
		return imp.Done
	}
	if next != tellFailed { // which calls nothing yet
		m.core.During = imp.During{Call: taskCalls[next]}
	}
	switch next {
	case fillBuffer:
		return m.sampled()
	case convertBuffer:
		return m.consumed()
	case endScan:
		return m.scanned()
	case tellCell:
		return m.cellTold()
	case tellFailed:
		m.st.Patience = 0
		why := m.st.Link.Why
		if why == NotConnected {
			why = NoServer
		}
		m.later(onConnect, why)
		return imp.Done
	}
	m.st.Unexpected = 0
	return m.core.CallHandler(onUnexpected, imp.Int32(m.st.Link.Why))
}

// shutdown calls the handler of server.onshutdown, or restarts when there is none.
func (m *Machine) shutdown(reason int) imp.Outcome {
	if !m.core.Handler(onShutdown).IsNull() {
		return m.core.CallHandler(onShutdown, imp.Int32(reason))
	}
	restart := &Restart{Reason: tandem.ReasonRestart, Wake: WakeRestart}
	if reason == ShutdownNewSquirrel {
		restart = &Restart{Reason: tandem.ReasonReload, Wake: WakeNewSquirrel}
	}
	m.end(restart)
	return imp.Done
}

// once runs a handler and removes it.
func (m *Machine) once(name string, args ...squirrel.Value) imp.Outcome {
	fn := m.core.Handler(name)
	if fn.IsNull() {
		return imp.Done
	}
	m.core.SetHandler(name, squirrel.Null)
	return m.core.Call(fn, args...)
}

// later calls a handler when nothing else runs.
func (m *Machine) later(handler string, reason int) {
	m.st.Later = append(m.st.Later, callback{Handler: handler, Reason: reason})
}

func (m *Machine) callBack(c callback) imp.Outcome {
	switch {
	case c.Handler == lastSamples:
		return m.stopped()
	case c.Bus != "":
		return m.received(c)
	}
	return m.once(c.Handler, imp.Int32(c.Reason))
}

// conclude handles a change of the link, and resumes the code when the change ends
// what the code waits for.
func (m *Machine) conclude(news func(*link) verdict) imp.Outcome {
	kind := m.st.Link.Wait.For
	v := news(&m.st.Link)
	if !v.done || kind == waitNothing {
		return imp.Done
	}
	m.st.Link.Wait = wait{}
	switch kind {
	case waitFlush:
		return m.core.Resume(squirrel.Bool(v.code == sendOK))
	case waitConnect:
		return m.core.Resume(squirrel.Null)
	case waitSleep:
		m.deepSleep(m.st.Sleep)
		return imp.Done
	}
	return m.core.Resume(imp.Int32(v.code))
}

// settle ends the incarnation when the outcome is an end.
func (m *Machine) settle(o imp.Outcome) {
	if !o.Over() || m.dead {
		return
	}
	restart := &Restart{Reason: o.Reason(), Wake: WakeSoftwareReset}
	switch o {
	case imp.Failed:
		restart.Wake = WakeSquirrelError
	case imp.OutOfMemory:
		m.st.Link.report(tandem.LogExitCode, "out of memory")
	case imp.Watchdog, imp.Interrupted:
		m.st.Link.report(tandem.LogExitCode, "watchdog")
	}
	m.end(restart)
}

// end ends the incarnation.
func (m *Machine) end(e Effect) {
	m.dead = true
	m.emit(e)
}

// deepSleep ends the incarnation by a deep sleep. Values of the nv table that cannot
// be serialised are dropped.
func (m *Machine) deepSleep(d time.Duration) {
	m.end(&DeepSleep{Duration: d, Pins: m.wakePins(), NV: m.keepNV()})
}

func agentHandler(name string) string { return "agent.on:" + name }
