package core

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// keeperCode posts and logs on request and keeps how often it has run.
const keeperCode = `
	tandem.keeplog(true);
	server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
	local b = imp.getuserconfiguration();
	local runs = b == null ? 0 : b.readn('i');
	local next = blob(4);
	next.writen(runs + 1, 'i');
	try {
		imp.setuserconfiguration(next);
		agent.send("runs", runs);
	} catch (e) agent.send("unkept", e);
	n <- 0;
	function one() { if (n < 60) { if (tandem.post("n", n) == 0) n++; imp.wakeup(0.01, one); } }
	agent.on("fill", function(_) {
		one();
		for (; n < 59; n++) { tandem.post("n", n); if (n < 21) server.log(n); }
	});
	agent.on("more", @(k) agent.send("posted", tandem.post("more", k)));`

const (
	keeperPosts = 60
	keeperLines = 20
)

// keeper returns a device's directory with posts that were never sent, left in good order, and
// the marks of the posts.
func keeper(t *testing.T) (files map[string][]byte, newest tandem.Mark) {
	w := newWorld(t)
	w.cfg.JournalSize = 4 * smallestSegment
	w.install(keeperCode)
	w.on()
	w.pass(time.Second)
	w.server.hold, w.server.holdLines = true, true
	w.server.say("device/fill", []byte("1"))
	w.settle()
	w.pass(time.Minute)
	if n := w.core.disk.journal.waiting(); n != keeperPosts {
		t.Fatalf("%d posts wait", n)
	}
	if n := w.core.disk.lines.waiting(); n != keeperLines {
		t.Fatalf("%d lines wait", n)
	}
	newest = tandem.Mark{Boot: w.core.disk.Boot, Seq: w.core.run.seq}
	w.cutPower(nil)
	w.net = "down"
	w.on() // counts what is kept
	w.pass(time.Minute)
	w.cutPower(nil)
	return snapshotOf(&w.disk), newest
}

func snapshotOf(m *Memory) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range m.Names() {
		files[name] = slices.Clone(m.Data(name))
	}
	return files
}

// outcome is what became of a device with a damaged directory.
type outcome struct {
	w     *world
	got   []int    // posts that came, in order
	lines int      // kept lines that came, in order
	said  []string // lines of log/error
}

// revive switches a device on with files, gives it its code when it asks for it, and lets it
// drain. It fails the test when the device does not work then.
func revive(t *testing.T, files map[string][]byte, newest tandem.Mark, fails func(Effect) error) outcome {
	w := newWorld(t)
	w.cfg.JournalSize = 4 * smallestSegment
	for name, data := range files {
		w.disk.Install(name, slices.Clone(data))
	}
	w.fails = fails
	w.server.subscribed = w.tellTime
	w.on()
	w.pass(10 * time.Second)
	if w.core.run.machine == nil {
		w.server.say("sys/code", encode(codeOf(keeperCode, nil)))
		w.settle()
		w.pass(10 * time.Second)
	}
	if w.core.run.machine == nil {
		t.Fatalf("the code does not run\n%s", w.out.String())
	}
	o := outcome{w: w, said: w.seenPayloads("log/error"), lines: linesIn(t, w)}
	for _, text := range w.seenPayloads("agent/n") {
		n, err := strconv.Atoi(text)
		if err != nil || len(o.got) > 0 && n <= o.got[len(o.got)-1] {
			t.Fatalf("posts come as %v\n%s", w.seenPayloads("agent/n"), w.out.String())
		}
		o.got = append(o.got, n)
	}
	if fails != nil {
		return o
	}
	w.server.say("device/more", []byte("1"))
	w.settle()
	w.pass(time.Second)
	more := w.seenPayloads("agent/more")
	if len(more) != 1 || w.core.disk.journal.waiting() != 0 || len(w.core.posts.old) != 0 {
		t.Fatalf("%d of a new post come, %d wait\n%s", len(more), w.core.disk.journal.waiting(), w.out.String())
	}
	for _, m := range w.server.seen {
		if m.topic == "agent/more" && !m.mark.After(newest) {
			t.Fatalf("a new post has the number %v, not after %v", m.mark, newest)
		}
	}
	return o
}

// linesIn returns how many kept lines have come, which must be in order.
func linesIn(t *testing.T, w *world) int {
	t.Helper()
	last, count := -1, 0
	for _, text := range w.seenPayloads("log") {
		n, err := strconv.Atoi(text)
		if err != nil || n <= last {
			t.Fatalf("lines come as %v\n%s", w.seenPayloads("log"), w.out.String())
		}
		last = n
		count++
	}
	return count
}

// wantLines wants so many kept lines at most to be lost, and told so if any is.
func (o *outcome) wantLines(t *testing.T, most int) {
	t.Helper()
	lost := keeperLines - o.lines
	told := fmt.Sprintf("%d lines of the log cannot be read", lost)
	if lost > most || lost > 0 && !strings.Contains(strings.Join(o.said, "\n"), told) {
		t.Fatalf("%d lines are lost, %d at most, and the log says %q\n%s", lost, most, o.said, o.w.out.String())
	}
}

// wantLoss wants so many posts at most to be lost, and told so if any is.
func (o *outcome) wantLoss(t *testing.T, most int) {
	t.Helper()
	lost := keeperPosts - len(o.got)
	if lost > most {
		t.Fatalf("%d posts are lost, %d at most: got %v\n%s", lost, most, o.got, o.w.out.String())
	}
	told := fmt.Sprintf("%d kept messages cannot be read", lost)
	if lost > 0 && !strings.Contains(strings.Join(o.said, "\n"), told) {
		t.Fatalf("%d posts are lost, and the log says %q\n%s", lost, o.said, o.w.out.String())
	}
}

// TestDamage damages each file of a device's directory in every way: the device starts, says what
// it has lost, keeps the rest, and works. A bit that flips costs one post at most.
func TestDamage(t *testing.T) {
	files, newest := keeper(t)
	random := rand.New(rand.NewPCG(1, 1))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_, isSegment := SegmentNumber(name)
		most, mostLines := 0, 0
		switch {
		case strings.HasSuffix(name, linesSuffix):
			mostLines = keeperLines
		case isSegment:
			most = keeperPosts
		}
		whole := files[name]
		try := func(what string, data []byte, loss int) {
			t.Helper()
			damaged := maps.Clone(files)
			if damaged[name] = data; data == nil {
				delete(damaged, name)
			}
			o := revive(t, damaged, newest, nil)
			o.wantLoss(t, min(most, loss))
			o.wantLines(t, min(mostLines, loss))
			if t.Failed() {
				t.Fatalf("%s: %s", name, what)
			}
		}
		const all = keeperPosts
		try("missing", nil, all)
		try("empty", []byte{}, all)
		try("zeros", make([]byte, len(whole)), all)
		try("ones", bytes.Repeat([]byte{0xff}, len(whole)), all)
		used := max(1, len(bytes.TrimRight(whole, "\x00")))
		for range 40 {
			try("truncated", whole[:random.IntN(len(whole))], all)
			try("truncated where it is used", whole[:random.IntN(used)], all)
		}
		for i := 0; i < used; i += 1 + random.IntN(max(1, used/80)) {
			flipped := slices.Clone(whole)
			flipped[i] ^= 1 << random.IntN(8)
			try(fmt.Sprintf("a bit of byte %d", i), flipped, 1)
		}
		for range 20 {
			wiped := slices.Clone(whole)
			from := random.IntN(used)
			clear(wiped[from:min(len(wiped), from+random.IntN(2000))])
			try("wiped", wiped, all)
		}
	}
}

// TestMissing: the log says which file of the counters and the code's state is gone. Of a new directory
// it says nothing.
func TestMissing(t *testing.T) {
	files, newest := keeper(t)
	for _, name := range []string{countersFile, stateFile, ""} {
		damaged := maps.Clone(files)
		delete(damaged, name)
		o := revive(t, damaged, newest, nil)
		if said := strings.Contains(o.w.out.String(), name+" is missing"); said != (name != "") {
			t.Errorf("without %q: said %v\n%s", name, said, o.w.out.String())
		}
	}
	w := newWorld(t)
	w.on()
	w.pass(time.Minute)
	if strings.Contains(w.out.String(), "is missing") {
		t.Errorf("a new device: %s", w.out.String())
	}
}

// TestUnreadable: a file that cannot be read is set aside, or in part passed over.
func TestUnreadable(t *testing.T) {
	files, newest := keeper(t)
	for name := range files {
		w := newWorld(t)
		w.cfg.JournalSize = 4 * smallestSegment
		for name, data := range files {
			w.disk.Install(name, slices.Clone(data))
		}
		from := w.disk.Contents()
		for i := range from.Files {
			if from.Files[i].Name == name {
				from.Files[i] = File{Name: name, Err: errors.New("input/output error")}
			}
		}
		var err error
		if w.core, err = New(w.cfg, from); err != nil {
			t.Fatal(err)
		}
		w.do(&PowerOn{})
		w.pass(time.Minute)
		if !Kept(name) {
			continue
		}
		if w.disk.Data(name+Aside) == nil || !strings.Contains(w.out.String(), name) {
			t.Errorf("%s is not set aside: %v\n%s", name, w.disk.Names(), w.out.String())
		}
		o := revive(t, snapshotOf(&w.disk), newest, nil)
		if name != codeFile && len(o.w.seenPayloads("agent/runs")) == 0 {
			t.Errorf("after %s was lost the code does not keep anything", name)
		}
	}
}

// TestDiskStates: a device starts and drains on a disk that is full, that cannot be written, and
// that fails at all; what the code wants to keep meanwhile is refused, and works again when the
// disk does.
func TestDiskStates(t *testing.T) {
	files, newest := keeper(t)
	full := errors.New("no space left on device")
	states := map[string]func(Effect) error{
		"full": func(e Effect) error {
			switch e.(type) {
			case *WriteFile, *Reserve:
				return full
			}
			return nil
		},
		"full, and without room in place": func(e Effect) error {
			switch e.(type) {
			case *WriteFile, *Reserve, *WriteAt:
				return full
			}
			return nil
		},
		"read-only": func(e Effect) error {
			if _, ok := e.(*ReadFile); ok {
				return nil
			}
			return errors.New("read-only file system")
		},
	}
	for what, state := range states {
		for _, missing := range append(slices.Sorted(maps.Keys(files)), "", "junk") {
			damaged := maps.Clone(files)
			delete(damaged, missing)
			if missing == "junk" {
				for _, name := range []string{countersFile, stateFile} {
					damaged[name] = bytes.Repeat([]byte{7}, len(files[name]))
				}
			}
			o := revive(t, damaged, newest, state)
			_, isSegment := SegmentNumber(missing)
			if len(o.got) != keeperPosts && !isSegment {
				t.Fatalf("%s, without %q: %d posts come\n%s", what, missing, len(o.got), o.w.out.String())
			}
			kept := len(o.w.seenPayloads("agent/runs")) > 0
			if inPlace := what == "full" && missing != stateFile; kept != inPlace && missing != codeFile {
				t.Errorf("%s, without %q: what the code keeps is kept: %v\n%s", what, missing, kept, o.w.out.String())
			}
			if !kept && len(o.w.seenPayloads("agent/unkept")) == 0 {
				t.Errorf("%s, without %q: the code does not hear of it\n%s", what, missing, o.w.out.String())
			}
			for range 2 {
				o.w.server.say("device/more", []byte("2"))
				o.w.settle()
				o.w.pass(time.Second)
			}
			o.w.fails = nil
			o.w.pass(2 * time.Minute)
			o.w.server.say("device/more", []byte("3"))
			o.w.settle()
			o.w.pass(time.Second)
			if more := o.w.seenPayloads("agent/more"); len(more) == 0 || more[len(more)-1] != "3" {
				t.Errorf("%s, without %q: posts do not work again: %v\n%s", what, missing, more, o.w.out.String())
			}
			if t.Failed() {
				return
			}
		}
	}
}

// TestFailures: any one operation of the disk fails, or several: nothing is lost, doubled or seen
// too early, and the device works on.
func TestFailures(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		a := relay(t)
		a.undone = true
		one := 1 + random.IntN(40)
		more := random.IntN(3) == 0
		a.w.fails = func(Effect) error {
			if one--; one == 0 || more && random.IntN(8) == 0 {
				return errors.New("input/output error")
			}
			return nil
		}
		a.w.on()
		a.w.pass(time.Minute)
		a.w.fails = nil
		a.w.server.end(errors.New("connection reset")) // what was not acknowledged comes again
		a.w.settle()
		a.finish()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// oldDirectory returns the files of a former version, with posts of two boots.
func oldDirectory() map[string][]byte {
	files := map[string][]byte{
		oldCountersFile: []byte(`{"boot":2,"incarnation":5}`),
		oldStateFile:    []byte(`{"user":"BwAAAA==","applied":9,"cause":9,"nth":1}`),
		codeFile:        encode(codeOf(keeperCode, nil)),
	}
	for n := range keeperPosts {
		m := tandem.Mark{Boot: uint64(1 + n/30), Seq: uint64(1 + n)}
		files[fmt.Sprintf("%s%020d-%020d.json", postsDir, m.Boot, m.Seq)] = encode(map[string]any{
			"mark": m, "name": "n", "data": []byte{'@' + byte(n%60)},
		})
	}
	return files
}

// TestOldDirectory: what a former version has left is taken over: nothing is lost or doubled, and
// its files go. The power may go meanwhile, and one bad post does not hold back the others.
func TestOldDirectory(t *testing.T) {
	o := revive(t, oldDirectory(), tandem.Mark{Boot: 2, Seq: 60}, nil)
	o.wantLoss(t, 0)
	if runs := o.w.seenPayloads("agent/runs"); !slices.Equal(runs, []string{"7"}) {
		t.Errorf("the user configuration is %v", runs)
	}
	if s := o.w.core.disk.state; s.Applied != 9 || o.w.core.disk.Boot != 3 {
		t.Errorf("state %+v, counters %+v", s, o.w.core.disk.counters)
	}
	for _, name := range o.w.disk.Names() {
		if name != codeFile && strings.HasSuffix(name, ".json") {
			t.Errorf("%s is left", name)
		}
	}
	for name := range oldDirectory() {
		for _, data := range [][]byte{nil, {}, []byte("{"), []byte("null")} {
			damaged := oldDirectory()
			if damaged[name] = data; data == nil {
				delete(damaged, name)
			}
			newest := tandem.Mark{Boot: 2, Seq: 60}
			most := 0
			if strings.HasPrefix(name, postsDir) {
				most = 1
			}
			o := revive(t, damaged, newest, nil)
			if lost := keeperPosts - len(o.got); lost > most {
				t.Fatalf("%s is %q: %d posts are lost", name, data, lost)
			}
			if data != nil && len(o.said) == 0 && name != oldStateFile {
				t.Errorf("%s is %q: nothing is said", name, data)
			}
		}
	}
	for op := 1; op < 100; op++ {
		w := newWorld(t)
		for name, data := range oldDirectory() {
			w.disk.Install(name, data)
		}
		random := rand.New(rand.NewPCG(uint64(op), 3))
		w.chance = random.Uint64N
		w.cut = func(n int) bool { return n == op }
		w.on()
		w.pass(10 * time.Second)
		for _, text := range w.seenPayloads("agent/n") {
			if n := len(w.server.seen); n > 1 && text == "" {
				t.Fatal("an empty post")
			}
		}
		came := map[string]bool{}
		for _, text := range w.seenPayloads("agent/n") {
			came[text] = true
		}
		if w.core == nil {
			w.cut = nil
			w.on()
			w.pass(10 * time.Second)
			for _, text := range w.seenPayloads("agent/n") {
				came[text] = true
			}
		}
		if len(came) != keeperPosts {
			t.Fatalf("a power cut at operation %d: %d of %d posts come\n%s", op, len(came), keeperPosts, w.out.String())
		}
	}
}

// TestManyPosts: fifty thousand readings of 100 bytes are kept without a link, with little of them
// in memory, and go up in order, each once. The work grows with their number only.
func TestManyPosts(t *testing.T) {
	const count = 50_000
	w := newWorld(t)
	w.net = "down"
	w.install(`
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
		n <- 0;
		count <- ` + itoa(count) + `;
		fill <- "";
		while (fill.len() < 95) fill += "x";
		function some() {
			for (local i = 0; i < 500 && n < count && tandem.post("r", format("%05d", n) + fill) == 0; i++) n++;
			if (n < count) imp.wakeup(0.01, some);
		}
		imp.wakeup(1, some);`)
	w.on()
	w.pass(time.Minute)
	if n := w.core.disk.journal.waiting(); n != count {
		t.Fatalf("%d posts wait", n)
	}
	most := 0
	next := 0
	w.server.handle = func(m *agentView) {
		w.server.seen = w.server.seen[:0]
		if m.topic != "agent/r" {
			return
		}
		if !strings.Contains(m.payload, fmt.Sprintf("%05d", next)) {
			t.Fatalf("post %d comes as %q", next, m.payload)
		}
		next++
		most = max(most, w.core.out.posts.len()+len(w.core.out.given))
	}
	w.net = "up"
	w.pass(time.Hour)
	if next != count || w.core.disk.journal.waiting() != 0 {
		t.Errorf("%d came, %d wait", next, w.core.disk.journal.waiting())
	}
	if most > 1000 {
		t.Errorf("%d posts were in memory", most)
	}
	if n := w.core.disk.journal.allocated(); n > 3*segmentSize {
		t.Errorf("the log has %d bytes when all were handled", n)
	}
}

// TestRot: what is damaged while the device runs costs what is hit, and is said.
func TestRot(t *testing.T) {
	files, _ := keeper(t)
	w := newWorld(t)
	w.cfg.JournalSize = 4 * smallestSegment
	for name, data := range files {
		w.disk.Install(name, data)
	}
	w.net = "down"
	w.on()
	w.pass(time.Minute)
	rotten := 0
	for _, name := range w.disk.Names() {
		if _, ok := SegmentNumber(name); ok {
			data := w.disk.Data(name)
			data[1500] ^= 1 // in the middle of some record
			rotten++
		}
	}
	w.net, w.server.subscribed = "up", w.tellTime
	w.pass(time.Minute)
	got := len(w.seenPayloads("agent/n"))
	said := strings.Join(w.seenPayloads("log/error"), "\n")
	if got != keeperPosts-1 || !strings.Contains(said, "1 kept messages cannot be read") || rotten == 0 {
		t.Errorf("%d of %d come, and the log says %q", got, keeperPosts, said)
	}
	if n := w.core.disk.journal.waiting(); n != 0 {
		t.Errorf("%d wait", n)
	}
}

// TestKeptFor: posts that are too old are not sent, which is said. A post that was made before the
// device knew the time has no age.
func TestKeptFor(t *testing.T) {
	w := newWorld(t)
	w.cfg.KeptFor = time.Hour
	w.install(`server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
		function some(n) { tandem.post("n", n); if (n < 9) imp.wakeup(900, @() some(n + 1)); }
		imp.wakeup(1, @() some(0));`)
	w.on()
	w.server.say("sys/time", encode(map[string]any{"time": w.now.Wall}))
	w.settle()
	w.server.hold = true
	w.pass(10 * time.Second)
	w.net = "down"
	w.server.end(errors.New("connection reset"))
	w.settle()
	w.pass(3 * time.Hour) // 0 to 9 are made
	w.cutPower(nil)
	w.server.seen = nil
	w.server.hold, w.net = false, "up"
	w.on()
	w.server.say("sys/time", encode(map[string]any{"time": w.now.Wall}))
	w.settle()
	w.pass(time.Second)
	said := strings.Join(w.seenPayloads("log/error"), "\n")
	const told = "9 kept messages are not sent"
	if got := w.seenPayloads("agent/n"); got[0] != "9" || !strings.Contains(said, told) {
		t.Errorf("%v come, and the log says %q", got, said)
	}
}
