package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/brokertest"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
)

// TestAbandonForgetsCode: a node that was out of touch may have missed a deployment.
func TestAbandonForgetsCode(t *testing.T) {
	const code = `http.onrequest(@(q, r) r.send(200, "%s"));`
	w := newWorld(t, fmt.Sprintf(code, "one"), 1, alone)
	if got := w.get("/"); got != "one" {
		t.Fatalf("the agent answers %q", got)
	}
	_, err := w.store.Deploy(t.Context(), record.Deployment{Group: w.group.ID, AgentCode: fmt.Sprintf(code, "two")})
	w.must(err)
	w.host.Abandon()
	w.host.OpenShards([]int{0})
	if got := w.get("/"); got != "two" {
		t.Errorf("the agent answers %q", got)
	}
}

// TestIntroduceWhenHere: a link that may be of an earlier owner is made when its pair is here,
// not before: the pair may arrive while the store is asked for it.
func TestIntroduceWhenHere(t *testing.T) {
	w := newWorld(t, `device.on("n", @(x) device.send("ok", x));`, 1, alone)
	d := w.devices[0]
	made := 0
	introduce := func() error {
		return w.host.Introduce(t.Context(), d.ID, func() tandem.Link {
			made++
			if w.host.inMemory(d.ID) == nil {
				t.Error("the link is made, and its pair is not here yet")
			}
			return newLink()
		}, life.Introduction{Next: 1}, "")
	}
	w.host.Abandon()
	if err := introduce(); !errors.Is(err, life.ErrElsewhere) || made != 0 {
		t.Errorf("the pair is at another host: %v, %d links are made", err, made)
	}
	w.host.OpenShards([]int{0})
	if err := introduce(); err != nil || made != 1 {
		t.Errorf("the pair is here: %v, %d links are made", err, made)
	}
}

// TestAbandonEndsWaits: agents that have something to do wait for a lease, and who
// wants to move them waits for them. When they are lost, none waits any more.
func TestAbandonEndsWaits(t *testing.T) {
	w := newWorld(t, `
		function tick() { imp.wakeup(0.001, tick); }
		tick();
		http.onrequest(@(q, r) r.send(200, "here"));`, 5, alone)
	for _, d := range w.devices {
		if _, err := w.host.Request(t.Context(), tandem.Origin{}, d.Agent, &tandem.Request{Method: "GET", Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	w.host.Lease(time.Now())
	asked, moved := make(chan error, 1), make(chan int, 1)
	go func() {
		_, err := w.host.Request(t.Context(), tandem.Origin{}, w.devices[0].Agent, &tandem.Request{Method: "GET", Path: "/"})
		asked <- err
	}()
	for { // until there is one that the lease stops
		if _, _, before := w.host.Counts(); before == events(w, 20*time.Millisecond) {
			break
		}
	}
	go func() {
		pairs, _ := w.host.Export(t.Context(), []int{0}) // its error is about those that did not come to rest
		moved <- len(pairs)
	}()
	for w.host.Has(w.devices[0].Agent) {
		<-time.After(time.Millisecond)
	}
	w.host.Abandon()
	if err := <-asked; !errors.Is(err, life.ErrElsewhere) && !errors.Is(err, life.ErrLost) {
		t.Errorf("a request that waited: %v", err)
	}
	if n := <-moved; n != 0 {
		t.Errorf("%d agents were moved that are others' by now", n)
	}
	if live, frozen, _ := w.host.Counts(); live != 0 || frozen != 0 {
		t.Errorf("%d agents live and %d hibernate here, and none is this host's", live, frozen)
	}
}

// TestStopDropsAgain: a move that has failed gives agents back to a host that stops
// without a lease. It drops them, too.
func TestStopDropsAgain(t *testing.T) {
	said := make(lineChan, 100)
	w := newWorld(t, `http.onrequest(@(q, r) r.send(200, "here"));`, 3, func(h *Host) {
		alone(h)
		h.Logger = slog.New(slog.NewTextHandler(said, nil))
	})
	for _, d := range w.devices {
		if _, err := w.host.Request(t.Context(), tandem.Origin{}, d.Agent, &tandem.Request{Method: "GET", Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	moved, err := w.host.Export(t.Context(), []int{0})
	w.must(err)
	w.host.Lease(time.Now().Add(-stopPatience))
	w.host.Stopping()
	for !strings.Contains(<-said, "stops without a lease") {
	}
	w.host.Import(t.Context(), moved, "").Activate([]int{0})
	w.stop()
}

// lineChan is a log.
type lineChan chan string

func (c lineChan) Write(line []byte) (int, error) {
	c <- string(line)
	return len(line), nil
}

// itself is the rest of a cluster that has one host only.
type itself struct {
	noOthers
	host *Host
}

func (i *itself) Fetched(f tandem.FetchRef, r *tandem.Response, part []byte, taken func()) {
	if i.host.Has(f.Agent) {
		i.host.FetchResult(f, r, part)
		taken()
		return
	}
	time.AfterFunc(time.Millisecond, func() { i.Fetched(f, r, part, taken) })
}

// TestBodiesGoOn: an agent moves while a piece of a body waits for it. What reads
// the body goes on.
func TestBodiesGoOn(t *testing.T) {
	const pieces = 20
	hang, more := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			hang <- true
			<-hang
			return
		}
		for i := range pieces {
			if i == 1 {
				<-more
			}
			fmt.Fprintf(rw, "piece %d;", i)
			rw.(http.Flusher).Flush()
		}
	}))
	defer s.Close()
	w := newWorld(t, `const URL = "`+s.URL+`";
		got <- "";
		http.onrequest(function(q, r) {
			if (q.path == "/hang") http.get(URL + "/hang").sendsync();
			else http.get(URL + "/").sendasync(@(r) server.log("done " + split(got, ";").len()), function(piece) { got += piece; server.log("some"); }, NO_TIMEOUT);
			r.send(200, "");
		});`, 1, func(h *Host) {
		outward(t)(h)
		alone(h)
		h.others = &itself{host: h}
	})
	w.get("/")
	w.lines.expect("some")
	waited := make(chan error, 1)
	go func() {
		_, err := w.request(t.Context(), "/hang")
		waited <- err
	}()
	<-hang // the agent waits, and takes nothing
	close(more)
	for { // until a piece is in the inbox
		p := w.host.inMemory(w.devices[0].ID)
		var n int
		p.inspect(func(l *life.Life) { n = l.Queued() })
		if n > 0 {
			break
		}
		<-time.After(time.Millisecond)
	}
	w.move()
	hang <- true
	w.lines.expect(fmt.Sprint("done ", pieces))
	<-waited // without an answer: the world's others are not there to answer
}

// events returns how many have been handled, after a while.
func events(w *world, while time.Duration) int64 {
	<-time.After(while)
	_, _, n := w.host.Counts()
	return n
}

// TestDeletedWithoutLease: a device that is deleted hears of it, also from a host
// that may not act for its agent at the moment.
func TestDeletedWithoutLease(t *testing.T) {
	w := newWorld(t, `http.onrequest(function(q, r) {});`, 1, alone)
	l := w.connect()
	asked := make(chan error, 1)
	go func() {
		_, err := w.request(t.Context(), "/")
		asked <- err
	}()
	w.waitWaiting(1)
	w.host.Lease(time.Now())
	w.host.Deleted(w.devices[0].ID)
	select {
	case why := <-l.closed:
		if why != "the device has been deleted" {
			t.Errorf("the device hears %q", why)
		}
	case <-time.After(patience):
		t.Fatal("the device's connection is left open")
	}
	if err := <-asked; kind(err) != tandem.NotFound {
		t.Errorf("a request that waited: %v", err)
	}
	if _, here := w.host.agents.Load(w.devices[0].Agent); here || w.host.inMemory(w.devices[0].ID) != nil {
		t.Error("the pair is still known")
	}
}

// TestLostEndsRequests: what an agent wanted to end when its host lost it ends.
func TestLostEndsRequests(t *testing.T) {
	b := brokertest.Start(t)
	begun, ended := make(chan bool, 1), make(chan bool, 1)
	w := newWorld(t, `
		client <- mqtt.createclient();
		client.onconnect(@(code) server.log("connected " + code));
		client.connect("tcp://`+b.Addr+`", "me");
		request <- http.get("http://example.com/");
		request.sendasync(@(x) 0);
		http.onrequest(function(q, r) {
			if (q.path == "/") return r.send(200, "");
			request.cancel();
			client.disconnect();
			for (local i = 0; i < 20000000; i++) {}
		});`, 1, func(h *Host) {
		outward(t)(h)
		h.Fetcher = hanging{h.Fetcher, begun, ended}
		alone(h)
	})
	w.get("/")
	<-begun
	w.lines.expect("connected 0")
	w.host.Lease(time.Now().Add(10 * time.Millisecond)) // which ends while the program runs
	go w.request(t.Context(), "/end")
	<-time.After(100 * time.Millisecond)
	w.host.Abandon()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the request goes on")
	}
	b.Expect("disconnect me")
}

// hanging is a way out on which requests take until they are ended.
type hanging struct {
	Fetcher
	begun, ended chan<- bool
}

func (f hanging) Fetch(ctx context.Context, r *tandem.Fetch, part func([]byte), done func(*tandem.Response)) {
	go func() {
		f.begun <- true
		<-ctx.Done()
		f.ended <- true
		done(&tandem.Response{Status: tandem.FetchTimeout})
	}()
}
