package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
)

// code is the agents' program: it saves how often it was asked to, posts the
// numbers it is given, and says what it has saved as far as it knows.
const code = `
saved <- server.load();
if (!("times" in saved)) saved = { times = 0 };
done <- saved.times;
http.onrequest(function(request, response) {
    switch (request.path) {
    case "/save":
        saved.times++;
        local now = saved.times;
        if (server.save(saved) != 0) { response.send(503, "not saved"); return; }
        if (now > done) done = now;
        break;
    case "/post":
        if (tandem.post(request.body, null) != 0) { response.send(503, "not posted"); return; }
        break;
    }
    response.send(200, done.tostring());
});`

const (
	agents = 32
	savers = 2 // callers of an agent that have it save; one more has it post
)

// between is how long one waits from a post to the next, and after an error. An
// agent may have tandem.PostsKept posts in all.
const between = 40 * time.Millisecond

// subject is an agent, and what it has acknowledged.
type subject struct {
	id string

	mu       sync.Mutex
	saved    int   // saves before this round
	acked    int   // of this round's
	unsure   int   // of this round's, those with no answer or a bad one
	highest  int   // number of saves in an answer
	numbered int   // posts asked for, ever
	posted   []int // the numbers of those acknowledged, ever
}

// load has agents save and post.
type load struct {
	node     *machine
	client   *http.Client
	subjects []*subject
	cut      atomic.Bool // what is heard from now on was not said in time
}

func newLoad(n *machine, ids []string) *load {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	l := &load{node: n, client: &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DialContext: dialer.DialContext},
	}}
	for _, id := range ids {
		l.subjects = append(l.subjects, &subject{id: id})
	}
	return l
}

// ask makes a request of an agent and returns the number it answers.
func (l *load) ask(ctx context.Context, s *subject, path, body string) (int, error) {
	method := http.MethodGet
	if path != "/" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+l.node.Web+"/"+s.id+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("agent %s answers %s: %.100s", s.id, resp.Status, bytes.TrimSpace(answer))
	}
	return strconv.Atoi(string(answer))
}

// save asks for one save.
func (l *load) save(ctx context.Context, s *subject) error {
	n, err := l.ask(ctx, s, "/save", "")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || l.cut.Load() {
		s.unsure++
		return err
	}
	s.acked++
	s.highest = max(s.highest, n)
	return nil
}

// post asks for one post, as long as more may wait for the device.
func (l *load) post(ctx context.Context, s *subject) error {
	s.mu.Lock()
	full := s.numbered == tandem.PostsKept
	if !full {
		s.numbered++
	}
	number := s.numbered
	s.mu.Unlock()
	if full {
		return nil
	}
	_, err := l.ask(ctx, s, "/post", strconv.Itoa(number))
	if err != nil || l.cut.Load() {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted = append(s.posted, number)
	return nil
}

// run makes requests until ctx ends or the power is cut. It goes on after an error,
// and returns the first that it has met before.
func (l *load) run(ctx context.Context, posts bool) error {
	var work sync.WaitGroup
	var first atomic.Pointer[error]
	call := func(s *subject, do func(context.Context, *subject) error, pause time.Duration) {
		for ctx.Err() == nil && !l.cut.Load() {
			if err := do(ctx, s); err != nil && ctx.Err() == nil && !l.cut.Load() {
				first.CompareAndSwap(nil, &err)
				pause = between
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	for _, s := range l.subjects {
		for range savers {
			work.Go(func() { call(s, l.save, 0) })
		}
		if posts {
			work.Go(func() { call(s, l.post, between) })
		}
	}
	work.Wait()
	l.client.CloseIdleConnections()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

// tally is what a check has found.
type tally struct {
	Saves, Posts int // acknowledged ones that were looked for
	Lost         int // of those
}

// check asks each agent what it has saved, and compares that with what it had
// acknowledged. An error says that something else is wrong.
func (l *load) check(ctx context.Context) (t tally, err error) {
	l.cut.Store(false)
	for _, s := range l.subjects {
		now, err := l.answer(ctx, s)
		if err != nil {
			return t, err
		}
		t.Saves += s.acked
		t.Lost += s.settle(now)
		if most := s.saved + s.acked + s.unsure; now > most {
			return t, fmt.Errorf("agent %s has saved %d times, and was asked to at most %d times", s.id, now, most)
		}
		s.saved, s.acked, s.unsure, s.highest = now, 0, 0, 0
	}
	return t, nil
}

// settle returns how many acknowledged saves are missing when an agent has made
// so many.
func (s *subject) settle(now int) int { return max(0, s.saved+s.acked-now, s.highest-now) }

// answer asks until there is an answer: a node that has just started may not have
// its agents yet.
func (l *load) answer(ctx context.Context, s *subject) (int, error) {
	deadline := time.Now().Add(patience)
	for {
		n, err := l.ask(ctx, s, "/", "")
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return n, err
		}
		<-time.After(50 * time.Millisecond)
	}
}

// checkPosts compares what waits for the devices with what was acknowledged.
func (l *load) checkPosts(ctx context.Context, db *store.Store) (t tally, err error) {
	for _, s := range l.subjects {
		list, err := db.Posts(ctx, tandem.AgentID(s.id))
		if err != nil {
			return t, err
		}
		var kept []int
		for _, p := range list {
			n, err := strconv.Atoi(p.Name)
			if err != nil {
				return t, err
			}
			kept = append(kept, n)
		}
		missing, err := comparePosts(kept, s.posted, s.numbered)
		if err != nil {
			return t, fmt.Errorf("agent %s: %w", s.id, err)
		}
		t.Posts += len(s.posted)
		t.Lost += missing
		s.posted = kept
	}
	return t, nil
}

// comparePosts returns how many acknowledged posts are not kept. What is kept must
// be in order, each once, and have been asked for.
func comparePosts(kept, acknowledged []int, asked int) (missing int, err error) {
	for i, n := range kept {
		if i > 0 && n <= kept[i-1] || n > asked {
			return 0, errors.New("posts are kept that were not made: " + fmt.Sprint(kept))
		}
	}
	for _, n := range acknowledged {
		if _, found := slices.BinarySearch(kept, n); !found {
			missing++
		}
	}
	return missing, nil
}
