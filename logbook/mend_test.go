//go:build linux

package logbook

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// fault is something that makes an engine fail, and keeps it from being opened.
type fault struct {
	name  string
	makes func(t *testing.T, l *Logbook) (mend func())
	says  string // by Health
}

// switchOff has the engine do what it does on a full disk.
func switchOff(t *testing.T, l *Logbook) {
	t.Helper()
	if err := l.at.Load().server.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
}

var faults = []fault{
	{"no directory", func(t *testing.T, l *Logbook) func() {
		probe := filepath.Join(l.dir, "probe")
		if err := os.Mkdir(probe, 0o700); err != nil { // where the disk is tried
			t.Fatal(err)
		}
		switchOff(t, l)
		return func() {
			if err := os.Remove(probe); err != nil {
				t.Error(err)
			}
		}
	}, "is a directory"},
	{"no descriptors", func(t *testing.T, l *Logbook) func() {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		switchOff(t, l)
		none := limit
		none.Cur = 3
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
				t.Error(err)
			}
		}
	}, "too many open files"},
	{"its engine ended", func(t *testing.T, l *Logbook) func() {
		l.at.Load().server.Shutdown()
		return func() {}
	}, ""},
}

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// output is where a logbook logs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) count(line string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Count(o.text.String(), line)
}

// TestMends: an engine that fails is opened again by itself. Meanwhile lines are counted as lost
// and nothing waits; then the log says how many, and a follower of it sees new lines.
func TestMends(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			out := &output{}
			l := open(t, Options{Logger: slog.New(slog.NewTextHandler(out, nil))})
			seen := make(chan string, 100)
			tail := l.Follow(func(e tandem.LogEntry) { seen <- e.Msg })
			if err := tail.Add(t.Context(), []tandem.DeviceID{device(1)}, 10); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- tail.Run(t.Context()) }()
			say(l, 1, "before")
			flush(t, l)
			expect(t, seen, "before")
			mend := f.makes(t, l)
			until(t, "it is noticed", func() bool { return out.count("has failed") > 0 }) // it may be mended already
			if f.says != "" {
				until(t, "the cause is said", func() bool {
					err := l.Health()
					return err != nil && strings.Contains(err.Error(), f.says)
				})
				const lines = 100
				before := l.Lost()
				began := time.Now()
				for i := range lines {
					say(l, 1, fmt.Sprint(i))
				}
				if took := time.Since(began); took > lines*time.Second {
					t.Errorf("%d lines took %v", lines, took)
				}
				flush(t, l)
				if lost := l.Lost() - before; lost != lines {
					t.Errorf("%d lines are counted as lost, want %d", lost, lines)
				}
				if _, err := l.History(t.Context(), device(1), 1); tandem.KindOf(err) != tandem.Unavailable {
					t.Errorf("the history has the error %v", err)
				}
			}
			mend()
			until(t, "it works again", func() bool { return l.Health() == nil && out.count("works again") > 0 })
			say(l, 1, "after")
			if f.says != "" {
				expect(t, seen, fmt.Sprintf(lostLines, 100))
			}
			expect(t, seen, "after")
			flush(t, l)
			if got := messages(history(t, l, 1, 10)); !strings.HasPrefix(got, "before") || !strings.HasSuffix(got, "after") {
				t.Errorf("kept: %s", got)
			}
			if n, m := out.count("has failed"), out.count("works again"); n != 1 || m != 1 {
				t.Errorf("the log says %d times that the store has failed, and %d times that it works", n, m)
			}
			select {
			case err := <-ended:
				t.Errorf("the follower of the log was sent away: %v", err)
			default:
			}
		})
	}
}

// expect waits for a line, after any others.
func expect(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case got := <-seen:
			if got == want {
				return
			}
		case <-timeout:
			t.Fatalf("the line %q is not shown", want)
		}
	}
}

// TestFullDisk fills a small disk with lines. It needs the right to mount one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("a disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l, err := Open(t.Context(), dir, Options{Lines: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, l)
	say(l, 1, "first")
	flush(t, l)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 4000)
	until(t, "the disk is full", func() bool {
		for i := range 20 {
			say(l, 2+i, long)
		}
		return l.Health() != nil
	})
	until(t, "the cause is said", func() bool {
		err := l.Health()
		return err != nil && strings.Contains(err.Error(), "no space left")
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	until(t, "it works again", func() bool { return l.Health() == nil })
	say(l, 1, "last")
	flush(t, l)
	if got := messages(history(t, l, 1, 10)); got != "first,last" {
		t.Errorf("kept: %s", got)
	}
	stop()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpenLater: a node starts although its log store cannot.
func TestOpenLater(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "jetstream")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil { // where the engine makes a directory
		t.Fatal(err)
	}
	l, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, l)
	if l.Health() == nil {
		t.Error("it says that it works")
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	until(t, "it works", func() bool { return l.Health() == nil })
	say(l, 1, "line")
	flush(t, l)
	if got := messages(history(t, l, 1, 10)); got != "line" {
		t.Errorf("kept: %s", got)
	}
	stop()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
