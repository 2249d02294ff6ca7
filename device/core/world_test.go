package core

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/spool"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

const testID = tandem.DeviceID("0123456789abcdef")

// world is a device in virtual time: a core with a disk, a network and a server.
// It says what it sees, each line with the time.
type world struct {
	t     testing.TB
	core  *Core
	cfg   Config
	board *board.Simulated
	now   tandem.Now
	out   strings.Builder
	queue []Event // that happen now
	over  bool    // Left or Fatal was said

	disk    Memory
	own     string // the operator's code, for ReadCode; "": there is none
	slow    bool   // operations of the disk wait in pending
	fails   func(e Effect) error
	pending []Effect              // operations of the disk
	ops     int                   // that were done
	cut     func(op int) bool     // the power goes during this one
	chance  func(n uint64) uint64 // what a power cut leaves
	wrote   func(e Effect)

	net     string        // up, down, silent, reached
	lag     time.Duration // of the network, each way
	transit []transit     // what is on its way, in order
	server  server
}

// transit is something on its way through the network.
type transit struct {
	at     time.Duration
	arrive func()
}

// programs has what was compiled. Machines share programs.
var programs sync.Map

func compileOnce(text string, env map[string]string) (*compile.Program, error) {
	if p, ok := programs.Load(text); ok && len(env) == 0 {
		return p.(*compile.Program), nil
	}
	p, err := imp.Compile(tandem.DeviceSide, []byte(text), env)
	if err == nil && len(env) == 0 {
		programs.Store(text, p)
	}
	return p, err
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, board: board.New(), net: "up", chance: func(n uint64) uint64 { return n / 2 },
		now: tandem.Now{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	w.cfg = Config{
		ID: testID, Key: "secret", Server: "tcp://node", Board: w.board,
		Compile: compileOnce, Chance: func(n uint64) uint64 { return n / 2 },
	}
	w.server.w = w
	w.board.Notify(func(c board.Change) {
		w.queue = append(w.queue, &Changed{device.Changed{Pin: c.Pin, Bus: c.Bus, Data: c.Data, Fault: c.Fault}})
	})
	return w
}

// install puts code on the disk.
func (w *world) install(text string) { w.disk.Install(codeFile, encode(codeOf(text, nil).kept())) }

// on makes a core of what is on the disk, and switches it on.
func (w *world) on() {
	w.build()
	w.do(&PowerOn{})
}

func (w *world) build() {
	var err error
	if w.core, err = New(w.cfg, w.disk.Contents()); err != nil {
		w.t.Fatal(err)
	}
	w.over = false
}

// cutPower ends the device, during an effect on the disk or none.
func (w *world) cutPower(during Effect) {
	w.disk.Cut(during, w.chance)
	w.core, w.queue, w.pending = nil, nil, nil
	w.server.lose()
}

// do gives the core an event, and then all that comes of it at once.
func (w *world) do(ev Event) {
	w.queue = append(w.queue, ev)
	w.settle()
}

func (w *world) settle() {
	for len(w.queue) > 0 && w.core != nil {
		ev := w.queue[0]
		w.queue = w.queue[1:]
		for _, e := range slices.Clone(w.core.Step(w.now, ev)) {
			if w.core != nil { // the power may go at any of them
				w.perform(e)
			}
		}
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	end := w.now.Mono + d
	spins := 0
	for {
		at, ok := time.Duration(0), false
		if w.core != nil {
			at, ok = w.core.Deadline()
		}
		if len(w.transit) > 0 && w.transit[0].at <= end && (!ok || w.transit[0].at <= at) {
			first := w.transit[0]
			w.transit = w.transit[1:]
			w.advance(max(first.at, w.now.Mono))
			first.arrive()
			w.settle()
			continue
		}
		if !ok || at > end {
			w.advance(end)
			return
		}
		if spins++; at > w.now.Mono {
			spins = 0
		}
		if spins > 10_000 {
			w.t.Fatalf("the core wants Tick at %v again and again; it is %v", at, w.now.Mono)
		}
		w.advance(max(at, w.now.Mono))
		w.do(&Tick{})
	}
}

// carry has something arrive after the network's lag.
func (w *world) carry(arrive func()) {
	if w.lag == 0 {
		arrive()
		return
	}
	w.transit = append(w.transit, transit{w.now.Mono + w.lag, arrive})
}

func (w *world) advance(to time.Duration) {
	w.now.Wall = w.now.Wall.Add(to - w.now.Mono)
	w.now.Mono = to
}

// checksum is a SHA-256, of which a script shows the beginning.
var checksum = regexp.MustCompile(`([0-9a-f]{6})[0-9a-f]{58}`)

// withoutIDs leaves the random ids of boots out, which are all the same in a script.
func withoutIDs(text string) string {
	return idless.ReplaceAllString(heardBoot.ReplaceAllString(text, `"heard":$1`), "")
}

var (
	heardBoot = regexp.MustCompile(`"heard":{"boot":([0-9]+),"id":"[0-9a-f]*"}`)
	idless    = regexp.MustCompile(`,"(installation|id)":"[0-9a-f]*"`)
)

func (w *world) say(format string, args ...any) {
	text := checksum.ReplaceAllString(withoutIDs(fmt.Sprintf(format, args...)), "$1…")
	fmt.Fprintf(&w.out, "%.3f %s\n", w.now.Mono.Seconds(), text)
}

func (w *world) perform(e Effect) {
	switch e := e.(type) {
	case *Dial:
		w.say("%s", strings.TrimSpace("dial "+e.Another))
		w.dial(e)
	case *CloseConn:
		w.say("close")
		w.server.closed(e.Number)
	case *Write:
		if w.lag > 0 { // the network has taken it
			w.queue = append(w.queue, &Written{e.Number})
		}
		w.carry(func() { w.server.receive(e) })
	case *WriteFile, *WriteAt, *Reserve, *RemoveFile, *SetAside, *ReadFile:
		if w.slow || len(w.pending) > 0 {
			w.say("asked: %s", operationText(e))
			w.pending = append(w.pending, e)
			return
		}
		w.operate(e)
	case *ReadCode:
		w.say("read the code")
		ev := &CodeRead{Number: e.Number, Text: w.own}
		if w.own == "" {
			ev.Err = errors.New("no such file")
		}
		w.queue = append(w.queue, ev)
	case *BoardReset:
		w.say("reset the board")
		w.board.Reset()
	case *LogLine:
		var b strings.Builder
		for _, a := range e.Attrs {
			fmt.Fprintf(&b, " %s=%s", a.Key, a.Value)
		}
		w.say("%s: %s%s", e.Level, e.Msg, b.String())
	case *Left:
		w.say("left")
		w.over = true
	}
}

func (w *world) dial(e *Dial) {
	switch w.net {
	case "up":
		began := w.now.Mono
		w.carry(func() {
			w.carry(func() {
				w.server.accept(e.Number)
				if w.lag > 0 {
					w.queue = append(w.queue, &Reached{e.Number, w.now.Mono - began})
				}
				w.queue = append(w.queue, &Dialed{Number: e.Number, Address: "10.0.0.2"})
			})
		})
	case "reached": // but nothing more
		w.queue = append(w.queue, &Reached{e.Number, 200 * time.Millisecond})
	case "down":
		w.queue = append(w.queue, &Dialed{Number: e.Number, Reason: device.NotResolved, Err: errors.New("no such host")})
	}
}

// operationText is what an operation of the disk is called; of what is written it shows what
// fits a line.
func operationText(e Effect) string {
	switch e := e.(type) {
	case *WriteFile:
		return "write " + e.Name + " " + contentText(e.Name, 0, e.Data)
	case *WriteAt:
		text := "write " + shortName(e.Name) + " " + contentText(e.Name, e.Offset, e.Data)
		if !e.Flush {
			text += " (not flushed)"
		}
		return text
	case *Reserve:
		return fmt.Sprintf("reserve %s %d KB", shortName(e.Name), e.Size>>10)
	case *RemoveFile:
		return "remove " + shortName(e.Name)
	case *SetAside:
		return "set aside " + e.Name
	case *ReadFile:
		return "read " + shortName(e.Name)
	}
	return ""
}

// contentText shows the records in what is written at an offset of a file, or of the copies in
// it the newest.
func contentText(name string, offset int64, data []byte) string {
	segment, isSegment := SegmentNumber(name)
	var list []string
	newest := uint64(0)
	for used := 0; ; {
		f, ok := spool.Next(data[used:], segment, offset+int64(used))
		if !ok {
			break
		}
		used += f.End
		switch {
		case !isSegment:
			if f.Seq > newest {
				newest, list = f.Seq, []string{string(f.Body)}
			}
		case f.Kind == recordLine:
			k, _ := decodeLine(f.Seq, f.Body)
			list = append(list, fmt.Sprintf("%d: %q %d.%d after %d", f.Seq, k.Text, k.Mark.Boot, k.Mark.Seq, k.After))
		case f.Kind == recordPost || f.Kind == recordSend:
			k, _ := decodePost(f.Record)
			text := fmt.Sprintf("%d: %s %s %d.%d", f.Seq, k.Name, jsonOf(k.Data, true), k.Mark.Boot, k.Mark.Seq)
			if k.Cause != 0 {
				text += fmt.Sprintf(" caused by %d, %d", k.Cause, k.Nth)
			}
			list = append(list, text)
		case f.Kind == recordMark:
			b := reader{data: f.Body}
			b.uvarint()
			list = append(list, fmt.Sprintf("settled %v of %d", decodeSpans(&b), f.Durable))
		}
	}
	text := strings.Join(list, ", ")
	if name == codeFile && len(data) < 200 {
		return string(data)
	}
	if len(list) == 0 || len(text) > 160 {
		return "…"
	}
	return text
}

// shortName leaves the zeros out of a segment's name, and what is the same of most.
func shortName(name string) string {
	if n, ok := SegmentNumber(name); ok {
		return strings.TrimSuffix(fmt.Sprintf("%s%d%s", postsDir, n, filepath.Ext(name)), messagesSuffix)
	}
	return name
}

// operate does an operation of the disk, and tells the core.
func (w *world) operate(e Effect) {
	if w.core == nil {
		return
	}
	w.ops++
	if w.cut != nil && w.cut(w.ops) {
		w.cutPower(e)
		return
	}
	w.say("%s", operationText(e))
	if w.fails != nil {
		if err := w.fails(e); err != nil {
			w.queue = append(w.queue, failed(e, err))
			return
		}
	}
	answer := w.disk.Do(e)
	if w.wrote != nil {
		w.wrote(e)
	}
	w.queue = append(w.queue, answer)
}

// failed is the answer to an operation that was not done.
func failed(e Effect, err error) Event {
	switch e := e.(type) {
	case *WriteFile:
		return &FileDone{e.Number, err}
	case *WriteAt:
		return &FileDone{e.Number, err}
	case *Reserve:
		return &FileDone{e.Number, err}
	case *RemoveFile:
		return &FileDone{e.Number, err}
	case *SetAside:
		return &FileDone{e.Number, err}
	case *ReadFile:
		return &FileRead{Number: e.Number, Err: err}
	}
	panic("no operation")
}

// finish has the disk do up to n of the operations that wait.
func (w *world) finish(n int) {
	for ; n > 0 && len(w.pending) > 0; n-- {
		e := w.pending[0]
		w.pending = w.pending[1:]
		w.operate(e)
		w.settle()
	}
}

// tellTime has the server tell the time, as nodes do after the first subscription.
func (w *world) tellTime() {
	w.server.say("sys/time", encode(map[string]any{"time": w.now.Wall}))
}

// jsonOf returns what a payload says.
func jsonOf(p []byte, compact bool) string {
	if !compact {
		return string(p)
	}
	text, err := codec.TranscodeJSON(p)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func itoa(n int) string { return strconv.Itoa(n) }
