package egress

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// A node's agents together cannot take all of its file descriptors. Requests that
// find no room have their turn in order, and do not outlive their time.
func TestTooManyAtOnce(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	held, release := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			held <- true
			<-release
			return
		}
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.URL.Path)
	}))
	defer s.Close()
	f := newFetcher(t)
	f.most = 1
	begin := func(ctx context.Context, path string) <-chan *tandem.Response {
		done := make(chan *tandem.Response, 1)
		f.Fetch(ctx, &tandem.Fetch{Method: "GET", URL: s.URL + path}, nil, func(r *tandem.Response) { done <- r })
		return done
	}
	first := begin(t.Context(), "/held")
	<-held
	var others []<-chan *tandem.Response
	for i := range 5 {
		others = append(others, begin(t.Context(), fmt.Sprint("/", i)))
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	want(t, <-begin(short, "/late"), tandem.FetchTimeout, "in time")
	given, giveUp := context.WithCancel(t.Context())
	given2 := begin(given, "/given up")
	giveUp()
	<-given2
	if n := f.Waited(); n != 7 {
		t.Errorf("%d have waited", n)
	}
	release <- true
	want(t, <-first, 200, "")
	for _, done := range others {
		want(t, <-done, 200, "")
	}
	if !slices.Equal(seen, []string{"/0", "/1", "/2", "/3", "/4"}) {
		t.Errorf("the server has seen %q", seen)
	}
	if got := f.Outcomes(); got["2xx"] != 6 || got["timeout"] != 1 || got["cancelled"] != 1 {
		t.Errorf("outcomes: %v", got)
	}
}

// Workers are used again, and go when they are sent away.
func TestWorkers(t *testing.T) {
	var l line
	l.most = idleWorkers + 10
	begun, release := make(chan bool), make(chan bool)
	l.do = func(*request) { begun <- true; <-release }
	wait := func(workers, idle int) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			l.mu.Lock()
			w, n := l.workers, l.idle
			l.mu.Unlock()
			if w == workers && n == idle {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d workers, %d of them idle; want %d and %d", w, n, workers, idle)
			}
			<-time.After(time.Millisecond)
		}
	}
	enter := func(n int) {
		for range n {
			l.enter(&request{ctx: t.Context()})
		}
	}
	enter(idleWorkers + 20)
	for range l.most {
		<-begun
	}
	for range 10 {
		release <- true
		<-begun // of those that waited
	}
	for range l.most {
		release <- true
	}
	wait(idleWorkers, idleWorkers)
	enter(3)
	for range 3 {
		<-begun
	}
	wait(idleWorkers, idleWorkers-3)
	l.close()
	wait(3, 0)
	for range 3 {
		release <- true
	}
	wait(0, 0)
}

// More workers are made for those who wait for servers, and not for those who wait
// for this machine, but for a while.
func TestGrow(t *testing.T) {
	var l line
	l.most = 500
	l.growing = true // by this test, which has the time pass
	begun, release := make(chan bool, 1000), make(chan bool)
	l.do = func(*request) { begun <- true; <-release }
	now := time.Now()
	for i := range 300 {
		l.enter(&request{ctx: t.Context(), since: now.Add(time.Duration(i) * time.Millisecond)})
	}
	for _, tc := range []struct {
		at      time.Duration
		spare   bool
		workers int // then
		more    bool
	}{
		{500 * time.Millisecond, false, 256, true},
		{longWait + 265*time.Millisecond, false, 266, true}, // those who came in the first 265 ms
		{longWait + 265*time.Millisecond, true, 300, false},
	} {
		if more := l.growOnce(now.Add(tc.at), tc.spare); l.workers != tc.workers || more != tc.more {
			t.Errorf("after %v, spare %v: %d workers, more to come %v; want %d, %v", tc.at, tc.spare, l.workers, more,
				tc.workers, tc.more)
		}
	}
	for range 300 {
		<-begun
	}
	l.close()
	close(release)
}
