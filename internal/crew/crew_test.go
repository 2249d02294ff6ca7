package crew

import (
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

func TestCrew(t *testing.T) {
	var c Crew
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
		for deadline := time.Now().Add(patience); ; {
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
	const many = Idle + 50
	for range 3 {
		for range many {
			c.Run(f)
		}
		for range many { // none waits for another
			<-begun
		}
		for range many {
			release <- true
		}
		idle(Idle)
	}
	c.Run(f)
	<-begun
	c.End()
	idle(0)
	release <- true
	for ran.Load() != 3*many+1 {
		<-time.After(time.Millisecond)
	}
	idle(0) // the last one has not stayed
}
