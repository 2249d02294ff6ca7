package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// oneStop is the time in which two requests to stop are one, heard twice: timeout(1)
// sends its signal to a process and then to the process group, and a supervisor may send
// one to a process that the terminal has sent one already.
const oneStop = time.Second

// stops counts the requests to stop. The first begins the stop, and any further one ends
// the process at once, but for a second one within oneStop of the first.
type stops struct {
	first time.Time // zero: there was none
	again bool      // the second has come
}

// stop is what a request to stop means.
type stop int

const (
	stopBegin stop = iota
	stopHeard      // it is the first again
	stopNow
)

func (s *stops) take(now time.Time) stop {
	switch {
	case s.first.IsZero():
		s.first = now
		return stopBegin
	case !s.again && now.Sub(s.first) < oneStop:
		s.again = true
		return stopHeard
	}
	return stopNow
}

// stopper ends the context of a command when it is asked to, and the process when it is
// asked again.
type stopper struct {
	mu    sync.Mutex
	stops stops

	cancel context.CancelFunc
	heard  chan os.Signal
}

// newStopper returns a context that ends with the first signal to stop, or call of ask.
func newStopper(ctx context.Context) (context.Context, *stopper) {
	ctx, cancel := context.WithCancel(ctx)
	heard := make(chan os.Signal, 3)
	s := &stopper{cancel: cancel, heard: heard}
	signal.Notify(heard, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(heard, syscall.SIGHUP)
	}
	go func() {
		for sig := range heard {
			s.ask(sig)
		}
	}()
	return ctx, s
}

// ask takes a request to stop: a signal, or the key of tandem dev that means the same.
func (s *stopper) ask(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.stops.take(time.Now()) {
	case stopBegin:
		s.cancel()
	case stopNow:
		die(sig)
	}
}

// release leaves signals to the command, which has its own use for them.
func (s *stopper) release() { signal.Stop(s.heard) }
