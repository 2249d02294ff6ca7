package host

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestCrew(t *testing.T) {
	var c crew
	var ran atomic.Int64
	release := make(chan bool)
	begun := make(chan bool)
	f := func() {
		begun <- true
		<-release
		ran.Add(1)
	}
	idle := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; {
			c.mu.Lock()
			have := len(c.idle)
			c.mu.Unlock()
			if have == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d are idle, want %d", have, n)
			}
			<-time.After(time.Millisecond)
		}
	}
	const many = idleCrew + 50
	for range 3 {
		for range many {
			c.run(f)
		}
		for range many { // none waits for another
			<-begun
		}
		for range many {
			release <- true
		}
		idle(idleCrew)
	}
	c.run(f)
	<-begun
	c.end()
	idle(0)
	release <- true
	for ran.Load() != 3*many+1 {
		<-time.After(time.Millisecond)
	}
	idle(0) // the last one has not stayed
}
