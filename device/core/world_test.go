package core

import (
	"errors"
	"fmt"
	"maps"
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

	disk    map[string][]byte
	slow    bool     // operations of the disk wait in pending
	fails   bool     // the next operation fails
	pending []Effect // WriteFile and RemoveFile
	ops     int      // that were done
	cut     func(op int) power
	wrote   func(name string)
	removed map[string][]byte // files whose removal a power cut may undo

	net    string // up, down, silent
	server server
}

// power says when it goes, relative to an operation of the disk.
type power uint8

const (
	stays      power = iota
	goesBefore       // the operation is not done
	goesAfter        // it is done, but the device never learns
)

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
		t: t, board: board.New(), disk: map[string][]byte{}, removed: map[string][]byte{}, net: "up",
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
func (w *world) install(text string) { w.disk[codeFile] = encode(codeOf(text, nil)) }

// on makes a core of what is on the disk, and switches it on.
func (w *world) on() {
	w.build()
	w.do(&PowerOn{})
}

func (w *world) build() {
	var files []File
	for _, name := range slices.Sorted(maps.Keys(w.disk)) {
		files = append(files, File{name, w.disk[name]})
	}
	c, err := New(w.cfg, files)
	if err != nil {
		w.t.Fatal(err)
	}
	w.core, w.over = c, false
}

// cutPower ends the device. What the disk has not done is not done; removed
// files come back when undo.
func (w *world) cutPower(undo bool) {
	if undo {
		maps.Copy(w.disk, w.removed)
	}
	clear(w.removed)
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
		w.server.receive(e)
	case *WriteFile, *RemoveFile:
		if w.slow || len(w.pending) > 0 {
			w.say("asked: %s", operationText(e))
			w.pending = append(w.pending, e)
			return
		}
		w.operate(e)
	case *ReadCode:
		w.say("read the code")
		text, ok := w.disk["own"]
		ev := &CodeRead{Number: e.Number, Text: string(text)}
		if !ok {
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
	case *Fatal:
		w.say("fatal: %v", e.Err)
		w.over = true
	}
}

func (w *world) dial(e *Dial) {
	switch w.net {
	case "up":
		w.server.accept(e.Number)
		w.queue = append(w.queue, &Dialed{Number: e.Number, Address: "10.0.0.2"})
	case "down":
		w.queue = append(w.queue, &Dialed{Number: e.Number, Reason: device.NotResolved, Err: errors.New("no such host")})
	}
}

// operationText is what an operation of the disk is called; of a file it shows
// what fits a line.
func operationText(e Effect) string {
	switch e := e.(type) {
	case *WriteFile:
		text := withoutIDs(string(e.Data))
		if len(text) > 120 {
			text = "…"
		}
		return "write " + shortName(e.Name) + " " + text
	case *RemoveFile:
		return "remove " + shortName(e.Name)
	}
	return ""
}

// shortName leaves the zeros out of a post's name.
func shortName(name string) string {
	k := keptPost{}
	if n, err := fmt.Sscanf(name, postsDir+"%d-%d.json", &k.Mark.Boot, &k.Mark.Seq); n == 2 && err == nil {
		return fmt.Sprintf("%s%d-%d", postsDir, k.Mark.Boot, k.Mark.Seq)
	}
	return name
}

// operate does an operation of the disk, and tells the core.
func (w *world) operate(e Effect) {
	if w.core == nil {
		return
	}
	w.ops++
	goes := stays
	if w.cut != nil {
		goes = w.cut(w.ops)
	}
	if goes == goesBefore {
		w.cutPower(false)
		return
	}
	done := &FileDone{}
	w.say("%s", operationText(e))
	switch e := e.(type) {
	case *WriteFile:
		done.Number = e.Number
		if w.fails {
			done.Err = errors.New("no space left on device")
			break
		}
		w.disk[e.Name] = e.Data
		delete(w.removed, e.Name)
		if w.wrote != nil {
			w.wrote(e.Name)
		}
	case *RemoveFile:
		done.Number = e.Number
		if w.fails {
			done.Err = errors.New("input/output error")
			break
		}
		w.removed[e.Name] = w.disk[e.Name]
		delete(w.disk, e.Name)
	}
	w.fails = false
	if goes == goesAfter {
		w.cutPower(false)
		return
	}
	w.queue = append(w.queue, done)
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
