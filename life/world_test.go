package life

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/store/record"
)

const (
	testDevice tandem.DeviceID = "2000000000000001"
	testAgent  tandem.AgentID  = "agentagentag"
)

// world is one pair in virtual time, with a store that does what the life wants of
// it. Given the same calls it gives the same lines.
type world struct {
	t        rapid.TB
	cfg      *Config
	life     *Life
	now      tandem.Now
	programs map[string]*Program // by group; nil: it cannot be read
	store    testStore
	door     Door

	outcomes []Event // that the life has not been given yet
	hold     map[string]bool
	fail     map[string]error
	held     []Event
	manual   bool // the agent advances only when it is told to

	tokens  map[uint64]string // outside, by what they stand for
	token   uint64            // the newest
	waiting map[uint64]bool   // requests without an answer
	asked   map[uint64]uint64 // numbers of requests, by the tokens that stand for them here
	moved   *Moved
	lines   []string
	mistake string   // of all lives
	faulty  bool     // all lives are
	stamp   bool     // each line says when it was said
	effects []Effect // all there have been, when keep is set
	keep    bool
}

// testStore is what a real store would have of the pair.
type testStore struct {
	record   record.Agent
	group    string
	snapshot []byte
	posts    []record.Post
	seq      uint64
	peer     Peer
}

// begin is when virtual time begins.
var begin = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func newWorld(t rapid.TB) *world {
	w := &world{
		t:        t,
		now:      tandem.Now{Wall: begin, Mono: time.Hour},
		programs: map[string]*Program{}, hold: map[string]bool{}, fail: map[string]error{},
		tokens: map[uint64]string{}, waiting: map[uint64]bool{}, asked: map[uint64]uint64{},
		cfg: &Config{
			Version: "1", URL: func(id tandem.AgentID) string { return "http://localhost/" + string(id) },
			Memory: 1 << 20, Budget: 20 * time.Millisecond, Grace: 5 * time.Second, HibernateAfter: 10 * time.Second,
			CrashPause: time.Minute,
		},
	}
	w.store.group = "g"
	w.enter()
	return w
}

// enter makes a life of which nothing is known, as a node that starts does.
func (w *world) enter() {
	w.life = New(w.cfg, testDevice, testAgent)
	w.life.SetGroup(w.store.group)
	Break(w.life, w.mistake)
	if w.faulty {
		MakeFaulty(w.life)
	}
	w.door = Door{}
}

// deploy gives a group a program.
func (w *world) deploy(group, code, device string) {
	p := &Program{Device: device, Env: map[string]string{"DEVICEGROUP_ID": group}}
	if device != "" {
		p.DeviceSHA = fmt.Sprintf("sha-%d", len(device))
	}
	p.Agent, p.AgentErr = imp.Compile(tandem.AgentSide, []byte(code), nil)
	w.programs[group] = p
}

func (w *world) say(format string, args ...any) {
	if w.stamp {
		format = fmt.Sprintf("%s: %s", w.now.Wall.Sub(begin), format)
	}
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// newToken returns a token for what the text says.
func (w *world) newToken(what string) uint64 {
	w.token++
	w.tokens[w.token] = what
	return w.token
}

// take gives the life an event, and all that follows from it.
func (w *world) take(ev Event) {
	w.takeFor(0, ev)
	w.settle()
}

func (w *world) takeFor(cause uint64, ev Event) {
	switch ev := ev.(type) {
	case *Request:
		if w.waiting[ev.Number] {
			w.t.Fatalf("request %d is brought twice", ev.Number)
		}
		w.waiting[ev.Number] = true
		ev.Token = w.newToken(fmt.Sprint("request ", ev.Number))
		w.asked[ev.Token] = ev.Number
	case *GaveUp:
		delete(w.waiting, ev.Number)
	}
	w.perform(w.life.Take(w.now, cause, ev))
}

// settle gives the life the outcomes of what it wanted done, and has it go on
// until nothing is left.
func (w *world) settle() {
	for steps := 0; ; steps++ {
		switch {
		case steps > 10000:
			w.t.Fatal("the pair does not come to rest")
		case len(w.outcomes) > 0:
			ev := w.outcomes[0]
			w.outcomes = w.outcomes[1:]
			w.takeFor(0, ev)
		case w.life.Ready() && !w.manual:
			w.perform(w.life.Advance(w.now))
		default:
			w.life.Counted()
			return
		}
	}
}

// perform does effects, and checks that those that end something end it once.
func (w *world) perform(effects []Effect) {
	for _, e := range effects {
		if w.keep {
			w.effects = append(w.effects, e)
		}
		if text := textOfEffect(w, e); text != "" {
			w.say("%s", text)
		}
		switch e := e.(type) {
		case *Handled:
			w.giveBack(e.Token)
		case *Forget:
			w.giveBack(e.Token)
		case *Answer:
			w.giveBack(e.Token)
			if e.Err != ErrMoved { // it has gone along
				w.answered(w.asked[e.Token])
			}
		case *AnswerAway:
			w.answered(e.Origin.ID)
		case *Left:
			w.moved = e.Moved
			if m := w.moved; m != nil {
				w.door.Depart(m)
			}
		default:
			w.performStore(e)
		}
	}
}

func (w *world) giveBack(token uint64) {
	if _, outside := w.tokens[token]; !outside {
		w.t.Fatalf("token %d is given back, which is not outside\n%s", token, strings.Join(w.lines, "\n"))
	}
	delete(w.tokens, token)
}

// answered checks that a request has not had an answer yet. Those that have gone
// along are answered where they are by then.
func (w *world) answered(number uint64) {
	if !w.waiting[number] {
		w.t.Fatalf("request %d is answered twice, or has given up\n%s", number, strings.Join(w.lines, "\n"))
	}
	delete(w.waiting, number)
}

// performStore does what is wanted of the store.
func (w *world) performStore(e Effect) {
	s := &w.store
	switch e := e.(type) {
	case *LoadAgent:
		ev := &AgentLoaded{ID: e.ID, Record: s.record, Err: w.fail["load"]}
		ev.Group, ev.Program, ev.ProgramErr = w.program(e.Group, e.Grouped)
		w.outcome("load", ev)
	case *LoadProgram:
		ev := &ProgramLoaded{ID: e.ID}
		ev.Group, ev.Program, ev.Err = w.program(e.Group, e.Grouped)
		w.outcome("program", ev)
	case *LoadDevice:
		w.outcome("device", &DeviceLoaded{ID: e.ID, Peer: s.peer, Err: w.fail["device"]})
	case *LoadPosts:
		w.outcome("posts", &PostsLoaded{ID: e.ID, Posts: slices.Clone(s.posts), Err: w.fail["posts"]})
	case *Begin:
		err := w.fail["begin"]
		if err == nil {
			s.record.Incarnation++
			s.record.Running, s.snapshot = true, nil
			s.record.Quarantined = ""
		}
		w.outcome("begin", &Begun{ID: e.ID, Incarnation: s.record.Incarnation, Err: err})
	case *Save:
		err := w.writes("save", e.Incarnation)
		if err == nil {
			s.record.Saved, s.record.Mark = e.Table, e.Mark
		}
		w.outcome("save", &Saved{ID: e.ID, Err: err})
	case *Quarantine:
		err := w.writes("quarantine", e.Incarnation)
		if err == nil {
			s.record.Quarantined = e.Code
		}
		w.outcome("quarantine", &QuarantineKept{err})
	case *KeepPost:
		ev := &Posted{ID: e.ID, Err: w.writes("post", e.Incarnation)}
		if ev.Err == nil {
			s.seq++
			ev.Seq = s.seq
			kept := e.Post
			kept.Seq = ev.Seq
			s.posts = append(s.posts, kept)
		}
		w.outcome("post", ev)
	case *ForgetPost:
		err := w.fail["forget"]
		if err == nil {
			s.posts = slices.DeleteFunc(s.posts, func(p record.Post) bool { return p.Seq == e.Seq })
		}
		w.outcome("forget", &PostForgotten{Seq: e.Seq, Err: err})
	case *TakeSnapshot:
		err := w.fail["snapshot"]
		ev := &SnapshotTaken{ID: e.ID, Err: err}
		if err == nil {
			ev.Data, s.snapshot = s.snapshot, nil
		}
		w.outcome("snapshot", ev)
	case *End:
		if e.Incarnation == s.record.Incarnation {
			s.snapshot = e.Data
		}
	case *Seen:
		w.seen(e)
	}
}

// seen remembers what is new of the device.
func (w *world) seen(e *Seen) {
	err := w.fail["seen"]
	if s, peer := e.Sighting, &w.store.peer; err == nil {
		if s.Boot != 0 {
			peer.Known = true
			peer.Boot, peer.Incarnation = s.Boot, s.Incarnation
		}
		if s.Heard.Number != 0 {
			peer.Heard = s.Heard
		}
	}
	if e.ID != 0 {
		w.outcome("seen", &SeenKept{ID: e.ID, Err: err})
	}
}

// writes says whether an incarnation may write.
func (w *world) writes(what string, incarnation uint64) error {
	if err := w.fail[what]; err != nil {
		return err
	}
	if incarnation != w.store.record.Incarnation {
		return tandem.Errorf(tandem.Conflict, "incarnation %d is over", incarnation)
	}
	return nil
}

// outcome has the life be given what came of something, unless such outcomes are
// held back.
func (w *world) outcome(what string, ev Event) {
	if w.hold[what] {
		w.held = append(w.held, ev)
		return
	}
	w.outcomes = append(w.outcomes, ev)
}

func (w *world) program(group string, known bool) (string, *Program, error) {
	if !known {
		group = w.store.group
	}
	if err := w.fail["program"]; err != nil {
		return group, nil, err
	}
	p := w.programs[group]
	if p == nil {
		return group, nil, tandem.Errorf(tandem.NotFound, "device group %s has no deployment", group)
	}
	return group, p, nil
}

// pass has time pass, with a Tick whenever one is due, and says when.
func (w *world) pass(d time.Duration) {
	until := w.now.Mono + d
	for ticks := 0; ; ticks++ {
		at, ok := w.life.Deadline(w.now)
		if !ok || at > until {
			break
		}
		if ticks > 10000 {
			w.t.Fatal("deadlines without end")
		}
		w.jump(max(0, at-w.now.Mono))
		if w.stamp {
			w.tick()
			continue
		}
		n := len(w.lines)
		w.say("%s:", w.now.Wall.Sub(begin))
		w.tick()
		if len(w.lines) == n+1 {
			w.lines = w.lines[:n]
		}
	}
	w.jump(until - w.now.Mono)
}

func (w *world) jump(d time.Duration) {
	w.now.Wall, w.now.Mono = w.now.Wall.Add(d), w.now.Mono+d
}

// tick gives the life a Tick, after which nothing that was due is due any more. What
// the agent does then may be due at once: the clock stands still meanwhile.
func (w *world) tick() {
	w.takeFor(0, &Tick{})
	if at, ok := w.life.Deadline(w.now); ok && at <= w.now.Mono && !w.life.Ready() {
		w.t.Fatalf("after a Tick at %v the deadline is %v: the timer would spin\n%s",
			w.now.Mono, at, strings.Join(w.lines, "\n"))
	}
	w.settle()
}

// link gives the device a link.
func (w *world) link(id, next uint64) {
	ref := tandem.LinkRef{Node: "n1", ID: id}
	if err := w.door.Introduce(ref, Introduction{Next: next}); err != nil {
		w.say("the door is shut: %v", err)
		return
	}
	w.take(&Linked{Ref: ref, Address: "192.0.2.7"})
}

func (w *world) unlink(id uint64, end tandem.LinkEnd) {
	ref := tandem.LinkRef{Node: "n1", ID: id}
	if err := w.door.End(ref); err != nil {
		w.say("the door is shut: %v", err)
		return
	}
	w.take(&Unlinked{Ref: ref, End: end})
}

// message has the device publish a message by its link, through the door.
func (w *world) message(id, seq uint64, m tandem.Message) {
	what := fmt.Sprintf("%s %d.%d", m.Name, id, seq)
	switch w.door.Message(tandem.LinkRef{Node: "n1", ID: id}, seq) {
	case Wanted:
		w.take(&Message{Token: w.newToken(what), Seq: seq, Message: m})
	case Repeated:
		w.take(&Again{Token: w.newToken(what + " again"), Seq: seq})
	case Stale:
		w.say("stale")
	case Unintroduced:
		w.say("introduce the link first")
	case Full:
		w.say("too much waits")
	case Shut:
		w.say("the door is shut: %v", w.door.Why())
	}
}

// arrive has the pair that has left come to a host with another monotonic clock.
func (w *world) arrive(mono time.Duration, why tandem.Reason) error {
	m := w.moved
	w.now.Mono = mono
	l, unfit, err := Arrive(w.cfg, w.now, m, func(group string) (*Program, error) {
		_, p, err := w.program(group, true)
		return p, err
	})
	if err != nil {
		return err
	}
	if unfit != nil {
		w.say("unfit: %v", unfit)
	}
	w.life, w.moved = l, nil
	Break(l, w.mistake)
	if w.faulty {
		MakeFaulty(l)
	}
	w.door = m.Door()
	w.take(&GoOn{Why: why})
	return nil
}

// leave has the pair leave; it reports whether it has.
func (w *world) leave(patience time.Duration) bool {
	w.door.Shut(ErrElsewhere)
	w.takeFor(0, &Leave{Node: "n0", Patience: patience})
	if w.moved == nil {
		w.settle()
	}
	return w.moved != nil
}

// fetched ends an outgoing request of the incarnation that is there.
func (w *world) fetched(id uint64, status int, body string) {
	r := &tandem.Response{Status: status, Body: []byte(body)}
	w.take(&Fetched{Incarnation: w.life.Incarnation, ID: id, Response: r})
}

// mqtt brings what comes of the connection to a broker.
func (w *world) mqtt(ev agent.Event, what string) {
	x := &MQTT{Conn: w.life.MQTT, Event: ev}
	if what != "" {
		x.Token = w.newToken(what)
	}
	w.take(x)
}
