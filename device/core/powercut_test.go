package core

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/spool"
	batches "github.com/tandem-iot/tandem/mqtt/batch"
)

// relayCode posts on its own, and for each post of the agent. It says by a plain
// message, and by a pin in a later event, what it has posted. Of what it has kept besides, lines and sends, each
// has a number, of which the thousands are the incarnation.
const relayCode = `
	tandem.keeplog(true);
	count <- tandem.incarnation() * 1000;
	function note() {
		server.log("kept " + ++count);
		tandem.keepsends(true);
		if (agent.send("kept", count + 1) == 0) count++;
		tandem.keepsends(false);
		server.log("kept " + ++count + long);
	}
	long <- " ";
	for (local i = 0; i < 11; i++) long += long;
	note();
	n <- 0;
	fill <- " ";
	for (local i = 0; i < 14; i++) fill += fill;
	hardware.pin9.configure(PWM_OUT, 1.0, 0.0);
	function sum() { local b = imp.getuserconfiguration(); return b == null ? 0 : b.readn('i'); }
	function next() {
		if (n >= 3) return;
		if (tandem.post("own", (tandem.incarnation() * 10 + n + 1) + fill) == 0) agent.send("posted", ++n);
		note();
		imp.wakeup(0.5, next);
		imp.wakeup(0, @() hardware.pin9.write(n / 100.0));
	}
	imp.wakeup(1, next);
	agent.on("add", function(x) {
		tandem.post("got", x);
		if (x % 3 == 0) imp.sleep(0.1);
		local b = blob(4);
		b.writen(sum() + x, 'i');
		imp.setuserconfiguration(b);
		agent.send("sum", sum());
		note();
	});
	agent.on("restart", @(_) server.restart());`

// agentModel is the agent: it handles messages above its watermark, and posts
// until the device has acknowledged.
type agentModel struct {
	t       *testing.T
	w       *world
	mark    tandem.Mark          // of the newest message that was handled
	got     []int                // the device's answers to posts, in order
	own     []string             // the device's own posts: incarnation and number
	waiting []int                // posts that the device has not acknowledged
	kept    map[tandem.Mark]bool // posts that are durable
	sends   map[tandem.Mark]bool // kept sends that are
	lines   map[tandem.Mark]bool // kept lines that are
	log     tandem.Mark          // of the newest line in the log
	counts  []int                // of what was kept besides, as it came
	besides [2]int               // kept lines and sends that came
	told    int                  // lost lines that the log tells of
	sum     int                  // of what was posted
	undone  bool                 // some of what was kept may have been undone, and posts refused
}

// watchedBoard is the board of a device whose outputs may not run ahead of its
// disk.
type watchedBoard struct {
	boardOf
	a *agentModel
}

type boardOf = interface {
	Setup(pin, mode string, level float64) error
	Write(pin string, level float64) error
	Read(pin string, at time.Time) float64
	Edges(pin string, at time.Time) (rising, falling int64)
	Transfer(bus string, addr int, out []byte, in int) ([]byte, error)
}

func (b *watchedBoard) Write(pin string, level float64) error {
	if pin == "pin9" {
		b.a.mustBeKept(int(level*100 + 0.5))
	}
	return b.boardOf.Write(pin, level)
}

const agentPosts = 7

func newModel(t *testing.T, w *world) *agentModel {
	type set = map[tandem.Mark]bool
	a := &agentModel{t: t, w: w, kept: set{}, sends: set{}, lines: set{}}
	for i := range agentPosts {
		a.waiting = append(a.waiting, i+1)
		a.sum += i + 1
	}
	w.cfg.Board = &watchedBoard{w.board, a}
	w.server.subscribed = a.subscribed
	w.server.handle = a.handle
	w.server.delivered = a.delivered
	w.wrote = a.wrote
	return a
}

// subscribed gives the device what it has not acknowledged, in order.
func (a *agentModel) subscribed() {
	a.w.tellTime()
	before := 0
	for _, x := range a.waiting {
		a.w.server.say("device/add", []byte(strconv.Itoa(x)), "post", strconv.Itoa(x), "after", strconv.Itoa(before))
		before = x
	}
}

func (a *agentModel) delivered(text string) {
	var x int
	if _, err := fmt.Sscanf(text, "device/add post %d", &x); err != nil {
		return
	}
	if len(a.waiting) == 0 || a.waiting[0] != x {
		a.t.Errorf("the device acknowledges %d, %v wait\n%s", x, a.waiting, a.w.out.String())
		return
	}
	a.waiting = a.waiting[1:]
}

func (a *agentModel) handle(m *agentView) {
	if isLine(m) {
		a.logged(m)
	}
	if m.mark.Boot == 0 || !strings.HasPrefix(m.topic, "agent/") {
		return
	}
	fresh := m.mark.After(a.mark)
	if fresh {
		a.mark = m.mark
	}
	if m.topic == "agent/kept" {
		a.came(m, fresh, a.sends, &a.besides[1])
		return
	}
	var n int
	if m.topic != "agent/sum" {
		if _, err := fmt.Sscan(strings.Trim(m.payload, `"`), &n); err != nil {
			a.t.Error(err)
		}
	}
	switch {
	case m.topic == "agent/posted":
		a.mustBeKept(n)
	case m.post && !a.kept[m.mark]:
		a.t.Errorf("%v leaves before it is on disk\n%s", m.mark, a.w.out.String())
	case !fresh:
	case m.topic == "agent/own":
		a.own = append(a.own, fmt.Sprintf("%d.%d", n/10, n%10))
	case m.topic == "agent/got":
		a.got = append(a.got, n)
	}
}

// logged takes a line, as the server does.
func (a *agentModel) logged(m *agentView) {
	fresh := m.mark.After(a.log)
	if fresh {
		a.log = m.mark
	}
	if strings.Contains(m.payload, "files are damaged") {
		a.t.Errorf("a power cut has damaged something: %s", m.payload)
	}
	lost := 0
	if _, err := fmt.Sscanf(m.payload, "%d lines of the log were lost here", &lost); err == nil && fresh {
		a.told += lost
	}
	if m.topic == "log" {
		a.came(m, fresh, a.lines, &a.besides[0])
	}
}

// came takes something that was kept besides posts.
func (a *agentModel) came(m *agentView, fresh bool, kept map[tandem.Mark]bool, count *int) {
	if m.topic == "log" && a.inMemory(m.mark) {
		kept[m.mark] = true // there was no room for it
	}
	if !kept[m.mark] && !a.undone {
		a.t.Errorf("%s %v leaves before it is on disk\n%s", m.topic, m.mark, a.w.out.String())
	}
	if !fresh {
		return
	}
	*count++
	var n int
	if _, err := fmt.Sscan(strings.TrimPrefix(m.payload, "kept "), &n); err != nil {
		a.t.Error(err)
	}
	a.counts = append(a.counts, n)
	if m.topic == "log" && m.written == 0 {
		a.t.Errorf("line %d is of no time", n)
	}
}

// inMemory reports whether a line that comes is one that the device had in memory alone.
func (a *agentModel) inMemory(m tandem.Mark) bool {
	return slices.ContainsFunc(a.w.core.out.given, func(it *item) bool {
		seq, _ := it.publish.Props.Get("seq")
		boot, _ := it.publish.Props.Get("boot")
		return it.line && it.kept == nil && boot == decimal(m.Boot) && seq == decimal(m.Seq)
	})
}

// mustBeKept fails when the n-th post of this boot was never on disk.
func (a *agentModel) mustBeKept(n int) {
	boot, count := a.w.core.disk.Boot, 0
	for m := range a.kept {
		if m.Boot == boot {
			count++
		}
	}
	if count < n {
		a.t.Errorf("%d posts of boot %d are seen, %d were on disk\n%s", n, boot, count, a.w.out.String())
	}
}

// wrote takes note of what the disk has done.
func (a *agentModel) wrote(e Effect) {
	w, ok := e.(*WriteAt)
	number, isSegment := SegmentNumber(fileOf(w, ok))
	if !isSegment || !w.Flush {
		return
	}
	for used := 0; ; {
		f, ok := spool.Next(w.Data[used:], number, w.Offset+int64(used))
		if !ok {
			return
		}
		used += f.End
		a.keep(f.Record)
	}
}

func fileOf(w *WriteAt, ok bool) string {
	if !ok {
		return ""
	}
	return w.Name
}

func (a *agentModel) keep(r spool.Record) {
	switch r.Kind {
	case recordMark:
		return
	case recordLine:
		k, ok := decodeLine(r.Seq, r.Body)
		if !ok {
			a.t.Errorf("a record that is no line: %v", r)
		}
		a.lines[k.Mark] = true
		return
	}
	k, ok := decodePost(r)
	if !ok {
		a.t.Errorf("a record that is no post: %v", r)
	}
	if r.Kind == recordSend {
		a.sends[k.Mark] = true
		return
	}
	a.kept[k.Mark] = true
}

// survived takes note of what a power cut has left, though its write was not done.
func (a *agentModel) survived() {
	for _, name := range a.w.disk.Names() {
		if n, ok := SegmentNumber(name); ok {
			data := a.w.disk.Data(name)
			spool.Scan(bytes.NewReader(data), n, int64(len(data)), func(_ int64, r spool.Record) {
				if j := a.journalOf(name); !j.settled.has(r.Seq) {
					a.keep(r)
				}
			})
		}
	}
}

func (a *agentModel) journalOf(name string) *journal {
	if strings.HasSuffix(name, linesSuffix) {
		return &a.w.core.disk.lines
	}
	return &a.w.core.disk.journal
}

// checkKept checks what was kept besides posts.
func (a *agentModel) checkKept() {
	t := a.t
	lines, sends := a.besides[0], a.besides[1]
	// Whether a line has come of which the power cut has lost the acknowledgement, the device cannot know.
	if missing := len(a.lines) - lines; (missing < 0 || missing > a.told || missing == 0 && a.told > 8) && !a.undone {
		t.Errorf("%d lines were on disk, %d came and %d are said to be lost", len(a.lines), lines, a.told)
	}
	if sends != len(a.sends) && !a.undone {
		t.Errorf("%d sends were on disk, %d were handled", len(a.sends), sends)
	}
	if !slices.IsSorted(a.counts) || len(slices.Compact(slices.Clone(a.counts))) != len(a.counts) {
		t.Errorf("lines and sends are out of order: %v", a.counts)
	}
	if n := a.w.core.disk.lines.waiting(); n > 0 || len(a.w.core.disk.Lost) > 0 {
		t.Errorf("%d lines are left, and of %v nothing was said", n, a.w.core.disk.Lost)
	}
}

// finish lets the device run until everything is done, and checks the outcome.
func (a *agentModel) finish() {
	a.w.cut, a.w.net = nil, "up"
	a.w.pass(3 * time.Minute)
	t, w := a.t, a.w
	if len(a.waiting) > 0 {
		t.Errorf("the device has not handled %v", a.waiting)
	}
	for i, x := range a.got {
		if x != i+1 && !a.undone || i > 0 && x <= a.got[i-1] {
			t.Errorf("answers %v", a.got)
			break
		}
	}
	if len(a.got) != agentPosts && !a.undone {
		t.Errorf("%d answers of %d", len(a.got), agentPosts)
	}
	if u := w.core.disk.state.User; len(u) != 4 || int(u[0]) > a.sum || int(u[0]) < a.sum && !a.undone {
		t.Errorf("the user configuration is %v, want %d: each is applied once", u, a.sum)
	}
	if handled := len(a.own) + len(a.got); handled > len(a.kept) || handled < len(a.kept) && !a.undone {
		t.Errorf("%d posts were on disk, %d were handled", len(a.kept), handled)
	}
	last := map[int]int{}
	for _, o := range a.own {
		var run, n int
		if _, err := fmt.Sscanf(o, "%d.%d", &run, &n); err != nil || n != last[run]+1 {
			t.Errorf("own posts %v", a.own)
		}
		last[run] = n
	}
	a.checkKept()
	if w.core.disk.journal.waiting() > 0 || len(w.core.disk.asked) > 0 || w.core.out.next() != nil {
		t.Error("something is left")
	}
	if t.Failed() {
		t.Log(w.out.String())
	}
}

// relay starts a story.
func relay(t *testing.T) *agentModel {
	w := newWorld(t)
	w.cfg.JournalSize = 4 * smallestSegment // a segment is full sooner
	w.install(relayCode)
	return newModel(t, w)
}

var cuts = flag.Int("cuts", 500, "power cuts of TestPowerCuts, at least")

// TestPowerCuts cuts the power during each operation of the disk, which keeps any sectors of
// what was not flushed, and brings removed files back or not: nothing that was posted is lost,
// doubled or out of order, and nothing is seen before it is on disk. During the start after a
// cut the power goes again.
func TestPowerCuts(t *testing.T) {
	plain := relay(t)
	plain.w.on()
	plain.finish()
	ops := plain.w.ops
	if ops < 20 {
		t.Fatalf("%d operations of the disk: the test shows nothing", ops)
	}
	for n, seed := 0, uint64(0); n < *cuts; seed++ {
		for op := 1; op <= ops; op++ {
			n += powerCut(t, op, seed)
			if t.Failed() {
				t.Fatalf("operation %d, seed %d", op, seed)
			}
		}
	}
}

// powerCut cuts the power during an operation, and perhaps again. It returns how often it was cut.
func powerCut(t *testing.T, op int, seed uint64) (n int) {
	random := rand.New(rand.NewPCG(seed, uint64(op)))
	a := relay(t)
	a.w.chance = random.Uint64N
	for a.cutAt(op); ; a.cutAt(1 + random.IntN(12)) {
		a.again()
		a.w.pass(time.Minute)
		if a.w.core != nil {
			break
		}
		if n++; random.IntN(2) == 0 {
			a.w.cut = nil
			a.again()
			break
		}
	}
	a.finish()
	return n
}

// cutAt cuts the power during an operation from now.
func (a *agentModel) cutAt(op int) {
	a.w.ops = 0
	a.w.cut = func(n int) bool { return n == op }
}

// again switches the device on if the power has gone.
func (a *agentModel) again() {
	if a.w.core != nil {
		return
	}
	a.w.build()
	a.survived()
	a.w.do(&PowerOn{})
}

// TestManyFaults mixes power cuts with breaking links and a slow disk. Its seeds
// are fixed; each gives the same story.
func TestManyFaults(t *testing.T) {
	for seed := range uint64(200) {
		first := manyFaults(t, seed)
		if seed%40 == 0 {
			if second := manyFaults(t, seed); !bytes.Equal(first, second) {
				t.Errorf("seed %d gives two stories", seed)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func manyFaults(t *testing.T, seed uint64) []byte {
	chance := rand.New(rand.NewPCG(seed, 1))
	a := relay(t)
	w := a.w
	w.cfg.Chance, w.chance = chance.Uint64N, chance.Uint64N
	if seed%2 == 1 {
		w.server.batches = batches.Size
	}
	w.on()
	for range 12 {
		if chance.IntN(2) == 0 {
			a.cutAt(1 + chance.IntN(12))
		}
		w.slow = chance.IntN(3) == 0
		w.net = []string{"up", "up", "down"}[chance.IntN(3)]
		for range 4 {
			if w.core != nil {
				w.pass(time.Duration(chance.IntN(700)) * time.Millisecond)
			}
			w.finish(chance.IntN(6))
			if chance.IntN(5) == 0 {
				w.server.end(errors.New("connection reset"))
				w.settle()
			}
		}
		w.slow = false
		w.finish(1 << 20)
		if w.core != nil && chance.IntN(8) == 0 {
			w.do(&PowerCycle{})
		}
		a.again()
	}
	a.finish()
	return []byte(w.out.String())
}
