package mesh

import (
	"testing"
	"time"
)

// TestStanding: attempts to connect become rarer, and the operator is told once.
func TestStanding(t *testing.T) {
	now := time.Minute
	s := standing{since: now}
	if s.next() > now {
		t.Error("it does not connect at once")
	}
	pauses := []time.Duration{}
	told := 0
	for now < 2*time.Minute {
		if s.silent(now) {
			told++
			if waited := now - s.since; waited < downAfter || waited > downAfter+dialMost {
				t.Errorf("the operator is told after %v", waited)
			}
		}
		s.failed(now)
		pauses = append(pauses, s.next()-now)
		now = s.next()
	}
	if told != 1 {
		t.Errorf("the operator is told %d times", told)
	}
	for i, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 2000, 2000} {
		if pauses[i] != want*time.Millisecond {
			t.Errorf("pause %d is %v", i, pauses[i])
		}
	}
	if !s.opened() || s.opened() {
		t.Error("the operator is not told once that it is back")
	}
	s.closed(now, time.Hour)
	if s.next() != never {
		t.Error("it connects although there is a link")
	}
	s.closed(now, time.Hour)
	if s.next() != now || s.silent(now+downAfter-1) || !s.silent(now+downAfter) {
		t.Errorf("after the last link: %+v", s)
	}
	s.opened()
	s.closed(now, time.Millisecond)
	s.opened()
	s.closed(now, time.Millisecond)
	if s.next() != now+2*dialFirst {
		t.Errorf("links that end at once lead to a pause of %v", s.next()-now)
	}
}

// TestShun: faults keep a node away for longer each time, and are forgotten.
func TestShun(t *testing.T) {
	var s standing
	now := time.Hour
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		s.fault(now)
		if got := s.until - now; got != want*time.Second || s.next() != s.until {
			t.Errorf("it is kept away for %v, want %v s", got, want)
		}
		if !s.shunned(s.until-1) || s.shunned(s.until) {
			t.Error("it may come back too early, or not at all")
		}
		now = s.until
	}
	now += forgiveIn + time.Second
	if s.fault(now); s.until-now != time.Second {
		t.Errorf("after a while it is kept away for %v", s.until-now)
	}
}

func TestQuiet(t *testing.T) {
	var q quiet
	now := time.Unix(1000, 0)
	for i := range 10 {
		if _, ok := q.may("a", now); ok != (i == 0) {
			t.Errorf("line %d: %v", i, ok)
		}
	}
	if _, ok := q.may("b", now); !ok {
		t.Error("another one is kept quiet")
	}
	if since, ok := q.may("a", now.Add(quietFor)); !ok || since != 9 {
		t.Errorf("%d are not told, %v", since, ok)
	}
}

// TestQueue: a link that takes nothing keeps a bounded number of bytes.
func TestQueue(t *testing.T) {
	q := queue{more: make(chan struct{}, 1)}
	frame := make([]byte, 1<<20)
	n := 0
	for q.put(frame) == nil {
		n++
	}
	if n == 0 || len(q.waiting) > maxQueue+lengthSize*n {
		t.Errorf("%d frames, %d bytes", n, len(q.waiting))
	}
	if got := len(q.take(nil)); got != n*(lengthSize+len(frame)) {
		t.Errorf("%d bytes are to be sent", got)
	}
	if q.put(frame) != nil {
		t.Error("there is no room afterwards")
	}
}
