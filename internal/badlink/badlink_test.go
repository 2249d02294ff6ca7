package badlink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// echo returns the address of a server that sends back what it hears.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

// link returns a link to such a server, and a connection by it.
func link(t *testing.T) (*Link, net.Conn) {
	t.Helper()
	l, err := Listen(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l, dial(t, l)
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a text and waits for its echo.
func ask(t *testing.T, c net.Conn, text string) (took time.Duration) {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, []byte(text)) {
		t.Fatalf("%q, %v, want %q", got, err, text)
	}
	return time.Since(began)
}

// silent reports that nothing comes for a while.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errTimeout(err)) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// errTimeout returns err if it is a timeout.
func errTimeout(err error) error {
	if at := net.Error(nil); errors.As(err, &at) && at.Timeout() {
		return err
	}
	return io.ErrUnexpectedEOF
}

// TestLink: everything arrives whole and in order, on links of all kinds.
func TestLink(t *testing.T) {
	l, c := link(t)
	long := string(bytes.Repeat([]byte("0123456789"), 20_000))
	ask(t, c, long)
	if !l.Open() {
		t.Error("there is no connection")
	}
	l.Slow(30 * time.Millisecond)
	if took := ask(t, c, long); took < 60*time.Millisecond {
		t.Errorf("a slow link takes %v", took)
	}
	l.Slow(0)
	ask(t, c, "fast again")
}

// TestCut: what is sent while the link is cut arrives when it is whole again, also the connection itself.
func TestCut(t *testing.T) {
	l, c := link(t)
	ask(t, c, "hello")
	l.Cut(true)
	if l.Open() {
		t.Error("a cut link is open")
	}
	if _, err := io.WriteString(c, "late"); err != nil {
		t.Fatal(err)
	}
	second := dial(t, l)
	if _, err := io.WriteString(second, "late"); err != nil {
		t.Fatal(err)
	}
	silent(t, c)
	silent(t, second)
	l.Cut(false)
	for _, c := range []net.Conn{c, second} {
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "late" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestLoss: a segment that is lost comes a second later, or two more, and so on.
func TestLoss(t *testing.T) {
	l, _ := link(t)
	l.Lose(0.5)
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := l.delay()
		if d%resend != 0 {
			t.Fatalf("a delay of %v", d)
		}
		seen[d] = true
	}
	for _, d := range []time.Duration{0, 1 * resend, 3 * resend, 7 * resend} {
		if !seen[d] {
			t.Errorf("no segment takes %v", d)
		}
	}
	l.Lose(0)
	for range 100 {
		if d := l.delay(); d != 0 {
			t.Fatalf("a good link takes %v", d)
		}
	}
}

// TestReset: both ends hear of it, and others can connect.
func TestReset(t *testing.T) {
	l, c := link(t)
	ask(t, c, "hello")
	l.End(false)
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes after the reset", n)
	}
	ask(t, dial(t, l), "again")
}

// TestNoServer: a connection to a server that is not there ends.
func TestNoServer(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	l, err := Listen(gone.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	if n, err := dial(t, l).Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes from no server", n)
	}
	l.Cut(true)
	dial(t, l) // waits until the end
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestFaultsInTurn: bytes pass, wait while the link is cut, and end with a reset; a link that refuses has no
// connections, until it has some again.
func TestFaultsInTurn(t *testing.T) {
	l, c := link(t)
	ask(t, c, "one")
	l.Cut(true)
	if _, err := io.WriteString(c, "two"); err != nil {
		t.Fatal(err)
	}
	silent(t, c)
	l.Cut(false)
	got := make([]byte, 3)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "two" {
		t.Fatalf("%q, %v", got, err)
	}
	l.End(true)
	if n, err := c.Read(got); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%d bytes, %v after a reset", n, err)
	}
	other := dial(t, l)
	ask(t, other, "on")
	l.Refuse(true)
	for _, c := range []net.Conn{other, dial(t, l)} {
		if n, err := c.Read(got); n != 0 || err == nil {
			t.Fatalf("%d bytes come through a link that refuses", n)
		}
	}
	l.Refuse(false)
	ask(t, dial(t, l), "again")
}
