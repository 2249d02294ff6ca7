package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// told returns a witness that has heard lines.
func told(lines ...string) *witness {
	w := &witness{}
	for _, line := range lines {
		w.hear(line, time.Time{})
	}
	return w
}

func TestWitness(t *testing.T) {
	for _, tc := range []struct {
		lines string // separated by ;
		wrong string // a part of the first complaint; "" for none
	}{
		{"start 1 1 0;reading 1 1 1;order 1;reading 1 1 2;start 1 2 1;full;start 2 1 0;reading 2 1 1", ""},
		{"start 1 1 0;reading 1 1 2", "1/1/2 after 1/1/0"},
		{"start 1 1 0;reading 1 1 1;reading 1 1 1", "1/1/1 after 1/1/1"},
		{"start 1 2 0;start 1 2 0", "run 2 comes after run 2"},
		{"start 1 2 0;start 1 1 0", "run 1 comes after run 2"},
		{"start 1 1 0;order 7;start 1 2 6", "kept order 7"},
		{"reading 1 1 1", "reading 1 1 1"},
		{"start 1 1 0;wrong timer", "wrong timer"},
	} {
		w := told(strings.Split(tc.lines, ";")...)
		if got := strings.Join(w.wrong, "; "); tc.wrong == "" && got != "" || !strings.Contains(got, tc.wrong) {
			t.Errorf("%s: %q, want %q", tc.lines, got, tc.wrong)
		}
	}
}

func TestCompare(t *testing.T) {
	lines := []string{"start 1 1 0", "reading 1 1 1", "reading 1 1 2", "start 1 2 0", "start 1 3 0", "reading 1 3 1"}
	for _, tc := range []struct {
		name  string
		ended []place
		last  place
		bad   int
	}{
		{"equal", []place{{1, 1, 2}}, place{1, 3, 1}, 0},
		{"one that was on disk and not said", []place{{1, 1, 3}, {1, 2, 1}}, place{1, 3, 1}, 0},
		{"further by now", []place{{1, 1, 2}}, place{1, 3, 9}, 0},
		{"one lost", []place{{1, 1, 1}}, place{1, 3, 1}, 1},
		{"a run lost", nil, place{1, 3, 1}, 1},
		{"more than there were", []place{{1, 1, 4}, {1, 2, 2}}, place{1, 3, 1}, 2},
	} {
		w := told(lines...)
		target, posted := w.last()
		if posted != 3 {
			t.Errorf("%s: %d readings", tc.name, posted)
		}
		if bad := w.compare(state{Ended: tc.ended, Last: tc.last}, target); len(bad) != tc.bad {
			t.Errorf("%s: %q", tc.name, bad)
		}
		if len(w.runs) != 1 || w.runs[0] != (place{1, 3, 1}) {
			t.Errorf("%s: it still knows of %v", tc.name, w.runs)
		}
	}
	w := told(lines...)
	s := state{Last: place{1, 3, 1}, Ended: []place{{1, 1, 2}}, Wrong: []string{"x"}}
	if bad := w.compare(s, place{1, 3, 1}); len(bad) != 1 {
		t.Errorf("the agent complains: %q", bad)
	}
}

// TestLost: what the agent had before the directory was lost is all that it must have.
func TestLost(t *testing.T) {
	for has, bad := range []int{1: 1, 2: 0, 3: 0, 4: 0, 5: 1} {
		if has == 0 {
			continue
		}
		w := told("start 1 1 0", "reading 1 1 1", "reading 1 1 2", "reading 1 1 3")
		w.lose(place{1, 1, 2})
		if target, _ := w.last(); target != (place{1, 1, 2}) {
			t.Errorf("it waits for %v, which is lost", target)
		}
		w.hear("start 2 1 0", time.Time{})
		w.hear("reading 2 1 1", time.Time{})
		s := state{Last: place{2, 1, 1}, Ended: []place{{1, 1, has}}}
		if got := w.compare(s, place{2, 1, 1}); len(got) != bad {
			t.Errorf("%d of 3: %q", has, got)
		}
	}
}

// TestBegunMeanwhile: what is posted for the first time while the trial reckons is not looked for.
func TestBegunMeanwhile(t *testing.T) {
	w := told("start 1 1 0")
	target, _ := w.last()
	w.hear("reading 1 1 1", time.Time{})
	if bad := w.compare(state{}, target); len(bad) > 0 {
		t.Errorf("%q", bad)
	}
	if bad := w.compare(state{}, place{1, 2, 1}); len(bad) != 1 {
		t.Errorf("a run that has ended, and is lost: %q", bad)
	}
}

func TestReached(t *testing.T) {
	order := []place{{}, {1, 1, 1}, {1, 1, 2}, {1, 2, 1}, {2, 1, 1}}
	for i, p := range order {
		for j, q := range order {
			if p.reached(q) != (i >= j) {
				t.Errorf("%v reached %v: %v", p, q, i < j)
			}
		}
	}
}

func TestChosen(t *testing.T) {
	list, err := chosen("clock step, node lost")
	if err != nil || len(list) != len(all())-2 ||
		slices.ContainsFunc(list, func(f fault) bool { return f.name == "clock step" }) {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := chosen("rain"); err == nil {
		t.Error("there is rain")
	}
}
