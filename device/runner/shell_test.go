package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/internal/durable"
	"github.com/tandem-iot/tandem/internal/freeaddr"
)

// TestDisk: files are replaced whole, and what was left half written is removed.
func TestDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "device")
	d, err := openDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for _, name := range []string{"code.json", "posts/1.json", "posts/2.json"} {
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
	var got []string
	for _, f := range d.read().Files {
		got = append(got, f.Name+" "+string(f.Data))
	}
	if want := []string{"code.json after", "posts/1.json after"}; !slices.Equal(got, want) {
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
	if want := []string{"code.json", "flash", "lock", "posts", "1.json", "4.json.123456"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
	for path, want := range map[string]fs.FileMode{".": 0o700, "posts": 0o700, "code.json": 0o600, "posts/1.json": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want mode %v", path, info.Mode(), err, want)
		}
	}
}

// TestDiskErrors: what cannot be read, written or removed is said, and no half of a
// file stays behind.
func TestDiskErrors(t *testing.T) {
	dir := t.TempDir()
	d, err := openDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := os.MkdirAll(filepath.Join(dir, "state", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if c := d.read(); len(c.Files) != 1 || c.Files[0].Err == nil {
		t.Errorf("a directory was read as a file: %v", c.Files)
	}
	if err := d.write("state", nil); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if _, err := os.Stat(filepath.Join(dir, "state"+durable.Suffix)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a file that was not written there is left: %v", err)
	}
	if err := d.remove("state"); err == nil {
		t.Error("a directory with something in it was removed")
	}
	if err := d.setAside("state"); err != nil {
		t.Error(err)
	}
	if err := d.write("state", nil); err != nil {
		t.Error(err)
	}
	if err := d.write("no/such.json", nil); err == nil {
		t.Error("a file in a directory that is not there was written")
	}
	if err := os.RemoveAll(filepath.Join(dir, postsDir)); err != nil {
		t.Fatal(err)
	}
	if err := d.reserve("posts/0000000000000001.log", 1<<20); err != nil {
		t.Errorf("the subdirectory is not made again: %v", err)
	}
	if err := d.writeAt(&core.WriteAt{Name: "posts/0000000000000002.log"}); err == nil {
		t.Error("a file that is not there was written in place")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if c := d.read(); len(c.Said) == 0 {
		t.Error("a directory that is gone was read")
	}
}

func openFlashIn(t *testing.T, dir string) *flash {
	t.Helper()
	d := &disk{dir: dir}
	f := d.openFlash()
	if len(d.said) > 0 {
		t.Fatal(d.said)
	}
	return f
}

// TestFlashFile: what was never written reads as erased, whatever the buffer had.
func TestFlashFile(t *testing.T) {
	f := openFlashIn(t, t.TempDir())
	if f.Size() != 3_735_552 {
		t.Errorf("the flash has %d bytes; public programs take the first 2 MB", f.Size())
	}
	if n, err := f.WriteAt([]byte("end"), 2<<20-3); n != 3 || err != nil {
		t.Errorf("wrote %d before 2 MB, %v", n, err)
	}
	if n, err := f.WriteAt([]byte("abc"), 10); n != 3 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	b := []byte("dirty dirty")
	if n, err := f.ReadAt(b, 8); n != len(b) || err != nil || string(b) != "\xff\xffabc\xff\xff\xff\xff\xff\xff" {
		t.Errorf("read %d %q, %v", n, b, err)
	}
	if err := f.file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(b, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read a closed file: %v", err)
	}
}

// TestDirectoryRemoved: a device whose log is removed under it starts its code again, makes another
// log, and posts.
func TestDirectoryRemoved(t *testing.T) {
	inBubble(t, `agent.on("go", @(n) agent.send("posted", [n, tandem.post("p", n)]));`, func(p *pair) {
		p.started()
		p.say("device/go", 1)
		p.skipTo("agent/p 1")
		if err := os.RemoveAll(filepath.Join(p.r.Dir, postsDir)); err != nil {
			t.Fatal(err)
		}
		for n := 2; n < 100; n++ {
			<-time.After(10 * time.Second) // in virtual time
			p.say("device/go", n)
			synctest.Wait()
			if _, err := os.Stat(filepath.Join(p.r.Dir, postsDir)); err == nil {
				break
			}
		}
		p.say("device/go", 100)
		p.skipTo("agent/p 100")
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
		if err := p.board.Setup("pin5", "DIGITAL_OUT", 1); err != nil {
			p.t.Fatal(err)
		}
		p.r.Restart()
		p.expect("sys/hello…", "log wake 10")
		if mode := p.board.Mode("pin5"); mode != "" {
			p.t.Errorf("after a restart the mode of a pin is %s", mode)
		}
		p.r.Offline(true)
		p.r.Offline(false)
		p.connected()
		p.end()
		p.end = func() {}
		p.board.Drive("pin2", 0)
		if mail := p.r.mail.take(); len(mail) > 0 {
			p.t.Errorf("a device that has ended listens to its board: %v", mail)
		}
	})
}

// TestStopsWhileDialing: Run ends soon although a server does not answer, and so
// does the attempt.
func TestStopsWhileDialing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		dialing, ended := make(chan bool), make(chan bool)
		type heard = func(time.Duration)
		r := &Runner{ID: testID, Dir: dir, dial: func(ctx context.Context, _ string, _ heard) (net.Conn, error) {
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

// TestLateConnection: a connection that is made when the network has been taken away
// is closed, also when the attempt has not heard of that yet.
func TestLateConnection(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			dialing := make(chan bool)
			var ours, theirs net.Conn
			type heard = func(time.Duration)
			r := &Runner{ID: testID, Dir: dir, dial: func(ctx context.Context, _ string, _ heard) (net.Conn, error) {
				ours, theirs = net.Pipe()
				close(dialing)
				<-ctx.Done()
				return ours, nil
			}}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- r.Run(ctx) }()
			<-dialing
			r.Offline(true)
			if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the other end reads %v", err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoServer: by whichever way, a server that is not there is an error.
func TestNoServer(t *testing.T) {
	addr, err := freeaddr.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"tcp", "tls", "ws", "wss"} {
		dial, err := (&Runner{Addr: scheme + "://" + addr}).networkDialer()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := dial(t.Context(), "", func(time.Duration) {}); err == nil || whyNot(err) != device.NoServer {
			t.Errorf("%s: %v %v", scheme, c, err)
		}
	}
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
