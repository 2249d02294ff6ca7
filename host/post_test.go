package host

import (
	"strconv"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/life"
)

const postCode = `
device.on("make", function(n) {
    for (local i = 0; i < n; i++) tandem.post("p", i, @() server.log("handled"));
    server.log("made " + n);
});
device.on("once", function(n) { tandem.post("p", n); server.log("once"); imp.sleep(3600); });
http.onrequest(@(q, r) r.send(200, tandem.post("p", q.path).tostring()));
`

// postLink is a device's link that takes posts.
type postLink struct {
	w    *world
	ref  tandem.LinkRef
	sent chan tandem.Message
}

func (l *postLink) Send(_ string, m tandem.Message) bool {
	if m.Post != 0 {
		l.sent <- m
	}
	return true
}

func (l *postLink) Close(string) {}

func (l *postLink) Ref() tandem.LinkRef { return l.ref }

func (w *world) postLink() *postLink {
	w.t.Helper()
	l := &postLink{w, newRef(), make(chan tandem.Message, 100)}
	w.linking.Lock()
	defer w.linking.Unlock()
	w.introduce(l)
	return l
}

// next returns the next post.
func (l *postLink) next(want string) tandem.Message {
	l.w.t.Helper()
	select {
	case m := <-l.sent:
		text, err := codec.TranscodeJSON(m.Data)
		l.w.must(err)
		if string(text) != want {
			l.w.t.Fatalf("post %s, want %s", text, want)
		}
		return m
	case <-time.After(patience):
		l.w.t.Fatalf("no post; want %s", want)
		return tandem.Message{}
	}
}

// handle says that the device has handled a post.
func (l *postLink) handle(m tandem.Message) {
	data := strconv.AppendUint(nil, m.Post, 10)
	l.w.say("sys/handled", tandem.Message{Data: data}, func() {})
}

// Posts are sent in order, not too many at a time, until they have been handled.
func TestPosts(t *testing.T) {
	w := newWorld(t, postCode, 1, nil)
	w.message("make", "20", tandem.Mark{})
	l := w.postLink()
	var sent []tandem.Message
	for i := range 16 { // the window
		sent = append(sent, l.next(strconv.Itoa(i)))
	}
	select {
	case m := <-l.sent:
		t.Errorf("more than the window: %s", m.Data)
	case <-time.After(20 * time.Millisecond):
	}
	l.handle(sent[0])
	w.lines.expect("^agent.log handled$")
	l.next("16")

	// What was not handled comes again on a new link, and after the node is lost.
	again := w.postLink()
	if m := again.next("1"); m.Post != sent[1].Post {
		t.Errorf("number %d, and %d before", m.Post, sent[1].Post)
	}
	w.abandon()
	w.open(nil)
	l = w.postLink()
	for i := 1; i < 20; i++ {
		l.handle(l.next(strconv.Itoa(i)))
	}
	if got := w.get("/end"); got != "0" {
		t.Fatalf("tandem.post gives %s", got)
	}
	l.handle(l.next(`"/end"`))
}

// A message that is handled again after the node was lost posts nothing twice.
func TestPostsOnce(t *testing.T) {
	w := newWorld(t, postCode, 1, nil)
	send := func() {
		w.say("agent/once",
			tandem.Message{Data: []byte("7"), Mark: tandem.Mark{Boot: 3, Seq: 4}, Post: 1}, func() { t.Error("it is handled") })
		w.lines.expect("^agent.log once$")
	}
	send()
	w.abandon()
	w.open(nil)
	send()
	l := w.postLink()
	first := l.next("7")
	w.abandon()
	w.open(nil)
	l = w.postLink()
	l.handle(first)
	select {
	case m := <-l.sent:
		if m.Post != first.Post {
			t.Errorf("posted twice: %d and %d", first.Post, m.Post)
		}
	case <-time.After(patience):
		t.Error("it does not come again")
	}
}

// What comes by a link of which the pair has not heard, or behind a message that
// has not come, is neither handled nor counts as handled.
func TestFarLinks(t *testing.T) {
	w := newWorld(t, `n <- 0; device.on("n", function(x) { if (x != n + 1) server.error("gap"); n = x; server.log("n " + n); });`, 1, nil)
	id, ref := w.devices[0].ID, tandem.LinkRef{Node: "n1", ID: 7}
	const brief = 50 * time.Millisecond // for what is not to be
	say := func(ref tandem.LinkRef, seq uint64, n string, wait time.Duration) (handled bool, err error) {
		done := make(chan struct{})
		err = w.host.FromDevice(t.Context(), id, ref, seq, "agent/n", tandem.Message{Data: []byte(n)}, func() { close(done) })
		if err != nil {
			return false, err
		}
		select {
		case <-done:
			return true, nil
		case <-time.After(wait):
			return false, nil
		}
	}
	want := func(what string, handled bool, err error, wantHandled bool, wantErr error) {
		t.Helper()
		if handled != wantHandled || err != wantErr {
			t.Fatalf("%s: handled %v, %v", what, handled, err)
		}
	}
	handled, err := say(ref, 11, "1", brief)
	want("before the introduction", handled, err, false, life.ErrElsewhere)
	connect := func(ref tandem.LinkRef, next uint64) {
		t.Helper()
		w.must(w.host.Connect(t.Context(), id, &postLink{w, ref, nil}, next, "192.0.2.1"))
	}
	connect(ref, 11)
	handled, err = say(ref, 12, "2", brief)
	want("behind one that is missing", handled, err, false, life.ErrElsewhere)
	handled, err = say(ref, 11, "1", patience)
	want("the first", handled, err, true, nil)
	handled, err = say(ref, 12, "2", patience)
	want("the second", handled, err, true, nil)
	handled, err = say(ref, 11, "1", patience)
	want("the first again", handled, err, true, nil)
	handled, err = say(tandem.LinkRef{Node: "n2", ID: 1}, 1, "9", brief)
	want("another link", handled, err, false, nil)
	connect(tandem.LinkRef{Node: "n2", ID: 1}, 5)
	handled, err = say(ref, 13, "9", brief)
	want("the older link", handled, err, false, nil)
	handled, err = say(tandem.LinkRef{Node: "n2", ID: 1}, 5, "3", patience)
	want("the newer link", handled, err, true, nil)
	w.lines.expect("^agent.log n 3$")
	if n := w.lines.count("gap"); n != 0 {
		t.Errorf("%d gaps", n)
	}
}

// TestCrowded: messages for which there is no room are not acknowledged, so that the
// device sends them again. Its log says so once.
func TestCrowded(t *testing.T) {
	w := newWorld(t, `device.on("x", function(x) { if (x == 1) imp.sleep(3600); });`, 1, nil)
	w.say("agent/x", tandem.Message{Data: []byte("1")}, func() {})
	p := w.host.inMemory(w.devices[0].ID)
	for busy := false; !busy; {
		p.inspect(func(l *life.Life) { busy = l.Machine() != nil && l.Machine().Busy() })
	}
	for range life.MaxMessages {
		w.say("agent/x", tandem.Message{Data: []byte("2")}, func() { t.Error("it counts as handled") })
	}
	for range 3 {
		err := w.host.FromDevice(t.Context(), w.devices[0].ID, w.ref, w.seq+1, "log", tandem.Message{Data: []byte("line")},
			func() { t.Error("what is refused counts as handled") })
		if kind(err) != tandem.Limit {
			t.Fatalf("one too many: %v", err)
		}
	}
	w.lines.expect("^agent.error the device has to wait: 1000 of its messages wait for the agent already$")
	if n := w.lines.count("has to wait"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	if n := w.host.Activity().Over[tandem.OverInbox]; n != 1 {
		t.Errorf("it is counted %d times", n)
	}
	w.stopNow() // it has nothing to say about what waits
}
