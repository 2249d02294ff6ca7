package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/server"
)

// held is a terminal that takes nothing until it is let go.
type held struct {
	io.Writer
	free chan struct{}
}

func (h held) Write(b []byte) (int, error) {
	<-h.free
	return h.Writer.Write(b)
}

// TestTrafficNeverWaits: while the terminal is held the pair goes on, and what is too much is counted.
func TestTrafficNeverWaits(t *testing.T) {
	var shown strings.Builder
	terminal := held{&shown, make(chan struct{})}
	lines := &curtain{out: &lineWriter{w: terminal}, seen: true}
	tr := &traffic{printer: printer{out: lines}}
	now := time.Now()
	see := func(n int) {
		for i := range n {
			at := uint64(hlc.At(now)) + uint64(i)
			tr.Saw(&server.Sight{Clock: at, Message: &tandem.Message{Name: "n", Data: []byte("1")}, ToAgent: true})
		}
	}
	logged := make(chan struct{})
	see(1)
	go func() { // waits for the terminal
		defer close(logged)
		tr.logged(tandem.LogEntry{TS: now, Clock: uint64(hlc.At(now)), Type: tandem.LogAgent, Msg: "first"})
	}()
	see(maxTraffic + maxTraffic/2)
	close(terminal.free)
	<-logged
	tr.logged(tandem.LogEntry{TS: now, Clock: uint64(hlc.At(now.Add(time.Hour))), Type: tandem.LogAgent, Msg: "last"})
	text := shown.String()
	if n := strings.Count(text, "device → agent  n 1\n"); n > maxTraffic+1 || n < maxTraffic/2 {
		t.Errorf("%d lines are shown", n)
	}
	if !strings.Contains(text, "lines before this one are left out") || !strings.HasSuffix(text, "[Agent] last\n") {
		t.Errorf("it ends with %s", text[max(0, len(text)-300):])
	}
}
