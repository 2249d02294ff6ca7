package agent

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/imp"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func mustCompile(t testing.TB, src string) Config {
	t.Helper()
	prog, err := imp.Compile(tandem.AgentSide, []byte(src), imp.Environment{"PRODUCT_NAME": "Lamp"})
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Program: prog, Agent: "abcdefghijkl", Device: "0123456789abcdef",
		URL: "https://agent.example.com/abcdefghijkl", Incarnation: 3, Version: "tandem test",
	}
}

// world is a machine with a clock, and with what its host would keep.
type world struct {
	m       *Machine
	cfg     Config
	now     time.Time
	waiting []Event // come while the machine was busy
	posts   uint64  // kept so far
	out     strings.Builder
}

func newWorld(cfg Config) *world {
	w := &world{cfg: cfg, now: epoch}
	w.m = New(cfg, w.now)
	return w
}

// do delivers an event, now or when the machine takes it, and writes down
// what comes of it.
func (w *world) do(ev Event) {
	if !w.m.Dead() && !w.m.Takes(ev) {
		w.waiting = append(w.waiting, ev)
		return
	}
	w.show(w.m.Step(w.now, ev))
	w.checkKept()
	for len(w.waiting) > 0 && !w.m.Busy() {
		next := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.show(w.m.Step(w.now, next))
		w.checkKept()
	}
}

// checkKept panics when the machine keeps a value of the program's that nothing
// refers to any more: it would be kept for ever. While timers are pending, which
// are the Core's, there is no saying.
func (w *world) checkKept() {
	_, timers := w.m.Alarm()
	if timers || w.m.Busy() || w.m.Dead() {
		return
	}
	known := map[uint32]bool{w.m.broker.ID: true, w.m.posting: true}
	for id := range w.m.fetches {
		known[id] = true
	}
	for _, id := range w.m.posts {
		known[id] = true
	}
	for _, r := range w.m.broker.Requests {
		known[r.ID] = true
	}
	vm := w.m.core.VM
	for i, key, x, ok := vm.Next(vm.Registry(), 0); ok; i, key, x, ok = vm.Next(vm.Registry(), i) {
		if key.IsInt() && !known[uint32(key.AsInt())] {
			panic(fmt.Sprintf("the machine keeps a %s under %d, and nothing refers to it", x.Type(), key.AsInt()))
		}
	}
}

// advance lets time pass, alarms included.
func (w *world) advance(d time.Duration) {
	end := w.now.Add(d)
	for {
		at, ok := w.m.Alarm()
		if !ok || at.After(end) {
			break
		}
		if at.After(w.now) {
			w.now = at
		}
		if w.m.Busy() {
			w.do(&Woken{})
		} else {
			w.do(&Alarm{})
		}
	}
	w.now = end
}

// move replaces the machine by one restored from its snapshot.
func (w *world) move() error {
	data, err := w.m.Snapshot()
	if err != nil {
		return err
	}
	m, err := Restore(Config{
		Program: w.cfg.Program, URL: w.cfg.URL, Memory: w.cfg.Memory, Budget: w.cfg.Budget,
		Version: w.cfg.Version,
	}, data, w.now)
	if err != nil {
		return err
	}
	again, err := m.Snapshot()
	if err != nil {
		return err
	}
	// The VM's part is left out: under the tag squirrelcheck its objects move.
	ours, _, _ := bytes.Cut(data, []byte("tansqvm"))
	theirs, _, _ := bytes.Cut(again, []byte("tansqvm"))
	if !bytes.Equal(ours, theirs) {
		return errors.New("the snapshot of the restored machine differs")
	}
	w.m = m
	return nil
}

func (w *world) show(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *Log:
			fmt.Fprintf(&w.out, "%s: %s\n", e.Type, e.Msg)
		case *Send:
			fmt.Fprintf(&w.out, "send %s %s\n", e.Message.Name, toJSON(e.Message.Data))
		case *Answer:
			fmt.Fprintf(&w.out, "answer %d: %d%s %q\n", e.ID, e.Response.Status, showHeaders(e.Response.Headers),
				e.Response.Body)
		case *Fetch:
			w.showFetch("fetch", e.ID, e.Fetch)
		case *Upload:
			w.showFetch("upload", e.ID, e.Fetch)
		case *Chunk:
			fmt.Fprintf(&w.out, "chunk %d: %d bytes %.20q\n", e.ID, len(e.Data), e.Data)
		case *ChunksEnd:
			fmt.Fprintf(&w.out, "end %d: timeout=%v stream=%v\n", e.ID, e.Timeout, e.Stream)
		case *MQTTConnect:
			c := e.Connect
			fmt.Fprintf(&w.out, "mqtt %d: connect %s as %s keepalive=%d", e.ID, e.URL, c.ClientID, c.KeepAlive)
			if c.HasUsername {
				fmt.Fprintf(&w.out, " user=%q password=%q", c.Username, c.Password)
			}
			if c.Will != nil {
				fmt.Fprintf(&w.out, " will %s %q qos=%d retain=%v", c.Will.Topic, c.Will.Payload, c.Will.QoS, c.Will.Retain)
			}
			if e.Wait > 0 {
				fmt.Fprintf(&w.out, " after %v", e.Wait)
			}
			w.out.WriteString("\n")
		case *MQTTPublish:
			fmt.Fprintf(&w.out, "mqtt %d: %d publish %s %.20q qos=%d retain=%v\n", e.ID, e.Request, e.Message.Topic,
				e.Message.Payload, e.Message.QoS, e.Message.Retain)
		case *MQTTSubscribe:
			fmt.Fprintf(&w.out, "mqtt %d: %d subscribe %s qos=%d\n", e.ID, e.Request, e.Filter, e.QoS)
		case *MQTTUnsubscribe:
			fmt.Fprintf(&w.out, "mqtt %d: %d unsubscribe %s\n", e.ID, e.Request, e.Filter)
		case *MQTTClose:
			fmt.Fprintf(&w.out, "mqtt %d: close\n", e.ID)
		case *Cancel:
			fmt.Fprintf(&w.out, "cancel %d\n", e.ID)
		case *Save:
			fmt.Fprintf(&w.out, "save %s mark=%d:%d\n", toJSON(e.Table), e.Mark.Boot, e.Mark.Seq)
		case *Over:
			fmt.Fprintf(&w.out, "limit %s %d\n", e.Limit, e.Times)
		case *Post:
			fmt.Fprintf(&w.out, "post %s %s cause=%d:%d nth=%d\n", e.Message.Name, toJSON(e.Message.Data),
				e.Cause.Boot, e.Cause.Seq, e.Nth)
		case *Restart:
			fmt.Fprintf(&w.out, "restart %s\n", e.Reason)
		}
	}
}

func (w *world) showFetch(what string, id uint64, f *tandem.Fetch) {
	fmt.Fprintf(&w.out, "%s %d: %s %s%s %q timeout=%v", what, id, f.Method, f.URL, showHeaders(f.Headers),
		f.Body, f.Timeout)
	if f.Validate {
		w.out.WriteString(" validate")
	}
	if f.Stream {
		w.out.WriteString(" stream")
	}
	w.out.WriteString("\n")
}

func showHeaders(headers []tandem.Header) string {
	s := ""
	for _, h := range headers {
		s += fmt.Sprintf(" [%s: %s]", h.Name, h.Value)
	}
	return s
}

func toJSON(compact []byte) string {
	text, err := codec.TranscodeJSON(compact)
	if err != nil {
		return err.Error()
	}
	if len(text) > 90 {
		return fmt.Sprintf("%s... (%d bytes)", text[:90], len(text))
	}
	return string(text)
}

func fromJSON(text string) []byte {
	data, err := codec.FromJSON(nil, []byte(text))
	if err != nil {
		panic(err)
	}
	return data
}
