package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	var r report
	r.add("fib", "lua5.4", figure{tandem: time.Second, peer: 2 * time.Second, ratio: 0.5, low: 0.4, high: 0.6})
	r.add("sort", "lua5.4", figure{tandem: 2 * time.Second, peer: time.Second, ratio: 2, low: 1.9, high: 2.1})
	var b bytes.Buffer
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	var last struct {
		Geomean  map[string]float64
		Programs map[string]map[string]map[string]float64
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if got := last.Geomean["lua5.4"]; got != 1 {
		t.Errorf("the mean of 0.5 and 2 is %v", got)
	}
	if got := last.Programs["fib"]["lua5.4"]["max"]; got != 0.6 {
		t.Errorf("fib's greatest ratio is %v", got)
	}
	if !strings.Contains(lines[1], "0.50 (0.40–0.60) of 2.00 s") {
		t.Errorf("fib's line is %q", lines[1])
	}
}

// TestMeasure compares a shell with itself, and with one that prints something else.
func TestMeasure(t *testing.T) {
	say := func(what string) engine { return engine{what, []string{"sh", "-c", "echo " + what}, ".sh"} }
	f, err := measure(context.Background(), say("one"), say("one"), "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	if f.tandem <= 0 || f.peer <= 0 {
		t.Errorf("no CPU time: %+v", f)
	}
	if _, err := measure(context.Background(), say("one"), say("two"), "x", 1); err == nil ||
		!strings.Contains(err.Error(), `prints "two"`) {
		t.Errorf("different answers: %v", err)
	}
}
