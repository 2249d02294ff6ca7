package stand

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/rehearsal"
)

// await waits for a report of a kind, and returns its text.
func await(t *testing.T, s *Stand, kind string) string {
	t.Helper()
	for s.Step(s.Now() + 2*time.Minute) {
		for _, r := range s.Reports() {
			if r.Kind == kind {
				return r.Text
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("no report %s", kind)
	return ""
}

// TestStand: both sides run and act on their ground, what they log and send is there, and nothing is left
// of it in the end.
func TestStand(t *testing.T) {
	s, err := Start(t.Context(), Config{
		Code: rehearsal.Code{
			Agent:  `device.on("hello", function(x) { __world("report", "heard", x); server.log("heard"); });`,
			Device: `agent.send("hello", "from " + __world("program") + __world("value", "name"));`,
		},
		Script: rehearsal.Script{Values: map[string]string{"name": "!"}}, Longest: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := await(t, s, "heard"); got != "from device!" {
		t.Errorf("the agent has heard %q", got)
	}
	log := ""
	for !strings.Contains(log, "heard") { // the log comes later
		log = ""
		for _, l := range rehearsal.Merge(s.LogFrom(0), s.MessagesFrom(0)) {
			log += l.Type + " " + l.Text + "\n"
		}
	}
	if !strings.Contains(log, "message device → agent  hello  \"from device!\"\n") {
		t.Errorf("the log is\n%s", log)
	}
	dir := s.dir
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

// TestInterrupted: a Stand ends with its context.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, Config{Code: rehearsal.Code{Agent: "x <- 1;"}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if !s.Step(time.Hour) || s.Err() == nil {
		t.Errorf("after the end: %v", s.Err())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Start(ctx, Config{Code: rehearsal.Code{Agent: "x <- 1;"}}); err == nil {
		t.Error("a Stand without time has started")
	}
}
