package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem/device"
)

// TestDisk: files are replaced whole, and what was left half written is removed.
func TestDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "device")
	d, err := openDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.json", "posts/1.json", "posts/2.json"} {
		for _, text := range []string{"long before", "after"} {
			if err := d.write(name, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"b.json.tmp", "posts/3.json.tmp", "posts/4.json.123456", "flash"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.remove("posts/2.json"), d.remove("posts/2.json")); err != nil {
		t.Error(err)
	}
	files, err := d.read()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name+" "+string(f.Data))
	}
	if want := []string{"a.json after", "posts/1.json after"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	var left []string
	for _, sub := range []string{"", postsDir} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			left = append(left, e.Name())
		}
	}
	if want := []string{"a.json", "flash", "posts", "1.json"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
	if err := d.write("no/such.json", nil); err == nil {
		t.Error("a file in a directory that is not there was written")
	}
}

// TestDiskFails: a device that cannot keep what it must ends, and says why.
func TestDiskFails(t *testing.T) {
	inBubble(t, `agent.on("go", @(n) tandem.post("p", n));`, func(p *pair) {
		p.started()
		if err := os.Remove(filepath.Join(p.r.Dir, postsDir)); err != nil {
			t.Fatal(err)
		}
		p.say("device/go", 1)
		if err := <-p.done; err == nil || !strings.Contains(err.Error(), "cannot write posts/") {
			t.Errorf("the device ends with %v", err)
		}
		p.end = func() {}
	})
}

// TestMail: what other goroutines want reaches the code.
func TestMail(t *testing.T) {
	inBubble(t, `
		server.log("wake " + hardware.wakereason());
		hardware.pin2.configure(DIGITAL_IN, @() server.log("pin2 " + hardware.pin2.read()));
		hardware.uart12.configure(9600, 8, PARITY_NONE, 1, 0,
			@() server.log("uart " + hardware.uart12.readstring()));`, func(p *pair) {
		p.started()
		p.expect("log wake 0")
		p.board.Drive("pin2", 1)
		p.expect("log pin2 1")
		p.board.Feed("uart12", []byte("hello"))
		p.expect("log uart hello")
		p.r.Restart()
		p.expect("sys/hello…", "log wake 10")
		p.r.Offline(true)
		p.r.Offline(false)
		p.connected()
	})
}

// TestStopsWhileDialing: Run ends soon although a server does not answer, and so
// does the attempt.
func TestStopsWhileDialing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		dialing, ended := make(chan bool), make(chan bool)
		r := &Runner{ID: testID, Dir: dir, dial: func(ctx context.Context, _ string) (net.Conn, error) {
			close(dialing)
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		<-dialing
		began := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		<-ended
		if d := time.Since(began); d > 0 {
			t.Errorf("it took %v", d)
		}
	})
}

// TestStopsUnheard: Run ends although the server does not close.
func TestStopsUnheard(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, dir)
		p.connected()
		p.set(func(n *node) { n.deaf = true })
		began := time.Now()
		p.end()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("it took %v, want the patience with a goodbye", d)
		}
	})
}

func TestWhyNot(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("dial: %w", &net.DNSError{Err: "no such host"}), device.NotResolved},
		{fmt.Errorf("dial: %w", syscall.ENETUNREACH), device.NoLink},
		{fmt.Errorf("dial: %w", syscall.ENETDOWN), device.NoLink},
		{fmt.Errorf("dial: %w", syscall.ECONNREFUSED), device.NoServer},
	} {
		if got := whyNot(tc.err); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
		}
	}
}
