package device

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/imp"
)

// epoch is when every story of the tests begins: a Wednesday.
var epoch = time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)

// story is a machine in a script: events in, effects out.
type story struct {
	t       *testing.T
	cfg     Config
	board   *board.Simulated
	m       *Machine
	now     time.Time
	changes []board.Change
	flash   board.Flash

	commands []string // to the board, so far

	// Every event goes to a machine restored from a snapshot as well, when
	// twice is set; both must do the same.
	twice bool
}

func newStory(t *testing.T) *story {
	s := &story{t: t, board: board.New(), now: epoch, flash: board.NewFlash(8 * sectorSize)}
	s.board.Notify(func(c board.Change) { s.changes = append(s.changes, c) })
	s.cfg = Config{
		Device: "0123456789abcdef", Incarnation: 7, Board: s.board, Flash: s.flash, Version: "test",
		Budget: 20 * time.Millisecond,
	}
	return s
}

// start makes the machine from code and runs it.
func (s *story) start(src string) string {
	program, err := imp.Compile(tandem.DeviceSide, []byte(src), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.cfg.Program = program
	s.m = New(s.cfg, s.now)
	return s.step(&Boot{})
}

// step gives the machine an event and returns its effects, one a line.
func (s *story) step(ev Event) string {
	var twin *Machine
	if s.twice {
		data, err := s.m.Snapshot()
		if err != nil {
			s.t.Fatal(err)
		}
		cfg := s.cfg
		cfg.Board, cfg.Flash = s.sameWorld(), slices.Clone(s.flash)
		if twin, err = Restore(cfg, data, s.now); err != nil {
			s.t.Fatal(err)
		}
	}
	var out strings.Builder
	for _, e := range s.m.Step(s.now, ev) {
		fmt.Fprintln(&out, show(e))
	}
	s.checkKept()
	if twin != nil {
		s.compare(twin, ev, out.String())
	}
	return out.String() + s.pump()
}

// checkKept fails when the machine keeps a value of the code's that nothing refers
// to any more. While timers are pending, which are the Core's, there is no saying.
func (s *story) checkKept() {
	if _, timers := s.m.core.Alarm(); timers || s.m.Busy() || s.m.Dead() {
		return
	}
	vm := s.m.vm()
	for i, key, x, ok := vm.Next(vm.Registry(), 0); ok; i, key, x, ok = vm.Next(vm.Registry(), i) {
		is := func(c postCallback) bool { return key.IsInt() && c.Kept == uint32(key.AsInt()) }
		if key.IsInt() && !slices.ContainsFunc(s.m.st.Posts.Callbacks, is) {
			s.t.Errorf("the machine keeps a %s under %d, and nothing refers to it", x.Type(), key.AsInt())
		}
	}
}

// sameWorld returns a board to which the script has done the same.
func (s *story) sameWorld() *board.Simulated {
	b := board.New()
	for _, line := range s.commands {
		if err := b.Command(line); err != nil {
			s.t.Fatal(err)
		}
	}
	return b
}

// compare has the restored twin take the event that the machine took.
func (s *story) compare(twin *Machine, ev Event, want string) {
	var out strings.Builder
	for _, e := range twin.Step(s.now, ev) {
		fmt.Fprintln(&out, show(e))
	}
	if out.String() != want {
		s.t.Errorf("%T: the restored machine does\n%sinstead of\n%s", ev, out.String(), want)
	}
}

// pump tells the machine what happened on the board meanwhile.
func (s *story) pump() (out string) {
	for len(s.changes) > 0 {
		c := s.changes[0]
		s.changes = s.changes[1:]
		out += s.step(&Changed{Pin: c.Pin, Bus: c.Bus, Data: c.Data, Fault: c.Fault})
	}
	return out
}

// show returns an effect as scripts have it.
func show(e Effect) string {
	switch e := e.(type) {
	case *Log:
		return marked(e.Keep, fmt.Sprintf("log %d %s: %s", e.ID, e.Type, e.Msg))
	case *Send:
		text, err := codec.TranscodeJSON(e.Message.Data)
		if err != nil {
			return err.Error()
		}
		if len(text) > 60 {
			text = fmt.Appendf(text[:10], "… (%d bytes)", len(e.Message.Data))
		}
		return fmt.Sprintf("send %d %s %s", e.ID, e.Message.Name, text)
	case *Forget:
		return fmt.Sprintf("forget %d", e.ID)
	case *DeepSleep:
		nv := "none"
		if e.NV != nil {
			text, err := codec.TranscodeJSON(e.NV)
			if err != nil {
				return err.Error()
			}
			nv = string(text)
		}
		return fmt.Sprintf("deepsleep %v pins=%v nv=%s", e.Duration, e.Pins, nv)
	case *Restart:
		return strings.TrimRight(fmt.Sprintf("restart %s wake=%d %s", e.Reason, e.Wake, e.Detail), " ")
	case *Post:
		text, err := codec.TranscodeJSON(e.Message.Data)
		if err != nil {
			return err.Error()
		}
		what := fmt.Sprintf("post %d %s %.60s cause=%d nth=%d", e.ID, e.Message.Name, text, e.Cause, e.Nth)
		return marked(e.Send, what)
	case *Permanent:
		text, err := codec.TranscodeJSON(e.Data)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("permanent %s cause=%d", text, e.Cause)
	case *Configured:
		return fmt.Sprintf("configured %q %v", e.Data, e.Data == nil)
	}
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "*device."))
}

// marked marks what is kept because the program has asked for it.
func marked(is bool, effect string) string {
	if is {
		return "kept " + effect
	}
	return effect
}

// advance lets time pass, with every alarm on the way.
func (s *story) advance(d time.Duration) (out string) {
	until := s.now.Add(d)
	for range 10_000 {
		at, ok := s.m.Alarm()
		if !ok || at.After(until) {
			s.now = until
			return out
		}
		if at.After(s.now) {
			s.now = at
		}
		if s.m.Busy() {
			out += s.step(&Woken{})
		} else {
			out += s.step(&Alarm{})
		}
	}
	return out + "the alarm never ends\n"
}

// kept reads what a device is told of what it keeps.
func (s *story) kept(d *datadriven.TestData) Event {
	if d.Cmd == "room" {
		return s.room(d)
	}
	var n int
	d.ScanArgs(s.t, "count", &n)
	return &Settled{Count: n}
}

// room reads what can be kept.
func (s *story) room(d *datadriven.TestData) *Room {
	room := &Room{}
	d.MaybeScanArgs(s.t, "bytes", &room.Bytes)
	d.MaybeScanArgs(s.t, "full", &room.Full)
	d.MaybeScanArgs(s.t, "unwritable", &room.Unwritable)
	return room
}

// do runs one command of a script.
func (s *story) do(d *datadriven.TestData) string {
	number := func(name string) (n uint64) {
		d.ScanArgs(s.t, name, &n)
		return n
	}
	switch d.Cmd {
	case "device":
		return s.device(d)
	case "nv":
		nv, err := codec.FromJSON(nil, []byte(d.Input))
		if err != nil {
			s.t.Fatal(err)
		}
		s.cfg.NV = nv
		return ""
	case "linked":
		return s.step(&Linked{Address: "10.0.0.2"})
	case "unlinked":
		return s.step(&Unlinked{Reason: int(number("reason"))})
	case "written":
		return s.step(&Written{ID: number("id")})
	case "sent":
		return s.step(&Sent{ID: number("id")})
	case "refused":
		return s.step(&Sent{ID: number("id"), Code: Refused})
	case "message":
		var name string
		d.ScanArgs(s.t, "name", &name)
		return s.step(&AgentMessage{Message: tandem.Message{Name: name, Data: []byte(d.Input)}})
	case "posted":
		var name string
		d.ScanArgs(s.t, "name", &name)
		return s.step(&AgentMessage{Message: tandem.Message{Name: name, Post: number("number"), Data: []byte(d.Input)}})
	case "handled":
		return s.step(&Handled{ID: number("id")})
	case "room", "settled":
		return s.step(s.kept(d))
	case "shutdown":
		return s.step(&Shutdown{Reason: int(number("reason"))})
	case "peer":
		return s.step(&PeerStarted{Reason: tandem.ReasonReload, Incarnation: number("incarnation")})
	case "idle":
		return s.step(&Idle{})
	case "wait":
		span, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			s.t.Fatal(err)
		}
		return s.advance(span)
	case "board":
		for line := range strings.Lines(d.Input) {
			s.commands = append(s.commands, line)
			if err := s.board.Command(line); err != nil {
				s.t.Fatal(err)
			}
		}
		return s.pump()
	case "look":
		name := d.CmdArgs[0].Key
		if strings.HasPrefix(name, "pin") {
			return fmt.Sprintf("%s %s %v\n", name, s.board.Mode(name), s.board.Read(name, s.now))
		}
		return fmt.Sprintf("%s %q\n", name, s.board.Sent(name))
	case "state":
		return fmt.Sprintf("busy=%v dead=%v\n", s.m.Busy(), s.m.Dead())
	}
	s.t.Fatalf("%s: no such command", d.Cmd)
	return ""
}

// device starts a machine: the input is its code.
func (s *story) device(d *datadriven.TestData) string {
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "connected":
			s.cfg.Connected, s.cfg.Address = true, "10.0.0.2"
		case "offline":
			s.cfg.Connected = false
		case "keep":
			s.cfg.KeepSends, s.cfg.KeepLog = true, true
		case "room": // bytes of posts
			s.cfg.Room.Bytes = int64(atoi(s.t, arg.Vals[0]))
		case "wake":
			s.cfg.Wake = atoi(s.t, arg.Vals[0])
		case "module":
			s.cfg.Module = arg.Vals[0]
		default:
			s.t.Fatalf("device: no argument %s", arg.Key)
		}
	}
	s.board.Reset()
	return s.start(d.Input)
}

func atoi(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestStories runs the scripts, each twice: as it is, and with every event
// given to a machine restored from a snapshot too.
func TestStories(t *testing.T) {
	for _, twice := range []bool{false, true} {
		t.Run(fmt.Sprintf("restored=%v", twice), func(t *testing.T) {
			datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
				s := newStory(t)
				s.twice = twice
				datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
					s.t = t
					return s.do(d)
				})
			})
		})
	}
}

func TestCodeThatDoesNotFit(t *testing.T) {
	s := newStory(t)
	s.cfg.Connected = true
	out := s.start("x <- \"" + strings.Repeat("x", 600<<10) + "\"; server.log(x.len());")
	want := `log 1 server.error: out of memory: more than 524288 bytes in use
log 2 server.error:   at main device_code:1
log 3 lastexitcode: out of memory
restart out_of_memory wake=2
`
	if out != want {
		t.Errorf("got\n%s", out)
	}
}

func TestAPIIsDocumented(t *testing.T) {
	for _, api := range API() {
		for _, f := range api.Functions {
			if f.Doc == "" || f.Source == "" || f.Fn == nil {
				t.Errorf("%s: documentation, source or function is missing", f.Name)
			}
			for _, p := range f.Params {
				if p.Name == "" || p.Type == "" {
					t.Errorf("%s: parameter %q has no name or type", f.Name, p.Name)
				}
			}
		}
		for _, c := range api.Constants {
			if c.Doc == "" || c.Source == "" {
				t.Errorf("%s: documentation or source is missing", c.Name)
			}
		}
	}
}
