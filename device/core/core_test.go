package core

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// TestPure: a core does no I/O, starts no goroutine and knows no chance but what
// it is given.
func TestPure(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(path, "/")
			if slices.Contains([]string{"sync", "net", "os", "io", "context", "log", "crypto/rand", "math/rand/v2"}, path) ||
				slices.Contains([]string{"sync", "net", "os", "log"}, first) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// TestPostsInOrder: posts that a former version has kept go by their numbers, in whatever order the files
// are listed.
func TestPostsInOrder(t *testing.T) {
	w := newWorld(t)
	w.server.hold = true
	for _, m := range [][2]uint64{{2, 1}, {1, 10}, {1, 9}} {
		k := &keptPost{Name: "p", Data: []byte("A")}
		k.Mark.Boot, k.Mark.Seq = m[0], m[1]
		w.disk.Install(fmt.Sprintf("%s%020d-%020d.json", postsDir, m[0], m[1]), encode(k))
	}
	w.on()
	w.pass(time.Minute)
	var got []string
	for _, m := range w.server.seen {
		if m.post {
			got = append(got, fmt.Sprintf("%d.%d", m.mark.Boot, m.mark.Seq))
		}
	}
	if s := strings.Join(got, " "); s != "1.9 1.10 2.1" {
		t.Errorf("posts go as %s", s)
	}
}

// TestOutOfOrder: the shell is held to the order of the disk.
func TestOutOfOrder(t *testing.T) {
	w := newWorld(t)
	w.slow = true
	w.on()
	defer func() {
		if recover() == nil {
			t.Error("a FileDone that nothing has asked for is taken")
		}
	}()
	w.do(&FileDone{Number: 999})
}

func TestOutbox(t *testing.T) {
	o := outbox{journal: &journal{}, log: &journal{}}
	items := make([]*item, 4)
	for i := range items {
		items[i] = &item{gen: 1, id: uint64(i + 1), keep: i != 1, line: i == 3}
		o.add(items[i])
	}
	o.give(7)
	o.give(0)
	o.give(8)
	if o.flown != 2 || o.next() != items[3] || o.lines != 1 {
		t.Errorf("%d wait for their acknowledgement, %d lines; next %+v", o.flown, o.lines, o.next())
	}
	if it := o.acknowledged(9); it != nil {
		t.Errorf("an unknown packet acknowledges %+v", it)
	}
	o.forget(1, 3) // sent: not again
	o.forget(2, 1) // of another run
	post := &item{gen: 1, id: 9, keep: true, post: &keptPost{}}
	o.addPost(post)
	o.forget(1, 9) // a send of that number
	if o.posts.len() != 1 || !post.keep || post.gen != 1 || !items[0].keep {
		t.Error("what was not meant is withdrawn")
	}
	o.remove(post)
	if it := o.acknowledged(7); it != items[0] || len(o.given) != 2 || o.flown != 1 {
		t.Errorf("acknowledged %+v, %d given, %d wait", it, len(o.given), o.flown)
	}
	o.unsend()
	if o.queue.len() != 1 || len(o.given) != 0 || o.lines != 1 || o.flown != 0 {
		t.Errorf("left: %+v", o)
	}
	o.forget(1, 4)
	if o.next() != nil || o.lines != 0 {
		t.Errorf("left: %+v", o)
	}
}

// TestOldestLineGoes: it is the oldest line that was not given to the connection, and one in
// its place, with its number, says how many are lost.
func TestOldestLineGoes(t *testing.T) {
	o := outbox{journal: &journal{}, log: &journal{}}
	n := 0
	line := func() *item {
		n++
		return &item{line: true, keep: true, publish: mqtt.Publish{Topic: "log", Payload: []byte(itoa(n))}}
	}
	given, message, oldest := line(), &item{keep: true}, line()
	o.add(given)
	o.give(1)
	o.add(message)
	o.add(oldest)
	for range maxKept - 1 {
		if lost := o.add(line()); lost != nil {
			t.Fatal("a line goes though there is room")
		}
	}
	lost := o.add(line())
	if len(lost) != 2 || lost[0] != oldest || o.lines != maxKept || o.next() != message {
		t.Errorf("lost %v, want %p first; %d lines", lost, oldest, o.lines)
	}
	for range 5 {
		o.add(line())
	}
	const want = "7 lines of the log were lost here: more than 1000 waited for a link"
	if stands := o.queue.list()[1]; string(stands.publish.Payload) != want || stands.publish.Topic != "log/error" {
		t.Errorf("in the place of the lost is %q", stands.publish.Payload)
	}
	if next := string(o.queue.list()[2].publish.Payload); next != "9" || o.lines != maxKept {
		t.Errorf("the next line is %s, of %d", next, o.lines)
	}
	// The server may have the line that stands for the lost: others get another.
	o.give(2)
	o.give(3)
	o.unsend()
	if lost := o.add(line()); len(lost) != 3 || string(lost[0].publish.Payload) != "9" {
		t.Errorf("lost %v", lost)
	}
}

// seenPayloads returns what has come on a topic.
func (w *world) seenPayloads(topic string) (list []string) {
	for _, m := range w.server.seen {
		if m.topic == topic {
			list = append(list, m.payload)
		}
	}
	return list
}

// wantNumbers wants the numbers from first to last on a topic.
func (w *world) wantNumbers(topic string, first, last int) {
	w.t.Helper()
	got := w.seenPayloads(topic)
	for i := first; i <= last; i++ {
		if i-first >= len(got) || got[i-first] != itoa(i) {
			w.t.Fatalf("%s: got %v, want %d to %d", topic, got, first, last)
		}
	}
	if len(got) != last-first+1 {
		w.t.Fatalf("%s: %d came, want %d", topic, len(got), last-first+1)
	}
}

// TestWindow: so many messages wait for their acknowledgement, and the server may
// want fewer.
func TestWindow(t *testing.T) {
	for _, most := range []int{0, 5} {
		w := newWorld(t)
		w.server.config.ReceiveMaximum = uint16(most)
		w.server.hold = true
		w.install(`server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
			function next() { if (n < 60) { agent.send("n", n++); imp.wakeup(0.01, next); } } n <- 0; next();`)
		w.on()
		w.pass(time.Minute)
		most = map[int]int{0: 48, 5: 4}[most] // a quarter is spared for lines of the log
		w.wantNumbers("agent/n", 0, most-1)
		w.server.ack(3)
		w.settle()
		w.wantNumbers("agent/n", 0, most+2)
		w.server.hold = false
		w.server.ack(100)
		w.settle()
		w.wantNumbers("agent/n", 0, 59)
	}
}

// TestKeptLines: lines that are kept while there is no link are bounded, the
// oldest go, which the log says, and the code need not know.
func TestKeptLines(t *testing.T) {
	w := newWorld(t)
	w.net = "down"
	w.install(`
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
		imp.wakeup(1, function() { for (local i = 0; i < 1100; i++) print(i); });
		agent.on("flush", @(_) agent.send("flushed", server.flush(10)));`)
	w.on()
	w.pass(time.Minute)
	w.net = "up"
	w.pass(time.Minute)
	w.wantNumbers("log", 101, 1099)
	if said := w.seenPayloads("log/error"); len(said) != 1 || !strings.HasPrefix(said[0], "101 lines") {
		t.Errorf("said %q", said)
	}
	w.server.say("device/flush", []byte("1"))
	w.settle()
	if got := w.seenPayloads("agent/flushed"); !slices.Equal(got, []string{"true"}) {
		t.Errorf("flushed %v", got)
	}
}

// TestPostsLimit: posts beyond the limit of the log are refused, none of those that were taken is
// lost, and what was handled makes room, over restarts and power cuts too.
func TestPostsLimit(t *testing.T) {
	w := newWorld(t)
	w.cfg.JournalSize = 4 * smallestSegment
	w.install(`
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
		taken <- 0;
		agent.on("from", @(n) taken = n);
		function fill(times) {
			while (tandem.post("n", taken) == 0) taken++;
			if (times > 1) imp.wakeup(0.1, @() fill(times - 1)); else agent.send("taken", taken);
		}
		agent.on("fill", @(_) fill(30));`)
	w.on()
	w.pass(time.Minute)
	total := 0
	for round := range 4 {
		w.server.hold = true
		w.server.say("device/from", []byte(itoa(total)))
		w.server.say("device/fill", []byte("1"))
		w.settle()
		w.pass(time.Minute)
		if n := len(w.seenPayloads("agent/n")); n != 48 {
			t.Fatalf("round %d: %d of a full log are sent at first, want 48", round, n)
		}
		if round%2 == 1 {
			w.cutPower(nil)
			w.server.seen = nil
			w.on()
			w.pass(time.Second)
		}
		w.server.hold = false
		w.server.ack(1000)
		w.pass(time.Minute)
		next := total
		for _, text := range w.seenPayloads("agent/n") {
			if text == itoa(next) {
				next++
			} else if n, err := strconv.Atoi(text); err != nil || n > next {
				t.Fatalf("round %d: %s comes after %d", round, text, next-1)
			}
		}
		if taken := w.seenPayloads("agent/taken"); round%2 == 0 && (len(taken) != 1 || taken[0] != itoa(next)) {
			t.Fatalf("round %d: %v were taken, %d came", round, taken, next)
		}
		if next-total < 1000 {
			t.Fatalf("round %d: only %d were taken", round, next-total)
		}
		if n := w.core.disk.journal.waiting(); n != 0 {
			t.Fatalf("round %d: %d are left", round, n)
		}
		total, w.server.seen = next, nil
	}
	if n := w.core.disk.journal.allocated(); n > w.cfg.JournalSize {
		t.Errorf("the log has %d bytes", n)
	}
}

// TestBusy: so many events wait for busy code; further ones are lost, which is
// said.
func TestBusy(t *testing.T) {
	w := newWorld(t)
	w.install(`agent.on("n", function(n) { imp.sleep(10); });
		hardware.pin2.configure(DIGITAL_IN, @() agent.send("pin", ++n)); n <- 0;`)
	w.on()
	w.server.say("device/n", []byte("1"))
	w.settle()
	for i := range maxQueue + 2 {
		w.board.Drive("pin2", float64(1-i%2))
		w.settle()
	}
	const said = "warn: the code is busy and too much waits for it; an event is lost event=*device.Changed"
	if n := strings.Count(w.out.String(), said); n != 2 {
		t.Errorf("%d events are lost, want 2", n)
	}
	w.pass(20 * time.Second)
	w.wantNumbers("agent/pin", 1, maxQueue)
}

// TestReceivesAsleep: what arrives at a UART while the code sleeps is there when it wakes.
func TestReceivesAsleep(t *testing.T) {
	w := newWorld(t)
	w.install(`hardware.uart57.configure(9600, 8, PARITY_NONE, 1, 0);
		agent.on("ask", function(x) { imp.sleep(1); agent.send("heard", hardware.uart57.readstring().len()); });`)
	w.on()
	w.server.say("device/ask", []byte("1"))
	w.settle()
	w.board.Feed("uart57", []byte("ab"))
	w.settle()
	w.board.Feed("uart57", []byte("c"))
	w.settle()
	w.pass(2 * time.Second)
	if got := w.seenPayloads("agent/heard"); !slices.Equal(got, []string{"3"}) {
		t.Errorf("heard %v bytes, want 3", got)
	}
}

// TestPieces: it makes no difference in which pieces bytes arrive, and a large
// packet leaves no large buffer.
func TestPieces(t *testing.T) {
	for _, piece := range []int{0, 1, 7, 4096} {
		w := newWorld(t)
		w.server.piece = piece
		w.install(`agent.on("x", @(x) agent.send("y", x.len()));`)
		w.on()
		w.server.batch = true
		for _, n := range []int{0, 700, 100_000, 10, 3000} {
			w.server.say("device/x", []byte(strconv.Quote(strings.Repeat("x", n))))
		}
		w.server.batch = false
		w.server.speak()
		w.settle()
		if got := w.seenPayloads("agent/y"); !slices.Equal(got, []string{"0", "700", "100000", "10", "3000"}) {
			t.Errorf("in pieces of %d: %v", piece, got)
		}
		if in := w.core.net.conn.in; len(in) > 0 || cap(in) > maxIdle {
			t.Errorf("an idle connection keeps %d of %d bytes", len(in), cap(in))
		}
	}
}

// TestManyLines: more lines than the session takes at a time all arrive, in
// order.
func TestManyLines(t *testing.T) {
	w := newWorld(t)
	w.install(`agent.on("go", function(_) { for (local i = 0; i < 600; i++) server.log(i); });
		server.disconnect();
		imp.setsendbuffersize(30000);
		server.connect();`)
	w.on()
	w.pass(time.Minute)
	w.server.say("device/go", []byte("1"))
	w.settle()
	w.wantNumbers("log", 0, 599)
}

// TestFormats: data arrives in the format that the server says it has.
func TestFormats(t *testing.T) {
	w := newWorld(t)
	w.install(`agent.on("x", @(x) agent.send("y", x));`)
	w.on()
	for _, p := range []mqtt.Publish{
		{Payload: []byte("[1]")},
		{Payload: []byte("[2]"), Props: &mqtt.Properties{ContentType: tandem.ContentJSON}},
		{Payload: []byte{0x81, 0x03}, Props: &mqtt.Properties{ContentType: tandem.ContentCBOR}},
		{Payload: []byte("D"), Props: &mqtt.Properties{ContentType: tandem.ContentCompact}},
	} {
		p.Topic, p.QoS = "device/x", 1
		if _, err := w.server.session.Publish(&p); err != nil {
			t.Fatal(err)
		}
		w.server.speak()
		w.settle()
	}
	if got := w.seenPayloads("agent/y"); !slices.Equal(got, []string{"[1]", "[2]", "[3]", "4"}) {
		t.Errorf("got %v", got)
	}
}

// TestLineBehindWindow: a line does not wait for the agent, which has a full window of
// messages to handle.
func TestLineBehindWindow(t *testing.T) {
	w := newWorld(t)
	w.server.hold = true
	w.install(`for (local i = 0; i < 48; i++) agent.send("n", i);
		server.log("line");`)
	w.on()
	w.pass(time.Second)
	w.wantNumbers("agent/n", 0, 47)
	if got := w.seenPayloads("log"); !slices.Equal(got, []string{"line"}) {
		t.Errorf("lines %v", got)
	}
}

// TestEvents: events of what is over change nothing.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.install(`agent.send("n", 1);`)
	w.on()
	for _, ev := range []Event{
		&Dialed{Number: 99}, &Dialed{}, &Received{Number: 99, Data: []byte{1}}, &Written{Number: 99}, &Closed{Number: 99},
		&CodeRead{Number: 99}, &Changed{device.Changed{Pin: "pin1"}}, &Tick{}, &Offline{Off: false},
	} {
		before := w.out.Len()
		w.do(ev)
		if got := w.out.String()[before:]; got != "" {
			t.Errorf("%T: %s", ev, got)
		}
	}
	w.do(&Leave{})
	if !w.over {
		t.Fatal("the device has not left")
	}
	if e := w.core.Step(w.now, &PowerCycle{}); e != nil {
		t.Errorf("after Left: %v", e)
	}
	if _, ok := w.core.Deadline(); ok {
		t.Error("a deadline after Left")
	}
}
