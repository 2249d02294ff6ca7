package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestMoments: points of time can be written in many ways.
func TestMoments(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 35, 47, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                     {},
		"90m":                  now.Add(-90 * time.Minute),
		"1h30m":                now.Add(-90 * time.Minute),
		"2d":                   now.AddDate(0, 0, -2),
		"12:00":                time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		"12:00:01":             time.Date(2026, 11, 23, 12, 0, 1, 0, time.UTC),
		"2026-11-20":           time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-20 12:00":     time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		"2026-11-20T12:00:07Z": time.Date(2026, 11, 20, 12, 0, 7, 0, time.UTC),
	} {
		if got, err := moment("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, not %v: %v", text, got, want, err)
		}
	}
}

// TestLineFilter: lines are selected by time, text and level.
func TestLineFilter(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 35, 47, 0, time.UTC)
	line := func(ago time.Duration, typ, msg string) tandem.LogEntry {
		return tandem.LogEntry{TS: now.Add(-ago), Type: typ, Msg: msg}
	}
	all := []tandem.LogEntry{
		line(time.Hour, tandem.LogAgent, "one"), line(time.Minute, tandem.LogDevice, "two"),
		line(time.Minute, tandem.LogStatus, "started"), line(time.Second, tandem.LogAgentError, "oops"),
		line(time.Second, tandem.LogDeviceError, "two more"),
	}
	for _, tc := range []struct {
		c    logCmd
		want []string
	}{
		{logCmd{Level: "log"}, []string{"one", "two", "started", "oops", "two more"}},
		{logCmd{Level: "status"}, []string{"started", "oops", "two more"}},
		{logCmd{Level: "error"}, []string{"oops", "two more"}},
		{logCmd{Level: "log", Grep: "^two"}, []string{"two", "two more"}},
		{logCmd{Level: "log", Since: "1m", Until: "10s"}, []string{"two", "started"}},
		{logCmd{Level: "error", Grep: "(?i)TWO"}, []string{"two more"}},
	} {
		f, err := tc.c.filter(now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range all {
			if f.wants(e) {
				got = append(got, e.Msg)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.c, got, tc.want)
		}
	}
}

// TestCatchUp: a stream that shows lines again loses none and doubles none, also when many have the
// same time.
func TestCatchUp(t *testing.T) {
	at := func(second int, msg string) tandem.LogEntry {
		return tandem.LogEntry{Device: "d", TS: time.Unix(int64(second), 0), Type: tandem.LogAgent, Msg: msg}
	}
	var got []string
	var errs bytes.Buffer
	tail := &tail{
		n: &node{s: &streams{err: &errs}}, filter: &lineFilter{}, show: func(e tandem.LogEntry) { got = append(got, e.Msg) },
		seen: map[tandem.DeviceID]*seenLines{},
	}
	for _, e := range []tandem.LogEntry{at(1, "a"), at(2, "b"), at(2, "b"), at(2, "c")} {
		tail.take(e)
	}
	tail.again()
	for _, e := range []tandem.LogEntry{
		at(1, "a"), at(2, "b"), at(2, "b"), at(2, "c"), at(2, "b"), at(3, "d"), at(2, "late"),
	} {
		tail.take(e)
	}
	if want := []string{"a", "b", "b", "c", "b", "d", "late"}; !slices.Equal(got, want) {
		t.Errorf("shown %q, want %q", got, want)
	}
	if errs.Len() > 0 {
		t.Errorf("nothing is missing, and it says %s", errs.String())
	}
	tail.again()
	tail.take(at(9, "much later"))
	if !strings.Contains(errs.String(), "may be missing: tandem log d --since ") {
		t.Errorf("lines are missing, and it says %q", errs.String())
	}
}
