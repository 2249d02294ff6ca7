package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// code is the agents' program. It counts requests in memory and in the saved table, and
// counts its starts. It reports only numbers that are known to be saved.
const code = `
state <- server.load();
if (!("begun" in state)) state = { begun = 0, saved = 0 };
safe <- state.saved;
state.begun++;
while (server.save(state) != 0) {}
count <- 0;
http.onrequest(function(q, r) {
    count++;
    if (q.method == "POST") {
        state.saved++;
        if (server.save(state) != 0) { r.send(503, "not saved"); return; }
        safe = state.saved;
    }
    r.send(200, state.begun + " " + count + " " + safe);
});`

// subject is an agent that is checked.
type subject struct {
	id     string
	device string
	key    string // of the device

	mu     sync.Mutex
	last   answer
	lastAt time.Time
	begun  int // in its last answer
	count  int
	saved  int
	unsure int // POSTs whose outcome is not known
}

// answer is an agent's answer. Only pairCode sets the last three fields.
type answer struct {
	begun, count, saved int
	up, done            int    // posts received by the agent; posts back at its device, -1 until that has halted
	broken              string // an error that the pair itself has found
}

// at is when the agent last answered.
func (s *subject) at() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastAt
}

// ask sends one request to an agent through a node.
func (l *lab) ask(ctx context.Context, n *proc, s *subject, method string) (answer, error) {
	a := answer{done: -1}
	body, err := l.call(ctx, n, s, method, "")
	if err != nil {
		return a, err
	}
	numbers, broken, _ := strings.Cut(body, "\n")
	a.broken = broken
	into := []any{&a.begun, &a.count, &a.saved, &a.up, &a.done}
	if n, err := fmt.Sscan(numbers, into[:min(len(into), len(strings.Fields(numbers)))]...); err != nil || n < 3 {
		return a, fmt.Errorf("%s answers %q", s.id, body)
	}
	return a, nil
}

// call returns an agent's answer, which must have status 200.
func (l *lab) call(ctx context.Context, n *proc, s *subject, method, path string) (string, error) {
	resp, body, err := l.fetch(ctx, method, "http://"+n.Agents+"/"+s.id+path)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("%s %s at %s: %s %.100s", method, s.id, n.Name, resp.Status, strings.TrimSpace(body))
	}
	return body, err
}

// fetch makes a request and returns the response and its whole body.
func (l *lab) fetch(ctx context.Context, method, url string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, "", err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// step makes a request and compares the answer with all earlier ones. err is a failure of
// the request; broken is a violation of a guarantee.
func (l *lab) step(ctx context.Context, n *proc, s *subject, method string) (restarted bool, broken, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := l.ask(ctx, n, s, method)
	if err != nil {
		if method == http.MethodPost {
			s.unsure++
		}
		return false, nil, err
	}
	restarted, broken = s.compare(a, method)
	if broken != nil {
		broken = fmt.Errorf("%s %s: %w", n.Name, method, broken)
	}
	return restarted, broken, nil
}

// compare checks an answer against the earlier ones, and keeps it for the next.
func (s *subject) compare(a answer, method string) (restarted bool, broken error) {
	own := 0
	if method == http.MethodPost {
		own = 1
	}
	switch {
	case a.begun < s.begun:
		broken = fmt.Errorf("agent %s reports %d starts, and reported %d before", s.id, a.begun, s.begun)
	case a.begun == s.begun && a.count <= s.count:
		broken = fmt.Errorf("agent %s counts %d in one incarnation, and counted %d before", s.id, a.count, s.count)
	case a.saved < s.saved+own:
		broken = fmt.Errorf("agent %s has saved %d, and had acknowledged %d before: "+
			"an acknowledged save is lost, or the agent runs twice", s.id, a.saved, s.saved+own)
	case a.broken != "":
		broken = fmt.Errorf("agent %s and its device report: %s", s.id, a.broken)
	case a.up < s.last.up:
		broken = fmt.Errorf("agent %s reports %d posts, and reported %d before", s.id, a.up, s.last.up)
	case a.saved > s.saved+own+s.unsure:
		broken = fmt.Errorf("agent %s has saved %d times, and got at most %d requests to save: "+
			"a request had its effect twice", s.id, a.saved, s.saved+own+s.unsure)
	}
	if broken != nil {
		broken = fmt.Errorf("(now: start %d, count %d, saved %d; "+
			"before: start %d, count %d, saved %d and perhaps %d more): %w",
			a.begun, a.count, a.saved, s.begun, s.count, s.saved, s.unsure, broken)
	}
	restarted = s.begun != 0 && a.begun != s.begun
	s.unsure -= min(s.unsure, a.saved-s.saved-own)
	s.begun = a.begun
	s.count = a.count
	s.saved = a.saved
	s.last, s.lastAt = a, time.Now()
	return restarted, broken
}

// series is a list of measured times.
type series struct {
	mu   sync.Mutex
	list []time.Duration
}

func (s *series) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, d)
}
