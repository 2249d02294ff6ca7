package central

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/egress"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/ingress"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/store"
)

// world is a control plane with everything real below it.
type world struct {
	*Service
	t        *testing.T
	host     *host.Host
	file     string // of the database
	url      string
	key      string // a login key
	token    string
	password string // of the operator, once it has one
	otp      string // sent if not empty
	fetcher  hookFetcher
	names    map[string]string // what {name} stands for in paths and bodies
}

// hookFetcher makes the requests of webhooks, by a Fetcher that a test may replace.
type hookFetcher struct{ atomic.Pointer[egress.Fetcher] }

func (h *hookFetcher) Fetch(ctx context.Context, f *tandem.Fetch, part func([]byte), done func(*tandem.Response)) {
	h.Load().Fetch(ctx, f, part, done)
}

// newWorld makes a control plane; the test's end ends it, and checks that it
// ends well.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), filepath.Join(dir, "tandem.db"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := logbook.Open(t.Context(), filepath.Join(dir, "nats"), logbook.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, names: map[string]string{}}
	h := &host.Host{
		Store: db, Log: log, Fetcher: &egress.Fetcher{},
		URL: func(id tandem.AgentID) string { return w.Agents.URL(id) },
	}
	w.host, w.file = h, filepath.Join(dir, "tandem.db")
	w.Service = &Service{Store: db, Host: h, Log: log, Rate: 1 << 30, Fetcher: &w.fetcher}
	w.fetcher.Store(&egress.Fetcher{})
	listener := httptest.NewServer(w.Handler())
	w.url, w.URL = listener.URL, listener.URL
	w.Agents = ingress.Site{Scheme: "http", Host: "agents.test"}
	var parts errgroup.Group
	var stops []func()
	run := func(f func(context.Context) error) {
		ctx, stop := context.WithCancel(context.Background())
		stops = append(stops, stop)
		parts.Go(func() error { return f(ctx) })
	}
	hostDone := make(chan struct{})
	run(func(ctx context.Context) error { defer close(hostDone); return h.Run(ctx) })
	run(log.Run)
	run(db.Run)
	run(func(ctx context.Context) error {
		return w.RunHooks(ctx, slog.New(slog.NewTextHandler(t.Output(), nil)))
	})
	t.Cleanup(func() {
		w.Stop()
		listener.Close()
		stops[0]()
		<-hostDone
		for _, stop := range stops[1:] {
			stop()
		}
		if err := parts.Wait(); err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.login(filepath.Join(dir, "access.json"))
	return w
}

func (w *world) login(file string) {
	w.t.Helper()
	if err := w.WriteAccess(w.t.Context(), file, "127.0.0.1:1"); err != nil {
		w.t.Fatal(err)
	}
	a, err := ReadAccess(file)
	if err != nil {
		w.t.Fatal(err)
	}
	w.key = a.Key
	w.names["key"] = a.Key
	w.token = w.tokenFor(a.Key)
}

// tokenFor exchanges a login key.
func (w *world) tokenFor(key string) string {
	w.t.Helper()
	var out struct {
		Token string `json:"access_token"`
	}
	_, body := w.do("POST", "/auth/token", "", `{"key": "`+key+`"}`)
	if err := json.Unmarshal([]byte(body), &out); err != nil || out.Token == "" {
		w.t.Fatalf("login: %v: %s", err, body)
	}
	return out.Token
}

// fill puts what was saved into the places of a text.
func (w *world) fill(text string) string {
	for name, value := range w.names {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// do makes a call, with the path as it is.
func (w *world) do(method, path, token, body string) (int, string) {
	w.t.Helper()
	r := w.open(w.t.Context(), method, path, token, body)
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.conforms(method, path, body, r.StatusCode, r.Header, string(data))
	return r.StatusCode, string(data)
}

func (w *world) open(ctx context.Context, method, path, token, body string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, w.url+"/v5"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.otp != "" {
		req.Header.Set(otpHeader, w.otp)
	}
	if w.password != "" {
		req.Header.Set(passwordHeader, w.password)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// must makes a call as the operator that must succeed, and returns the data of
// its answer.
func (w *world) must(method, path, body string) (data struct {
	ID         string
	Attributes struct {
		Key   string
		Agent string `json:"agent_id"`
	}
}) {
	w.t.Helper()
	status, answer := w.do(method, w.fill(path), w.token, w.fill(body))
	if status >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if answer != "" {
		out := struct{ Data any }{&data}
		if err := json.Unmarshal([]byte(answer), &out); err != nil {
			w.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return data
}

// pair makes a device group with a deployment and a device in it, as {product},
// {group}, {device} and {agent}.
func (w *world) pair(agent, device string) tandem.DeviceID {
	w.t.Helper()
	w.names["product"] = w.must("POST", "/products", `{"data":{"type":"product","attributes":{"name":"lamp"}}}`).ID
	w.names["group"] = w.must("POST", "/devicegroups",
		`{"data":{"type":"development_devicegroup","attributes":{"name":"dev"},"relationships":{"product":{"type":"product","id":"{product}"}}}}`).ID
	code, err := json.Marshal(map[string]string{"agent_code": agent, "device_code": device})
	if err != nil {
		w.t.Fatal(err)
	}
	w.must("POST", "/deployments", `{"data":{"type":"deployment","attributes":`+string(code)+
		`,"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`)
	d := w.must("POST", "/devices", `{"data":{"type":"device","attributes":{"name":"desk"},`+
		`"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`)
	w.names["device"], w.names["agent"] = d.ID, d.Attributes.Agent
	return tandem.DeviceID(d.ID)
}

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

// lines calls do and waits until the device's log has, after that, count lines
// with a text; it fails when it has more by then.
func (w *world) lines(id tandem.DeviceID, text string, count int, do func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	seen := 0
	last := make(chan struct{})
	f := w.Log.Follow(func(e tandem.LogEntry) {
		if strings.Contains(e.Msg, text) {
			if seen++; seen == count {
				close(last)
			}
		}
	})
	if err := f.Add(ctx, []tandem.DeviceID{id}, 0); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	do()
	select {
	case <-last:
	case <-ctx.Done():
	}
	cancel()
	if err := <-ended; err != nil {
		w.t.Fatal(err)
	}
	if seen != count {
		w.t.Fatalf("%d lines with %q, want %d", seen, text, count)
	}
}

// eventStream reads server-sent events as they come.
type eventStream struct {
	t     *testing.T
	lines *bufio.Scanner
	body  io.Closer
	last  int // id of the newest event
}

func (w *world) stream(id string) *eventStream {
	w.t.Helper()
	return w.streamAfter(id, "json", 0)
}

// streamAfter reads a stream in a format, after the event with a number.
func (w *world) streamAfter(id, format string, after int) *eventStream {
	w.t.Helper()
	address := w.url + "/v5/logstream/" + id + "?format=" + format
	req, err := http.NewRequestWithContext(w.t.Context(), "GET", address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if after > 0 {
		req.Header.Set("Last-Event-ID", strconv.Itoa(after))
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("reading a stream: %s, %s", r.Status, r.Header)
	}
	w.t.Cleanup(func() { r.Body.Close() })
	return &eventStream{t: w.t, lines: bufio.NewScanner(r.Body), body: r.Body}
}

// next returns the next event's data, "" at the end. Status lines, which come
// in the agent's own time, are passed over.
func (s *eventStream) next() string {
	s.t.Helper()
	for s.lines.Scan() {
		if text, ok := strings.CutPrefix(s.lines.Text(), "id: "); ok {
			n, err := strconv.Atoi(text)
			if err != nil || n <= s.last && s.last > 0 {
				s.t.Errorf("event %s after %d", text, s.last)
			}
			s.last = n
		}
		data, ok := strings.CutPrefix(s.lines.Text(), "data: ")
		if ok && !strings.Contains(data, `"type":"status"`) && !strings.Contains(data, " status ") {
			return data
		}
	}
	return ""
}

func (s *eventStream) expect(fragment string) {
	s.t.Helper()
	if got := s.next(); !strings.Contains(got, fragment) || got == "" {
		s.t.Fatalf("the stream says %q, want something with %q", got, fragment)
	}
}

// link is a device's connection as the host sees it.
type link struct {
	mu     sync.Mutex
	topics []string
	why    string        // it was closed
	closed chan struct{} // then
	sent   sync.Cond     // topics has grown; of mu
}

func (l *link) Send(topic string, m tandem.Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics = append(l.topics, topic)
	l.sent.Broadcast()
	return true
}

func (l *link) Ref() tandem.LinkRef { return tandem.LinkRef{ID: 1} }

func (l *link) Close(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = why
	close(l.closed)
}

// newLink returns a link that is open.
func newLink() *link {
	l := &link{closed: make(chan struct{})}
	l.sent.L = &l.mu
	return l
}

// count returns how many messages there have been with a topic, as soon as there are
// so many, or when the test's patience is over.
func (l *link) count(topic string, want int) (n int) {
	late := false
	defer time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.sent.Broadcast()
	}).Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		n = 0
		for _, t := range l.topics {
			if t == topic {
				n++
			}
		}
		if n >= want || late {
			return n
		}
		l.sent.Wait()
	}
}
