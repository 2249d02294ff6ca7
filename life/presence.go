package life

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// What travels on the sys topics, as JSON.
type (
	helloMessage struct {
		Boot        uint64        `json:"boot"`
		Incarnation uint64        `json:"incarnation"`
		Reason      tandem.Reason `json:"reason"`
		Runtime     string        `json:"runtime"`
		Code        string        `json:"code"`

		ID           string        `json:"id"` // of Boot
		Installation string        `json:"installation"`
		Heard        bootMessage   `json:"heard"`
		Unheard      []bootMessage `json:"unheard"`
	}
	bootMessage struct {
		Boot uint64 `json:"boot"`
		ID   string `json:"id"`
	}
	newestMessage struct {
		Boot uint64 `json:"boot"`
	}
	postsMessage struct {
		Numbering string `json:"numbering"`
	}
	statusMessage struct {
		Type string `json:"type"`
		Msg  string `json:"msg"`
	}
	agentMessage struct {
		Event       string        `json:"event"` // started, restarted, moved; running in answer to a hello
		Reason      tandem.Reason `json:"reason"`
		Incarnation uint64        `json:"incarnation"`
	}
	codeMessage struct {
		SHA  string            `json:"sha"`
		Code string            `json:"code"`
		Env  map[string]string `json:"env"` // members of the __EI enum
	}
	restartMessage struct {
		Reason tandem.Reason `json:"reason"`
	}
)

// linked takes a new link of the device, or the same by another way.
func (l *Life) linked(ev *Linked) {
	another := l.Link == nil || *l.Link != ev.Ref
	if another {
		l.Numbers = numbers{}
		l.hearNoMore()
	}
	if l.Link != nil && another {
		l.emit(&CloseLink{"a newer connection of the device has taken over"})
		l.keepEarlier(earlier{Ref: *l.Link})
	}
	if l.Heard != ev.Ref {
		l.Heard = ev.Ref
		l.forgetNumbers()
	}
	ref := ev.Ref
	l.Link, l.Address = &ref, ev.Address
	l.Fresh = l.Fresh && !another
	l.GraceUntil = 0
	l.emit(&UseLink{ref})
	switch {
	case !l.Connected:
		l.present()
	case l.Lost && another:
		// The link came back before its end was noticed, but something that the
		// agent said meanwhile has not arrived. Code that counts on a connection
		// must hear that this is another.
		l.blink()
	}
	if another && !l.wrong.keepPostSent {
		l.posts.sent, l.PostsUpTo = 0, 0
	}
	l.sendPosts()
}

// present tells the agent that the device is there.
func (l *Life) present() {
	l.Connected, l.Fresh = true, true
	l.forgetLoss()
	l.log(tandem.LogStatus, "Device connected")
	l.emit(&Seen{Sighting: record.Sighting{At: l.now.Wall, Address: l.Address}})
	if l.Phase == absent {
		l.start(l.Reason) // it lives as long as its device does
		return
	}
	l.tell(&agent.DeviceConnected{Address: l.Address})
}

// blink tells the agent of an end of the connection and of a new one.
func (l *Life) blink() {
	l.forgetLoss()
	l.Fresh = true
	if l.wrong.silentLoss {
		return
	}
	l.tell(&agent.DeviceDisconnected{})
	l.tell(&agent.DeviceConnected{Address: l.Address})
}

// unlinked takes the end of a link. A clean end is the device's own wish; any
// other may be mended before the agent hears of it.
func (l *Life) unlinked(ev *Unlinked) {
	if l.Link == nil || *l.Link != ev.Ref {
		l.earlierEnded(ev)
		return
	}
	l.Link = nil
	l.emit(&DropLink{})
	l.Lost = l.Lost || ev.End.Lost
	if !ev.End.Lost {
		l.keepEarlier(earlier{Ref: ev.Ref, Ended: nonzero(l.mono())})
	}
	switch {
	case !l.Connected:
	case ev.End.Clean:
		l.lost()
	default:
		l.GraceUntil = l.in(l.cfg.Grace)
	}
}

// forgetLoss is for the moment at which the agent hears of an end of the connection, or of
// a new one: what was lost before needs no word any more.
func (l *Life) forgetLoss() {
	l.Lost = false
	l.Earlier = nil
}

const (
	maxEarlier = 8           // links that are kept
	earlierFor = time.Minute // after their end; words about it may be that late
)

// keepEarlier notes a link whose loss the agent would have to hear of: one that a newer
// link replaces, or one that has ended. A device that changes its link more often than the
// ends of its links are heard is taken for one that has lost something.
func (l *Life) keepEarlier(e earlier) {
	if !l.Connected {
		return
	}
	l.Earlier = slices.DeleteFunc(l.Earlier, l.settled)
	if len(l.Earlier) == maxEarlier {
		i := slices.IndexFunc(l.Earlier, func(e earlier) bool { return e.Ended != 0 })
		if i < 0 {
			l.Lost = true
			i = 0
		}
		l.Earlier = slices.Delete(l.Earlier, i, i+1)
	}
	l.Earlier = append(l.Earlier, e)
}

// settled reports whether no word about a link can come any more.
func (l *Life) settled(e earlier) bool { return e.Ended != 0 && l.due(e.Ended+instant(earlierFor)) }

// earlierEnded takes the end of a link that is not the device's any more. Its gateway may
// say it twice: what the agent said meanwhile may have met the end.
func (l *Life) earlierEnded(ev *Unlinked) {
	i := slices.IndexFunc(l.Earlier, func(e earlier) bool { return e.Ref == ev.Ref })
	switch {
	case i < 0:
	case !ev.End.Lost:
		l.Earlier[i].Ended = nonzero(l.mono())
	default:
		l.missed()
	}
}

// missed notes that something was lost over an earlier link. A newer one may be there.
func (l *Life) missed() {
	l.Earlier = nil
	l.Lost = true
	if l.Link != nil {
		l.blink()
	}
}

// earlierLost takes the loss of a node: what was on its way to a link of it is lost.
func (l *Life) earlierLost(ev *NodeLost) {
	of := func(e earlier) bool {
		return e.Ref.Node == ev.Node && !l.settled(e) && !(ev.Settled && e.Ended != 0)
	}
	if slices.ContainsFunc(l.Earlier, of) {
		l.missed()
	}
}

// lost tells the agent that the device is gone.
func (l *Life) lost() {
	l.Connected = false
	l.forgetLoss()
	l.GraceUntil = 0
	// The next link is given all posts again, and the device posts again what it has
	// not been told the end of.
	l.posts.forget()
	l.posts.list = nil
	l.posts.sent, l.PostsUpTo = 0, 0
	for _, it := range l.Unread {
		l.count(it, -1)
		l.forget(it.token)
	}
	l.Unread = nil
	l.log(tandem.LogStatus, "Device disconnected")
	l.emit(&Seen{Sighting: record.Sighting{At: l.now.Wall}})
	l.tell(&agent.DeviceDisconnected{})
}

// send gives the device a message if it has a link. What is said while the agent
// believes in a connection that is broken is lost, and the agent hears of that
// when the device comes back.
func (l *Life) send(topic string, m tandem.Message) bool {
	if l.Link == nil {
		l.Lost = l.Lost || l.Connected
		return false
	}
	l.emit(&Send{topic, m})
	return true
}

// notSent takes back that the link has been given a message.
func (l *Life) notSent(post uint64) {
	if post == 0 {
		l.Lost = l.Lost || l.Connected
		return
	}
	l.postNotSent(post)
}

func (l *Life) sendSystem(topic string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own plain structs
	}
	if l.Link != nil { // system messages are said again with the next hello
		l.emit(&Send{topic, tandem.Message{Data: data}})
	}
}

// said takes what a device publishes, in its order: for the log, about itself, and for
// the agent.
func (l *Life) said(s said) {
	if l.greeted != 0 {
		l.hearLater(s)
		return
	}
	if l.Numbers.Refused && s.numbered() {
		l.forget(s.Token)
		return
	}
	if s.Message != nil {
		if l.Numbers.Nameless {
			s.Message.Mark = tandem.Mark{}
		}
		if l.wrong.ackEarly {
			l.handled(s.Token)
			s.Token = 0
		}
		l.push(item{event: &agent.DeviceMessage{Message: *s.Message}, token: s.Token, seq: s.Seq})
		return
	}
	if s.Topic == "sys/hello" && !l.Peer.Known {
		// What the store remembers of the device says whether this is a new start.
		l.greeted = l.id()
		l.hearLater(s)
		l.emit(&LoadDevice{l.greeted})
		return
	}
	if s.Topic == "sys/hello" {
		l.hearHello(s, l.Peer)
		return
	}
	l.heard(s)
	l.handled(s.Token)
}

// hearLater has something that the device has said wait until its last start is known:
// what it says next is handled after that.
func (l *Life) hearLater(s said) {
	l.messages++
	l.Hearing = append(l.Hearing, s)
}

// deviceLoaded goes on with what the device has said.
func (l *Life) deviceLoaded(ev *DeviceLoaded) {
	if ev.ID != l.greeted {
		return
	}
	if ev.Err != nil && tandem.KindOf(ev.Err) != tandem.NotFound {
		l.hearAgain("the device's last boot is not known yet", ev.Err)
		return
	}
	l.goOnHearing(func(s said) { l.hearHello(s, ev.Peer) })
}

// goOnHearing goes on with what the device has said: its hello, and what waits behind it.
func (l *Life) goOnHearing(hello func(said)) {
	l.greeted = 0
	waiting := l.Hearing
	l.Hearing = nil
	l.messages -= len(waiting)
	for i, s := range waiting {
		if i == 0 {
			hello(s)
			continue
		}
		l.said(s)
	}
}

// logged reports whether a line of the log has come before: a device sends those again
// whose acknowledgement it has not seen. A device whose number of boots goes back has lost
// its count, and what it says is new. The number of the newest line is lost with the node; the
// logbook knows a line that comes again after that.
func (l *Life) logged(m tandem.Mark) bool {
	if m.Boot == 0 || m.Boot == l.Logged.Boot && m.Seq <= l.Logged.Seq {
		return m.Boot != 0
	}
	l.Logged = m
	return false
}

// logSaid logs a line of the device.
func (l *Life) logSaid(s *said, typ, msg string, at *tandem.Where) {
	l.emit(&Log{TS: l.now.Wall, Type: typ, Msg: msg, Where: at, Mark: s.Mark})
}

func (l *Life) heard(s said) {
	if s.Topic != "sys/handled" && l.logged(s.Mark) {
		return
	}
	switch s.Topic {
	case "log":
		l.logSaid(&s, tandem.LogDevice, string(s.Data), nil)
	case "log/error":
		l.logSaid(&s, tandem.LogDeviceError, string(s.Data), whereOf(s.Where))
	case "sys/status":
		var status statusMessage
		err := json.Unmarshal(s.Data, &status)
		types := []string{tandem.LogStatus, tandem.LogExitCode, tandem.LogSleep}
		if err != nil || !slices.Contains(types, status.Type) {
			l.logSaid(&s, tandem.LogDeviceError,
				"sys/status is invalid: it must be JSON with a type (status, lastexitcode or server.sleep) and a msg", nil)
			return
		}
		l.logSaid(&s, status.Type, status.Msg, nil)
	case "sys/handled":
		l.handledPost(s.Data)
	}
}

// greet takes hello: what a device that runs our runtime says on each new connection and
// at each start of its code. old is what was known of it; its Heard is that of now.
func (l *Life) greet(hello *helloMessage, old Peer) {
	l.Peer = Peer{Known: true, Boot: hello.Boot, Incarnation: hello.Incarnation, Code: hello.Code}
	l.Peer.Heard, l.Peer.ID = old.Heard, hello.ID
	booted := old.Boot != hello.Boot && (hello.ID == "" || old.ID != hello.ID)
	if hello.Code != "" && (booted || old.Incarnation != hello.Incarnation) {
		if l.Connected && old.Known && booted && hello.Boot != 0 {
			l.rebooted()
		}
		l.log(tandem.LogStatus, startText(hello))
		l.tell(&agent.PeerStarted{Reason: hello.Reason, Incarnation: hello.Incarnation})
	}
	if hello.Code != "" && (old.Boot != hello.Boot || old.Incarnation != hello.Incarnation) {
		seen := record.Sighting{At: l.now.Wall, Runtime: hello.Runtime, Boot: hello.Boot, Incarnation: hello.Incarnation}
		l.emit(&Seen{Sighting: seen})
	}
	l.Fresh = false
	if l.Phase == live || l.Phase == frozen {
		l.sendSystem("sys/agent", agentMessage{Event: "running", Reason: l.Began, Incarnation: l.Incarnation})
	}
	l.offerCode()
}

// rebooted is for a device that has lost its memory. Code that counts on hearing of a
// connection must hear of this one, unless it has: the link may have come back before its
// loss was noticed, or the agent may go on with a memory in which the device is connected.
func (l *Life) rebooted() {
	switch {
	case l.Phase == loading, l.Phase == resuming:
		l.Lost = true // goOn tells it
	case !l.Fresh:
		l.blink()
	}
}

func startText(hello *helloMessage) string {
	switch {
	case hello.Reason == tandem.ReasonNone, hello.Incarnation == 1 && hello.Reason == tandem.ReasonReload:
		return "Device started." // the first code it has ever had
	case hello.Reason == tandem.ReasonPowerOn, hello.Reason == tandem.ReasonWake:
		return fmt.Sprintf("Device started: %s.", hello.Reason)
	}
	return fmt.Sprintf("Device restarted: %s.", hello.Reason)
}

// restartDevice has the device restart its code, or start with other code when its group has
// another by now.
func (l *Life) restartDevice() {
	if !l.Peer.Known {
		l.sayRestart()
		return
	}
	l.ordered = true
	l.renewCode()
}

// renewCode offers the device what its group has now. offerCode alone offers what the agent
// runs, so that both sides of a pair get a new deployment with the same restart; while the agent
// is about to start again that is what the group has now, too.
func (l *Life) renewCode() {
	l.renew = true
	l.offerCode()
}

// offerCode sends a device its device group's code when it runs another. A device
// that has not said hello is another MQTT client, which runs no code of ours.
func (l *Life) offerCode() {
	if l.Peer.Known && l.Phase != stopped {
		l.offered = l.id()
		l.emit(&LoadProgram{ID: l.offered, Group: l.Group, Grouped: l.Grouped})
	}
}

// toRestart reports whether the incarnation there is has been asked to make room for the next.
func (l *Life) toRestart() bool { return l.StopBy != 0 || l.Again != tandem.ReasonNone }

// codeAgain is the time between two attempts to read the device's code.
const codeAgain = time.Second

func (l *Life) programLoaded(ev *ProgramLoaded) {
	if ev.ID == l.reviewing && ev.ID != 0 {
		l.reviewed(ev)
		return
	}
	if ev.ID != l.offered {
		return // it is looked up again, since the group has changed
	}
	l.offered = 0
	if ev.Err != nil && tandem.KindOf(ev.Err) != tandem.NotFound && l.Link != nil {
		if l.OfferAt == 0 {
			l.emit(&Report{Msg: "device code not offered yet; it is read again every second", Err: ev.Err})
		}
		l.OfferAt = l.in(codeAgain)
		return
	}
	l.OfferAt = 0
	renew, ordered := l.renew, l.ordered
	l.renew, l.ordered = false, false
	sent := ev.Err == nil && l.sendCode(ev, renew)
	if ordered && !sent {
		l.sayRestart()
	}
}

// sayRestart has the device restart the code that it has.
func (l *Life) sayRestart() {
	l.sendSystem("sys/restart", restartMessage{Reason: tandem.ReasonRestart})
}

// sendCode sends the device the code that it is to run, if it does not run it. That is what its
// agent runs, or with renew what the group has now.
func (l *Life) sendCode(ev *ProgramLoaded, renew bool) (sent bool) {
	if !l.Grouped {
		l.Group, l.Grouped = ev.Group, true
	}
	p := ev.Program
	if !renew && l.program != nil && l.Runs() && !l.toRestart() {
		p = l.program
	}
	if p.Device == "" || p.DeviceSHA == l.Peer.Code || l.Link == nil {
		return false
	}
	l.sendSystem("sys/code", codeMessage{SHA: p.DeviceSHA, Code: p.Device, Env: p.Env})
	used := 100 * float64(len(p.Device)) / tandem.ProgramSize
	l.logf(tandem.LogStatus, "Downloading new code; %.2f%% program storage used", used)
	return true
}
