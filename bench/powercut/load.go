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
	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/store"
)

// code is the agents' program: it saves the number of saves, posts the numbers that it is
// given, and reports its saved table.
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
	savers = 2 // callers of an agent that request saves; one more requests posts
)

// between is the pause between two posts, and after an error. An agent may have
// tandem.PostsKept posts in all.
const between = 40 * time.Millisecond

// subject is an agent with its acknowledged saves and posts.
type subject struct {
	id string

	mu       sync.Mutex
	saved    int   // saves before this round
	acked    int   // acknowledged saves of this round
	unsure   int   // saves of this round without an answer or with an error
	highest  int   // the highest number of saves in an answer
	numbered int   // posts requested in all rounds
	posted   []int // numbers of the posts acknowledged in all rounds
}

// load makes agents save and post.
type load struct {
	node     *node.Machine
	client   *http.Client
	subjects []*subject
	cut      atomic.Bool // answers from now on do not count
}

func newLoad(n *node.Machine, ids []string) *load {
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

// ask makes a request to an agent and returns the number in its answer.
func (l *load) ask(ctx context.Context, s *subject, path, body string) (int, error) {
	method := http.MethodGet
	if path != "/" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+l.node.Agents+"/"+s.id+path, strings.NewReader(body))
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

// save requests one save.
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

// post requests one post, unless the limit of waiting posts is reached.
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

// run makes requests until ctx ends or the power is cut. It continues after an error, and
// returns the first one before the cut.
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

// tally is the result of a check.
type tally struct {
	Saves, Posts int // number of acknowledged ones
	Lost         int // number of missing ones
}

// check reads each agent's number of saves, and compares it with the acknowledged ones. An
// error means another kind of failure.
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
		s.saved = now
		s.acked = 0
		s.unsure = 0
		s.highest = 0
	}
	return t, nil
}

// settle returns how many acknowledged saves are missing when an agent reports a number of
// saves.
func (s *subject) settle(now int) int { return max(0, s.saved+s.acked-now, s.highest-now) }

// patience limits the time until a node that has started answers for its agents.
const patience = 20 * time.Second

// answer repeats a request until there is an answer: a node that has just started may not
// have its agents yet.
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

// checkPosts compares the posts that wait for the devices with the acknowledged ones.
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

// comparePosts returns how many acknowledged posts are missing. The kept posts must be in
// order, each once, and must have been requested.
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
