package runner

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

// sink is the smallest server there can be: it acknowledges at once, and counts
// what comes on agent/.
type sink struct {
	count atomic.Int64
	want  int64
	done  chan struct{}
}

func (s *sink) dial(context.Context, string, func(time.Duration)) (net.Conn, error) {
	a, b := net.Pipe()
	go s.serve(b)
	return a, nil
}

func (s *sink) serve(c net.Conn) {
	m := mqtt.NewServer(time.Now(), nil)
	var in []byte
	buf := make([]byte, 64<<10)
	for {
		k, err := c.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:k]...)
		rest := in
		for {
			n, ev, err := m.Feed(time.Now(), rest)
			rest = rest[n:]
			if err != nil || ev == nil {
				break
			}
			s.event(m, ev)
		}
		in = slices.Clone(rest)
		if out := m.Output(nil); len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

func (s *sink) event(m *mqtt.Server, ev mqtt.Event) {
	var err error
	switch ev := ev.(type) {
	case *mqtt.Connect:
		err = m.Accept(time.Now(), nil, nil)
	case *mqtt.Subscribe:
		err = m.Suback(ev.PacketID, 1, 1)
	case *mqtt.Publish:
		if ev.QoS > 0 {
			err = m.Ack(ev.PacketID, mqtt.Success)
		}
		if strings.HasPrefix(ev.Topic, "agent/") && s.count.Add(1) == s.want {
			close(s.done)
		}
	}
	if err != nil {
		panic(err)
	}
}

// BenchmarkDevice is the whole of the device's side, the code included, over
// net.Pipe: messages that wait for nothing, for their acknowledgement, and posts.
func BenchmarkDevice(b *testing.B) {
	for _, tc := range []struct{ name, code string }{
		{"send", `for (local i = 0; i < 20; i++) agent.send("n", i);`},
		{"acknowledged", `server.setsendtimeoutpolicy(SUSPEND_ON_ERROR, WAIT_FOR_ACK, 30);
			for (local i = 0; i < 20; i++) agent.send("n", i);`},
		{"log", `for (local i = 0; i < 20; i++) server.log(i);
			agent.send("n", 1);`},
		{"post", `for (local i = 0; i < 20 && tandem.post("n", 1) == 0; i++);`},
	} {
		code := "function next() { " + tc.code + " imp.wakeup(0, next); } next();"
		b.Run(tc.name, func(b *testing.B) { benchDevice(b, code) })
	}
}

func benchDevice(b *testing.B, code string) {
	dir := "/dev/shm"
	if _, err := os.Stat(dir); err != nil {
		dir = b.TempDir()
	}
	dir, err := os.MkdirTemp(dir, "device")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "code.nut")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		b.Fatal(err)
	}
	s := &sink{want: int64(b.N), done: make(chan struct{})}
	r := &Runner{ID: testID, Key: "secret", Dir: filepath.Join(dir, "device"), Code: file, dial: s.dial}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	before := processor(b)
	go func() { ended <- r.Run(ctx) }()
	<-s.done
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// processor returns the processor time that this process has used.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
