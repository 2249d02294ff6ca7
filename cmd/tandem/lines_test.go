package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

func TestLineWriter(t *testing.T) {
	at := time.Date(2026, 11, 23, 17, 35, 47, 0, time.Local)
	for _, tc := range []struct {
		name, typ, msg string
		raw, colour    bool
		want           string
	}{
		{"agent", tandem.LogAgent, "hello", false, false, "2026-11-23 17:35:47 [Agent] hello\n"},
		{"device", tandem.LogDevice, "hello", false, false, "2026-11-23 17:35:47 [Device] hello\n"},
		{"status", tandem.LogStatus, "Agent started.", false, false, "2026-11-23 17:35:47 [Status] Agent started.\n"},
		{"error", tandem.LogAgentError, "boom", false, false, "2026-11-23 17:35:47 [Agent] ERROR: boom\n"},
		{"error said already", tandem.LogDeviceError, "ERROR: boom", false, false, "2026-11-23 17:35:47 [Device] ERROR: boom\n"},
		{"unknown type", "firmware", "x", false, false, "2026-11-23 17:35:47 [firmware] x\n"},
		{"more lines", tandem.LogAgent, "a\n[Status] b\n", false, false, "2026-11-23 17:35:47 [Agent] a\n    [Status] b\n"},
		{"escapes are defused", tandem.LogAgent, "\x1b[2J\r\x9b", false, false, "2026-11-23 17:35:47 [Agent] \\x1b[2J\\x0d\ufffd\n"},
		{"C1 controls too", tandem.LogAgent, "\u009b2J", false, false, "2026-11-23 17:35:47 [Agent] \\x9b2J\n"},
		{"raw terminal", tandem.LogAgent, "a", true, false, "2026-11-23 17:35:47 [Agent] a\r\n"},
		{"colour", tandem.LogAgentError, "a", false, true, "\x1b[2m2026-11-23 17:35:47 \x1b[0m\x1b[36m[Agent]\x1b[0m \x1b[31mERROR: a\x1b[0m\n"},
	} {
		var b strings.Builder
		l := &lineWriter{w: &b, raw: tc.raw, colour: tc.colour}
		l.entry(tandem.LogEntry{TS: at, Type: tc.typ, Msg: tc.msg})
		if b.String() != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, b.String(), tc.want)
		}
	}
	var b strings.Builder
	kept := tandem.LogEntry{TS: at, Type: tandem.LogDeviceError, Msg: "boom", Written: at.Add(-time.Hour)}
	(&lineWriter{w: &b}).entry(kept)
	if want := "2026-11-23 17:35:47 [Device] (written 2026-11-23 16:35:47) ERROR: boom\n"; b.String() != want {
		t.Errorf("a line that was kept: got %q, want %q", b.String(), want)
	}
}
