package life

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/store/record"
)

// retryDelay is how long after a failure of the store a thing is tried again.
const retryDelay = time.Second

// start begins the next incarnation.
func (l *Life) start(reason tandem.Reason) {
	loud := l.Phase != codeless && !l.quiet
	l.Reason = reason
	l.load(wait{loud: loud})
}

// load has the record and the program read, which a start and a resumption need.
// When it is not known yet whether the agent ran at an earlier node the answer
// says which of the two it is.
func (l *Life) load(w wait) {
	w.id = l.id()
	w.resume = w.resume || l.Reason == tandem.ReasonNone && l.Incarnation == 0
	l.Phase, l.wait = loading, w
	l.emit(&LoadAgent{ID: w.id, Group: l.Group, Grouped: l.Grouped})
}

// agentLoaded goes on with a start or a resumption.
func (l *Life) agentLoaded(ev *AgentLoaded) {
	if l.Phase != loading || ev.ID != l.wait.id {
		return
	}
	if ev.Err != nil {
		if damage := new(record.Damaged); errors.As(ev.Err, &damage) {
			l.refuseDamaged(damage)
			return
		}
		l.startLater("the agent's record cannot be read", ev.Err)
		return
	}
	l.wait.record, l.quiet = ev.Record, false
	resume := l.wait.resume && ev.Record.Running
	err := ev.ProgramErr
	if err == nil {
		if !l.Grouped { // else it may have changed since
			l.Group, l.Grouped = ev.Group, true
		}
		err = ev.Program.AgentErr
	} else if tandem.KindOf(err) != tandem.NotFound && (resume || passing(err)) {
		l.startLater("the agent's code cannot be read", err)
		return
	}
	if l.Again == tandem.ReasonReload && (err != nil || !resume) {
		l.Again = tandem.ReasonNone // this is what was read after the reload
		l.Reason = cmp.Or(l.Reason, tandem.ReasonReload)
	}
	if err != nil {
		l.codelessFor(err)
		return
	}
	l.program = ev.Program
	switch {
	case l.isQuarantined():
		l.stayQuarantined()
		return
	case ev.Record.Quarantined != "": // and it has been released, or has other code
		l.Faults = nil
	case l.incurable(): // by faults that ended other lives of the pair
		l.Incarnation = ev.Record.Incarnation
		l.quarantine()
		l.restartAgain()
		return
	}
	if resume {
		// From now on the snapshot is void: everything that may fail for another
		// reason has been done.
		l.Phase, l.wait.id = resuming, l.id()
		l.emit(&TakeSnapshot{ID: l.wait.id})
		return
	}
	l.boot()
}

// passing reports whether an error is of the moment, and not of the agent's code.
func passing(err error) bool { return tandem.KindOf(err) == tandem.Unavailable }

// boot runs the code from its first line. What it wants is held back until the
// store says that the incarnation is durable, so that no two incarnations can be
// taken for one.
func (l *Life) boot() {
	cfg := l.config()
	rec := l.wait.record
	cfg.Incarnation, cfg.Start = rec.Incarnation+1, l.Reason
	cfg.Saved, cfg.Mark = rec.Saved, rec.Mark
	cfg.ValidateTLS, cfg.Credits = l.program.Validate, l.Credits
	cfg.Connected, cfg.Address = l.Connected, l.Address
	l.drop(item.outdated) // it starts with the latest
	if len(l.Unread) > 0 {
		l.Inbox, l.Unread = append(l.Unread, l.Inbox...), nil
	}
	if l.Link != nil {
		l.Lost = false // it has said nothing yet
	}
	l.machine = agent.New(cfg, l.now.Wall)
	l.Phase, l.Incarnation = starting, cfg.Incarnation
	l.Started, l.Active = l.mono(), l.mono()
	l.wait = wait{id: l.id()}
	l.emit(&Begin{ID: l.wait.id})
	mark := len(l.effects)
	// The boot is turned into effects when the incarnation begins: an end of it
	// is one of an incarnation that has begun.
	l.boots = slices.Clone(l.run(&agent.Boot{}))
	l.effects = l.effects[:mark]
	if l.wrong.earlyBoot {
		l.begunAs(&Begun{ID: l.wait.id, Incarnation: l.Incarnation})
	}
}

// config is what every incarnation of the agent has in common.
func (l *Life) config() agent.Config {
	cfg := agent.Config{
		Program: l.program.Agent, Agent: l.Agent, Device: l.Device, URL: l.cfg.URL(l.Agent),
		Memory: l.cfg.Memory, Budget: l.cfg.Budget, Version: l.cfg.Version, Beside: l.cfg.Beside,
	}
	if l.watcher != nil {
		cfg.Yield = l.watcher.Yield
	}
	return cfg
}

// begunAs goes on when the incarnation is durable, or cannot be.
func (l *Life) begunAs(ev *Begun) {
	if l.Phase != starting || ev.ID != l.wait.id {
		return
	}
	err := ev.Err
	if err == nil && ev.Incarnation != l.Incarnation {
		err = tandem.Errorf(tandem.Conflict, "another node has begun incarnation %d of the agent", ev.Incarnation)
	}
	if err != nil {
		l.machine, l.boots = nil, nil
		l.startLater("the agent's new incarnation cannot be recorded", err)
		return
	}
	reason := l.Reason
	l.Phase, l.StopBy = live, 0
	l.Released = false
	l.Reason, l.Began = tandem.ReasonNone, reason
	event := "started"
	switch {
	case l.Incarnation > 1 && reason != tandem.ReasonNone:
		event = "restarted"
		l.emit(&Restarted{reason})
		l.logf(tandem.LogStatus, "Agent restarted: %s.", reason)
	case reason == tandem.ReasonReload && l.online:
		// A device that is online gets its first code: clients of impCentral wait for this line.
		l.logf(tandem.LogStatus, "Agent restarted: %s.", reason)
	default:
		l.log(tandem.LogStatus, "Agent started.")
	}
	l.sendSystem("sys/agent", agentMessage{Event: event, Reason: reason, Incarnation: l.Incarnation})
	boots := l.boots
	l.boots = nil
	for _, e := range boots {
		l.do(e)
		if l.machine == nil {
			return
		}
	}
	l.restartAgain()
}

// restartAgain does what was wanted while the agent could not be told.
func (l *Life) restartAgain() {
	if again := l.Again; again != tandem.ReasonNone {
		l.Again = tandem.ReasonNone
		l.restart(again)
	}
}

// startLater tries again after a failure that is not the agent's.
func (l *Life) startLater(what string, err error) {
	l.emit(&Report{Bad: true, Msg: "agent not started: " + what, Err: err})
	l.Phase, l.wait = delayed, wait{}
	l.StartAt = l.in(retryDelay)
}

// codelessFor settles that there is nothing to run.
func (l *Life) codelessFor(err error) {
	if l.wait.loud && tandem.KindOf(err) != tandem.NotFound {
		l.logAt(tandem.LogAgentError, err.Error(), imp.PlaceOf(err))
	}
	l.Phase, l.wait = codeless, wait{}
	l.machine, l.program = nil, nil
	l.refuseAll()
	if again := l.Again; again != tandem.ReasonNone {
		l.Again = tandem.ReasonNone
		l.restart(again)
	}
}

// NoMemory stands for the snapshot of an agent that is to go on, but of whose
// memory there is nothing to go on with.
var NoMemory = []byte{0}

// lossy begins a snapshot before which something was lost; see withLoss. None that is packed
// begins so: that would be a length of 1.
const lossy = 1

// snapshotTaken resumes the agent.
func (l *Life) snapshotTaken(ev *SnapshotTaken) {
	if l.Phase != resuming || ev.ID != l.wait.id {
		return
	}
	if ev.Err != nil {
		l.startLater("the agent's snapshot cannot be taken", ev.Err)
		return
	}
	switch {
	case ev.Data == nil:
		l.bootFor(tandem.ReasonHostLost)
		return
	case bytes.Equal(ev.Data, NoMemory):
		l.bootFor(tandem.ReasonShutdown)
		return
	}
	data, lost := bytes.CutPrefix(ev.Data, []byte{lossy})
	m, err := l.restore(data)
	if err != nil {
		l.emit(&Report{Msg: "agent cannot be resumed; it starts from its saved state", Err: err})
		l.bootFor(tandem.ReasonBytecode)
		return
	}
	l.Incarnation = l.wait.record.Incarnation
	l.Lost = l.Lost || lost
	l.goOn(m)
	if len(m.PostsAwaited()) > 0 && l.machine != nil {
		l.knowPosts()
	}
	l.restartAgain()
}

// bootFor starts an agent that cannot be resumed.
func (l *Life) bootFor(reason tandem.Reason) {
	l.Reason = reason
	if l.Again == tandem.ReasonReload { // its code may have been replaced since it was read
		l.load(wait{loud: l.wait.loud})
		return
	}
	l.boot()
}

// goOn has the machine of a snapshot go on, which an earlier run of a node made.
func (l *Life) goOn(m *agent.Machine) {
	l.Phase, l.wait = live, wait{}
	l.machine = m
	l.Started, l.Active = l.mono(), l.mono()
	l.emit(&Arrived{tandem.ReasonShutdown})
	l.log(tandem.LogStatus, "Agent moved: shutdown.")
	l.sendSystem("sys/agent", agentMessage{Event: "moved", Reason: tandem.ReasonShutdown, Incarnation: l.Incarnation})
	// The requests it had under way are lost with the run that made them.
	for _, id := range m.Fetching() {
		l.giveBack(item{event: &agent.Fetched{ID: id, Response: &tandem.Response{Status: tandem.FetchReceiveFailed}}})
	}
	if id := m.MQTT(); id != 0 {
		l.lostMQTT(id)
	}
	switch {
	case l.Connected && l.Lost:
		l.blink()
	case l.Connected: // and logged already; the agent ignores what it knows
		l.Fresh = l.Fresh && !m.Connected()
		// What waits has come by the link since it began.
		l.giveBack(item{event: &agent.DeviceConnected{Address: l.Address}})
	case m.Connected():
		l.Connected, l.GraceUntil = true, l.in(l.cfg.Grace)
	default:
		l.Connected, l.Lost = false, false
	}
	if m.Saving() {
		l.step(&agent.Saved{Err: ErrStopping})
	}
	if l.machine != nil && l.machine.Posting() {
		l.step(&agent.Posted{Err: ErrStopping})
	}
}

// restart restarts the agent for a reason from outside.
func (l *Life) restart(reason tandem.Reason) {
	switch l.Phase {
	case live:
	case frozen:
		if !l.thaw() {
			return
		}
	case starting, loading, resuming:
		l.Again = reason // it must be running to be told
		return
	default:
		if l.Phase == quarantined {
			l.leaveQuarantine(reason)
		}
		l.Crashes = 0
		l.quiet = false
		if l.Reason != tandem.ReasonNone && reason == tandem.ReasonRestart {
			reason = l.Reason
		}
		l.Phase = absent // also of one without code: what is wrong with it now is said
		l.start(reason)
		return
	}
	if l.StopBy != 0 {
		return // it has been told already
	}
	l.Reason, l.StopBy = reason, l.in(patienceFor(reason))
	if l.machine.Busy() {
		l.giveBack(item{event: &agent.Shutdown{Reason: reason}})
		return
	}
	l.step(&agent.Shutdown{Reason: reason})
}

// reload has both sides run what the group has now. An agent whose code is being read is not
// started twice: its code is read again.
func (l *Life) reload(ev *Reload) {
	started := l.Runs() && l.Group == ev.Group && ev.Deployment != "" && l.program != nil &&
		l.program.Env["DEPLOYMENT_ID"] == ev.Deployment
	l.Group, l.Grouped = ev.Group, true
	l.online = l.Connected
	switch {
	case l.Phase == loading:
		l.ReviewAt = 0
		l.Again = tandem.ReasonReload // of what is resumed after all
		l.load(l.wait)
	case started && l.Again == tandem.ReasonReload: // for what was new before
		l.Again = tandem.ReasonNone
	case started:
	default:
		l.restart(tandem.ReasonReload)
	}
	l.renewCode()
}

// patienceFor is how long an agent may take to shut down for a reason.
func patienceFor(reason tandem.Reason) time.Duration {
	if reason == tandem.ReasonRestart {
		return tandem.RestartWait
	}
	return tandem.ShutdownWait
}

// review has both sides run what the group has now, unless they do. What has been
// read for a start may be older, so it is read again.
func (l *Life) review(group string) {
	l.Group, l.Grouped = group, true
	switch {
	case l.Phase == loading:
		l.ReviewAt = 0
		l.load(l.wait)
		if !l.wrong.halfReview {
			l.renewCode()
		}
	case l.Phase == quarantined:
		l.ReviewAt, l.Reason = 0, tandem.ReasonReload
		l.load(wait{})
		l.renewCode()
	case l.Phase == resuming || l.Runs():
		l.reviewing = l.id()
		l.emit(&LoadProgram{ID: l.reviewing, Group: group, Grouped: true})
	default:
		l.ReviewAt = 0
		l.restart(tandem.ReasonReload)
		l.renewCode()
	}
}

// reviewed compares what the agent runs with what its group has.
func (l *Life) reviewed(ev *ProgramLoaded) {
	l.reviewing = 0
	switch {
	case ev.Err != nil && tandem.KindOf(ev.Err) != tandem.NotFound:
		if l.ReviewAt == 0 {
			const what = "the code of an agent cannot be compared with its device group's yet; it is read again every second"
			l.emit(&Report{Msg: what, Err: ev.Err})
		}
		l.ReviewAt = l.in(codeAgain)
		return
	case ev.Err != nil || ev.Program.AgentErr != nil || l.Phase != resuming && !l.Runs():
		l.restart(tandem.ReasonReload)
	case l.program == nil || l.program.Agent.Hash() != ev.Program.Agent.Hash():
		l.restart(tandem.ReasonReload)
	}
	l.ReviewAt = 0
	l.renewCode()
}
