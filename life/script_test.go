package life

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// TestScripts runs the scripts in testdata: events in, effects out, in virtual
// time. The store answers at once unless the script holds its answers back, and
// the agent goes on until it is at rest. To write the results of a changed script
// run the test with -rewrite, and commit only what you understand.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			return w.result(d)
		})
	})
}

// result is that of a command.
func (w *world) result(d *datadriven.TestData) string {
	w.lines = nil
	w.command(d)
	w.door.Count(w.life.Waiting())
	if len(w.lines) == 0 {
		return "ok\n"
	}
	return strings.Join(w.lines, "\n") + "\n"
}

// command does one command of a script.
func (w *world) command(d *datadriven.TestData) {
	switch d.Cmd {
	case "agent": // group=g: code the agents of a device group are to run
		w.deploy(option(d, "group", "g"), d.Input, option(d, "device", ""))
		if id := option(d, "deployment", ""); id != "" {
			w.programs[option(d, "group", "g")].Env["DEPLOYMENT_ID"] = id
		}
	case "withdraw":
		delete(w.programs, option(d, "group", "g"))
	case "enter": // a node starts
		w.enter()
		if d.HasArg("unknown") { // in which group the device is
			w.life.Group, w.life.Grouped = "", false
		}
	case "wait":
		w.pass(duration(d, 0))
	case "hold": // the outcomes of these effects come when they are let go
		for _, a := range d.CmdArgs {
			w.hold[a.Key] = true
		}
	case "let":
		w.let(d)
	case "fail": // what=kind, of an error
		for _, a := range d.CmdArgs {
			w.fail[a.Key] = failure(d, a)
		}
	case "mend":
		clear(w.fail)
	case "config":
		w.configure(d)
	case "manual":
		w.manual = true
	case "go": // the agent goes on after manual
		w.manual = false
		w.settle()
	case "advance": // so many times, after manual
		for range first(d) {
			w.perform(w.life.Advance(w.now))
			w.settle()
		}
	case "wall": // the wall clock steps
		w.now.Wall = w.now.Wall.Add(duration(d, 0))
	case "faulty": // this life and those that come
		w.faulty = true
		MakeFaulty(w.life)
	case "damage":
		w.life.Packed = []byte{1}
		if d.HasArg("huge") { // it says that it has 2 GB
			w.life.Packed = binary.AppendUvarint(nil, 1<<31)
		}
	case "clear":
		w.store.posts, w.store.seq = nil, 0
		w.store.record = record.Agent{}
	case "forgotten": // the store has done so when the life had ended
		w.store.posts = nil
	case "state":
		w.tellState()
	case "held": // what a store that goes back in time would be given
		w.tellHeld()
	default:
		w.event(d)
	}
}

func (w *world) tellHeld() {
	r, ok := w.life.Held()
	if !ok {
		w.say("nothing is held")
		return
	}
	numbers := make([]uint64, len(r.Posts))
	for i, kept := range r.Posts {
		numbers[i] = kept.Seq
	}
	w.say("held: incarnation %d, posts %v, made %d for %d of boot %d, nth %d",
		r.Agent.Incarnation, numbers, r.Made.Last, r.Made.Cause.Seq, r.Made.Cause.Boot, r.Made.Nth)
}

func (w *world) configure(d *datadriven.TestData) {
	for _, a := range d.CmdArgs {
		v, err := time.ParseDuration(a.Vals[0])
		if err != nil {
			w.t.Fatalf("%s: %v", d.Pos, err)
		}
		switch a.Key {
		case "grace":
			w.cfg.Grace = v
		case "hibernate":
			w.cfg.HibernateAfter = v
		case "crash":
			w.cfg.CrashPause = v
		}
	}
}

// let gives the life the outcomes that were held, or the first so many.
func (w *world) let(d *datadriven.TestData) {
	n := len(w.held)
	if d.HasArg("first") {
		n = int(number(d, "first", 1))
	} else {
		clear(w.hold)
	}
	if d.HasArg("last") {
		slices.Reverse(w.held)
	}
	let := w.held[:n:n]
	w.held = w.held[n:]
	for _, ev := range let {
		w.take(ev)
	}
}

func failure(d *datadriven.TestData, a datadriven.CmdArg) error {
	kind := tandem.Unavailable
	if len(a.Vals) > 0 {
		switch a.Vals[0] {
		case "limit":
			kind = tandem.Limit
		case "conflict":
			kind = tandem.Conflict
		case "internal":
			kind = tandem.Internal
		case "notfound":
			kind = tandem.NotFound
		}
	}
	return tandem.Errorf(kind, "the store fails")
}

// tellState says what a host can see of the life.
func (w *world) tellState() {
	l := w.life
	requests, messages := l.Waiting()
	seen, unseen := l.Pending()
	w.say("runs %v, live %v, frozen %v, ended %v, idle %v", l.Runs(), l.Live(), l.Frozen(), l.Ended(), l.Idle())
	w.say("%d requests and %d messages wait; %d requests seen, %d not", requests, messages, seen, unseen)
	if _, known := l.DeviceGroup(); !known {
		w.say("the device group is not known")
	}
	if l.Hog() {
		w.say("it uses much processor time")
	}
	if at, ok := l.Deadline(w.now); ok {
		w.say("deadline in %s", at-w.now.Mono)
	}
}

// event brings an event.
func (w *world) event(d *datadriven.TestData) {
	switch d.Cmd {
	case "request":
		n := number(d, "n", first(d))
		r := &tandem.Request{Method: "GET", Path: option(d, "path", "/")}
		w.take(&Request{Number: n, Origin: tandem.Origin{Node: "n2", ID: n}, Request: r})
	case "gaveup":
		w.take(&GaveUp{first(d)})
	case "link":
		w.link(first(d), number(d, "next", 1))
	case "unlink":
		w.unlink(first(d), tandem.LinkEnd{Clean: d.HasArg("clean"), Lost: d.HasArg("lost")})
	case "message": // link.seq name data
		link, seq, _ := strings.Cut(d.CmdArgs[0].Key, ".")
		m := tandem.Message{Name: d.CmdArgs[1].Key, Post: number(d, "post", 0)}
		m.Data = []byte(option(d, "data", ""))
		m.Mark = tandem.Mark{Boot: number(d, "boot", 0), Seq: number(d, "mark", 0)}
		w.message(parse(d, link), parse(d, seq), m)
	case "said":
		topic := d.CmdArgs[0].Key
		mark := tandem.Mark{Boot: number(d, "boot", 0), Seq: number(d, "mark", 0)}
		seq := number(d, "seq", 0)
		ev := &Said{Token: w.newToken("said " + topic), Seq: seq, Topic: topic, Data: []byte(d.Input), Mark: mark}
		if d.HasArg("ago") { // when a line was written
			ago, err := time.ParseDuration(option(d, "ago", ""))
			if err != nil {
				w.t.Fatal(err)
			}
			ev.Written = w.now.Wall.Add(-ago).UnixMilli()
		}
		w.take(ev)
	case "saidagain": // what was said with this seq
		w.take(&Again{Token: w.newToken("said again"), Seq: first(d)})
	case "notsent":
		w.take(&NotSent{number(d, "post", 0)})
	case "fetched":
		w.fetched(first(d), int(number(d, "status", 200)), option(d, "body", ""))
	case "part":
		token := w.newToken(fmt.Sprint("part of ", first(d)))
		w.take(&FetchedPart{Token: token, Incarnation: w.life.Incarnation, ID: first(d), Data: []byte(option(d, "body", ""))})
	case "uploaded":
		w.take(&Uploaded{Incarnation: w.life.Incarnation, ID: first(d), N: int(number(d, "bytes", 0))})
	case "mqtt":
		w.mqttEvent(d)
	case "charge":
		w.perform(w.life.Charge(w.now, duration(d, 0), duration(d, 1)))
	default:
		w.order(d)
	}
}

func (w *world) mqttEvent(d *datadriven.TestData) {
	id := uint64(1)
	if m := w.life.Machine(); m != nil {
		id = m.MQTT()
	}
	switch d.CmdArgs[0].Key {
	case "connected":
		w.mqtt(&agent.MQTTConnected{ID: id, Code: int(number(d, "code", 0))}, "")
	case "message":
		w.mqtt(&agent.MQTTMessage{ID: id, Topic: "t", Payload: []byte(option(d, "data", ""))}, "mqtt message")
	case "lost":
		w.mqtt(&agent.MQTTLost{ID: id, Why: "the broker has gone"}, "")
	case "late": // of a connection that is none any more
		w.take(&MQTT{Token: w.newToken("late mqtt message"), Conn: 999, Event: &agent.MQTTMessage{ID: id}})
	}
}

// order brings what people and nodes want.
func (w *world) order(d *datadriven.TestData) {
	switch d.Cmd {
	case "reload":
		w.store.group = option(d, "group", w.store.group)
		w.take(&Reload{Group: w.store.group, Deployment: option(d, "deployment", "")})
	case "review":
		w.store.group = option(d, "group", w.store.group)
		w.take(&Review{w.store.group})
	case "remind":
		w.take(&Remind{[]byte(d.Input)})
	case "restart":
		w.take(&Restart{tandem.ReasonRestart})
	case "restartdevice":
		w.take(&RestartDevice{})
	case "deleted":
		w.take(&Deleted{})
	case "resume":
		w.take(&Resume{})
	case "stop":
		w.door.Shut(ErrStopping)
		w.take(&Stop{duration(d, 0)})
	case "refuse":
		w.take(&Refuse{})
	case "leave":
		w.leave(duration(d, 0))
	case "arrive":
		mono := time.Duration(number(d, "mono", 7)) * time.Minute
		if err := w.arrive(mono, tandem.Reason(option(d, "why", "balance"))); err != nil {
			w.say("%v", err)
		}
	case "vanish":
		w.take(&Vanish{})
	case "nodelost":
		w.take(&NodeLost{Node: option(d, "node", "n0"), Settled: d.HasArg("settled")})
	case "tick":
		w.tick()
	default:
		w.t.Fatalf("%s: there is no command %s", d.Pos, d.Cmd)
	}
}

// option returns the value of an argument.
func option(d *datadriven.TestData, key, missing string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return missing
}

func number(d *datadriven.TestData, key string, missing uint64) uint64 {
	if s := option(d, key, ""); s != "" {
		return parse(d, s)
	}
	return missing
}

func parse(d *datadriven.TestData, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", d.Pos, err))
	}
	return n
}

// first returns the number that is the first argument, 0 when there is none.
func first(d *datadriven.TestData) uint64 {
	if len(d.CmdArgs) == 0 || len(d.CmdArgs[0].Vals) > 0 {
		return 0
	}
	return parse(d, d.CmdArgs[0].Key)
}

// duration returns the i-th argument, 0 when there is none.
func duration(d *datadriven.TestData, i int) time.Duration {
	if i >= len(d.CmdArgs) {
		return 0
	}
	v, err := time.ParseDuration(d.CmdArgs[i].Key)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", d.Pos, err))
	}
	return v
}
