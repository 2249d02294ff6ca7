package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

// world is a host on a real store and a real logbook, with one device group.
type world struct {
	t       testing.TB
	dir     string
	store   *store.Store
	log     *logbook.Logbook
	host    *Host
	group   record.Group
	devices []record.Device
	stop    func() // ends the host politely and closes everything
	abandon func() // ends everything but the host, as a lost node would
	lines   *lines

	linking sync.Mutex
	ref     tandem.LinkRef // the first device's link, and the number of its last message
	seq     uint64
}

// newWorld makes n devices that run the code.
func newWorld(t testing.TB, code string, n int, change func(*Host)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.open(change)
	ctx := t.Context()
	owner, err := w.store.AddAccount(ctx, store.Account{Username: "o", Email: "o@localhost"})
	w.must(err)
	product, err := w.store.AddProduct(ctx, record.Product{Owner: owner.ID, Creator: owner.ID, Name: "p"})
	w.must(err)
	w.group, err = w.store.AddGroup(ctx, record.Group{Product: product.ID, Owner: owner.ID, Creator: owner.ID, Type: tandem.GroupDevelopment, Name: "g"})
	w.must(err)
	w.deploy(code)
	list := make([]record.Device, n)
	for i := range list {
		list[i] = record.Device{Owner: owner.ID, Group: w.group.ID, KeyHash: record.Hash("key")}
	}
	w.devices, err = w.store.AddDevices(ctx, list)
	w.must(err)
	w.follow()
	return w
}

// open starts a host on the world's directory.
func (w *world) open(change func(*Host)) {
	w.t.Helper()
	var err error
	ctx := context.Background()
	w.store, err = store.Open(ctx, filepath.Join(w.dir, "tandem.db"))
	w.must(err)
	w.log, err = logbook.Open(ctx, filepath.Join(w.dir, "nats"), logbook.Options{})
	w.must(err)
	w.ref = tandem.LinkRef{} // it is not known any more
	w.host = &Host{
		Store: w.store, Log: w.log, Fetcher: fetcher(nil),
		URL:   func(id tandem.AgentID) string { return "http://localhost/" + string(id) },
		Grace: 50 * time.Millisecond, HibernateAfter: time.Hour,
	}
	if change != nil {
		change(w.host)
	}
	storeCtx, stopStore := context.WithCancel(ctx)
	logCtx, stopLog := context.WithCancel(ctx)
	hostCtx, stopHost := context.WithCancel(ctx)
	var parts [3]chan error
	for i, run := range []func() error{
		func() error { return w.store.Run(storeCtx) },
		func() error { return w.log.Run(logCtx) },
		func() error { return w.host.Run(hostCtx) },
	} {
		if i == 0 && w.devices != nil {
			w.follow() // from before the first line, which may come as soon as the store runs
		}
		parts[i] = make(chan error, 1)
		go func() { parts[i] <- run() }()
	}
	s, log := w.store, w.log
	var once sync.Once
	end := func(alsoHost bool) {
		once.Do(func() {
			if alsoHost {
				stopHost()
				w.must(<-parts[2])
			}
			stopLog()
			w.must(<-parts[1])
			stopStore()
			w.must(<-parts[0])
			w.must(log.Close())
			w.must(s.Close())
			if !alsoHost {
				stopHost()
				<-parts[2]
			}
		})
	}
	w.stop = func() { w.t.Helper(); end(true) }
	w.abandon = func() { end(false) }
	w.t.Cleanup(func() { end(true) })
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// deploy gives the group code and tells the host.
func (w *world) deploy(code string) {
	w.t.Helper()
	_, err := w.store.Deploy(w.t.Context(), record.Deployment{Group: w.group.ID, AgentCode: code, DeviceCode: "// device"})
	w.must(err)
	w.must(w.host.Deployed(w.t.Context(), w.group.ID, ""))
}

// follow collects the log of the first device.
func (w *world) follow() {
	w.t.Helper()
	w.lines = &lines{t: w.t}
	w.lines.news = sync.NewCond(&w.lines.mu)
	f := w.log.Follow(w.lines.add)
	w.must(f.Add(w.t.Context(), []tandem.DeviceID{w.devices[0].ID}, 0))
	go f.Run(w.t.Context()) // ends with the test
}

// get asks the first agent; the answer must come and be 200.
func (w *world) get(path string) string {
	w.t.Helper()
	r, err := w.request(w.t.Context(), path)
	if err != nil || r.Status != 200 {
		w.t.Fatalf("%s: %+v, %v", path, r, err)
	}
	return string(r.Body)
}

func (w *world) request(ctx context.Context, path string) (*tandem.Response, error) {
	return w.host.Request(ctx, tandem.Origin{}, w.devices[0].Agent, &tandem.Request{Method: "GET", Path: path})
}

// message has the first device send a message, and waits until it is handled.
func (w *world) message(name, data string, mark tandem.Mark) {
	w.t.Helper()
	handled := make(chan struct{})
	w.say("agent/"+name, tandem.Message{Data: []byte(data), Mark: mark}, func() { close(handled) })
	select {
	case <-handled:
	case <-time.After(patience):
		w.t.Fatalf("message %s was never handled", name)
	}
}

// say has the first device publish a message, by a link that it makes when it has
// none.
func (w *world) say(topic string, m tandem.Message, handled func()) {
	w.t.Helper()
	id := w.devices[0].ID
	w.linking.Lock()
	defer w.linking.Unlock()
	if w.ref == (tandem.LinkRef{}) {
		w.introduce(newLink())
	}
	w.seq++
	w.must(w.host.FromDevice(w.t.Context(), id, w.ref, w.seq, topic, m, handled))
}

// introduce makes l the first device's link.
func (w *world) introduce(l tandem.Link) {
	w.t.Helper()
	w.must(w.host.Connect(w.t.Context(), w.devices[0].ID, l, 1, "192.0.2.7"))
	w.ref, w.seq = l.Ref(), 0
}

// disconnect ends a link of the first device.
func (w *world) disconnect(l tandem.Link, clean bool) {
	w.t.Helper()
	w.must(w.host.Disconnect(w.t.Context(), w.devices[0].ID, l.Ref(), tandem.LinkEnd{Clean: clean}))
}

// inspect looks at a pair's life, as its owner.
func (p *pair) inspect(look func(*life.Life)) {
	for {
		p.box.mu.Lock()
		mine := !p.box.owned
		p.box.owned = true
		p.box.mu.Unlock()
		if mine {
			look(p.life)
			p.run(nil)
			return
		}
		<-time.After(100 * time.Microsecond)
	}
}

// lines are log lines as they come.
type lines struct {
	t    testing.TB
	mu   sync.Mutex
	news *sync.Cond
	all  []string
	seen int
}

func (l *lines) add(e tandem.LogEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e.Type+" "+e.Msg)
	l.news.Broadcast()
}

// expect waits for the next line that matches.
func (l *lines) expect(pattern string) {
	l.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(patience)
	defer time.AfterFunc(patience, l.news.Broadcast).Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for ; l.seen < len(l.all); l.seen++ {
			if re.MatchString(l.all[l.seen]) {
				l.seen++
				return
			}
		}
		if time.Now().After(deadline) {
			all := strings.Join(l.all, "\n")
			l.mu.Unlock()
			defer l.mu.Lock()
			l.t.Fatalf("no line matches %q; all lines:\n%s", pattern, all)
		}
		l.news.Wait()
	}
}

// expectAnywhere is expect for a line that may have come before those that were expected.
func (l *lines) expectAnywhere(pattern string) {
	l.t.Helper()
	l.mu.Lock()
	seen := l.seen
	l.seen = 0
	l.mu.Unlock()
	l.expect(pattern)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = max(l.seen, seen)
}

func (l *lines) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// link is a device's connection that writes down what it gets.
type link struct {
	ref    tandem.LinkRef
	sent   chan string
	closed chan string
}

var links atomic.Uint64

func newRef() tandem.LinkRef { return tandem.LinkRef{ID: links.Add(1)} }

func newLink() *link { return &link{newRef(), make(chan string, 100), make(chan string, 1)} }

func (l *link) Ref() tandem.LinkRef { return l.ref }

func (l *link) Send(topic string, m tandem.Message) bool {
	text := string(m.Data)
	if m.Format == tandem.FormatCompact {
		text = fmt.Sprintf("%d bytes", len(m.Data))
	}
	l.sent <- topic + " " + text
	return true
}

func (l *link) Close(why string) { l.closed <- why }

func (l *link) expect(t testing.TB, pattern string) { t.Helper(); l.next(t, pattern) }

// next returns the next message that matches.
func (l *link) next(t testing.TB, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		select {
		case got := <-l.sent:
			if re.MatchString(got) {
				return got
			}
		case <-timeout:
			t.Fatalf("the device never got %q", pattern)
		}
	}
}

func (w *world) connect() *link {
	w.t.Helper()
	l := newLink()
	w.linking.Lock()
	defer w.linking.Unlock()
	w.introduce(l)
	return l
}

// fetcher answers outgoing requests.
type fetcher func(ctx context.Context, f *tandem.Fetch) *tandem.Response

func (f fetcher) Fetch(ctx context.Context, r *tandem.Fetch, part func([]byte), done func(*tandem.Response)) {
	go func() {
		if f == nil {
			done(&tandem.Response{Status: tandem.FetchRefused})
			return
		}
		done(f(ctx, r))
	}()
}

func (fetcher) DialBroker(context.Context, string) (net.Conn, error) {
	return nil, errors.New("there is no broker")
}

func kind(err error) tandem.Kind {
	if err == nil || errors.Is(err, context.Canceled) {
		return 255
	}
	return tandem.KindOf(err)
}
