package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem/internal/brokertest"
	"github.com/tandem-iot/tandem/mqtt"
)

const patience = 3 * time.Minute

// party is a connection that writes down what happens. Messages are handled at
// once unless it is busy.
type party struct {
	*Conn
	t    *testing.T
	seen chan string
	over chan struct{}

	mu      sync.Mutex
	busy    bool
	waiting []func()
}

func join(t *testing.T, dial func(context.Context) (net.Conn, error), connect mqtt.Connect) *party {
	p := &party{t: t, seen: make(chan string, 100_000), over: make(chan struct{})}
	connect.Version = mqtt.V311
	connect.CleanStart = true
	connect.ClientID = "me"
	say := func(format string, args ...any) { p.seen <- fmt.Sprintf(format, args...) }
	p.Conn = New(dial, &connect, Events{
		Connected: func(code int, why string) { say("connected %d %s", code, why) },
		Message: func(topic string, payload []byte, handled func()) {
			say("message %s %.20s", topic, payload)
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.busy {
				p.waiting = append(p.waiting, handled)
			} else {
				handled()
			}
		},
		Done: func(request uint64, code int, qos byte) { say("done %d %d %d", request, code, qos) },
		Lost: func(why string) { say("lost %s", why) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(p.over)
		p.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-p.over })
	return p
}

func to(b *brokertest.Broker) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", b.Addr)
	}
}

// expect waits for the next line, which must begin so.
func (p *party) expect(want string) {
	p.t.Helper()
	select {
	case got := <-p.seen:
		if !strings.HasPrefix(got, want) {
			p.t.Fatalf("got %q, want %q", got, want)
		}
	case <-time.After(patience):
		p.t.Fatalf("nothing happens, want %q", want)
	}
}

// setBusy has messages not be handled any more, or all.
func (p *party) setBusy(busy bool) {
	p.mu.Lock()
	waiting := p.waiting
	p.busy, p.waiting = busy, nil
	p.mu.Unlock()
	for _, handled := range waiting {
		handled()
	}
}

func (p *party) ends() {
	p.t.Helper()
	select {
	case <-p.over:
	case <-time.After(patience):
		p.t.Fatal("Run does not return")
	}
	select {
	case line := <-p.seen:
		p.t.Errorf("at the end: %s", line)
	default:
	}
}

func TestConversation(t *testing.T) {
	b := brokertest.Start(t)
	p := join(t, to(b), mqtt.Connect{HasUsername: true, Username: "alice"})
	p.expect("connected 0")
	b.Expect("connect me alice")
	p.Subscribe(1, "in/#", 2)
	p.expect("done 1 0 2")
	p.Subscribe(2, "forbidden", 1)
	p.expect("done 2 128 0")
	for qos := range byte(3) {
		p.Publish(uint64(10+qos), &mqtt.Publish{Topic: "out", Payload: []byte{'0' + qos}, QoS: qos, Retain: qos == 1})
		p.expect(fmt.Sprintf("done %d 0 0", 10+qos))
		b.Expect(fmt.Sprintf("publish me out %d %d %v", qos, qos, qos == 1))
		b.Publish("in/x", fmt.Sprint(qos), qos)
		p.expect(fmt.Sprintf("message in/x %d", qos))
		if qos > 0 {
			b.Expect("delivered me")
		}
	}
	p.Publish(20, &mqtt.Publish{Topic: "in/echo", Payload: make([]byte, 250<<10), QoS: 1})
	p.expect("message in/echo")
	p.expect("done 20 0 0")
	p.Unsubscribe(21, "in/#")
	p.expect("done 21 0 0")
	p.Publish(22, &mqtt.Publish{Topic: "last", QoS: 1})
	p.Close()
	b.Expect("publish me last")
	b.Expect("disconnect me")
	<-p.over
	for len(p.seen) > 0 {
		if line := <-p.seen; line != "done 22 0 0" {
			t.Errorf("at the end: %s", line)
		}
	}
}

func TestNoConnection(t *testing.T) {
	b := brokertest.Start(t)
	p := join(t, to(b), mqtt.Connect{HasUsername: true, Username: "mallory"})
	p.expect("connected 4 the broker refuses: bad user name or password")
	p.ends()

	p = join(t, func(context.Context) (net.Conn, error) { return nil, errors.New("no broker there") }, mqtt.Connect{})
	p.expect("connected -1 no broker there")
	p.ends()

	p = join(t, to(b), mqtt.Connect{HasUsername: true, Username: "\xff"})
	p.expect("connected -1 mqtt: ")
	p.ends()

	p = join(t, func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			io.ReadAtLeast(theirs, make([]byte, 100), 2)
			io.WriteString(theirs, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}()
		return ours, nil
	}, mqtt.Connect{})
	p.expect("connected -1 the broker violates the MQTT protocol")
	p.ends()
}

func TestCloseWhileDialing(t *testing.T) {
	dialing := make(chan bool)
	p := join(t, func(ctx context.Context) (net.Conn, error) {
		dialing <- true
		<-ctx.Done()
		return nil, ctx.Err()
	}, mqtt.Connect{})
	<-dialing
	p.Close()
	p.ends()
}

func TestLost(t *testing.T) {
	b := brokertest.Start(t)
	p := join(t, to(b), mqtt.Connect{})
	p.expect("connected 0")
	b.Deaf(true)
	p.Publish(1, &mqtt.Publish{Topic: "t", QoS: 1})
	b.Expect("publish me t")
	b.Kick()
	p.expect("lost the broker has closed the connection")
	p.ends()
	p.Publish(2, &mqtt.Publish{Topic: "t"}) // has no effect, and nothing breaks
}

// TestBusy: an agent that does not keep up has the broker wait. Nothing is lost.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make(pipes)
		b := brokertest.On(t, l)
		p := join(t, l.dial, mqtt.Connect{})
		p.expect("connected 0")
		p.Subscribe(1, "#", 0)
		p.expect("done 1 0 0")
		p.setBusy(true)
		const n = 1000
		text := strings.Repeat("x", 10<<10)
		go func() {
			for i := range n {
				b.Publish("t", fmt.Sprintf("%d %s", i, text), 0)
			}
		}()
		const room = (maxUnhandled + perMessage + 10<<10) / (perMessage + 10<<10) // and what crosses the line
		for i := range room {
			p.expect(fmt.Sprintf("message t %d ", i))
		}
		synctest.Wait() // until all that can happen without us has happened
		if len(p.seen) > 0 {
			t.Errorf("%d messages more", len(p.seen))
		}
		p.setBusy(false)
		for i := room; i < n; i++ {
			p.expect(fmt.Sprintf("message t %d ", i))
		}
		p.Close()
		p.ends()
	})
}

// TestLastWords: what the broker has sent before it closes is handed on, also to
// an agent that is behind.
func TestLastWords(t *testing.T) {
	const n = 100
	p := join(t, func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			if _, err := theirs.Read(make([]byte, 100)); err != nil { // CONNECT, in one piece
				t.Error(err)
			}
			theirs.Write([]byte{0x20, 2, 0, 0})
			theirs.Write(bytes.Repeat([]byte{0x30, 4, 0, 1, 't', 'x'}, n))
			theirs.Close()
		}()
		return ours, nil
	}, mqtt.Connect{})
	p.setBusy(true)
	p.expect("connected 0")
	for range n / 2 {
		p.expect("message t x")
	}
	p.setBusy(false)
	for range n / 2 {
		p.expect("message t x")
	}
	p.expect("lost the broker has closed the connection")
	p.ends()
}

// pipes is a listener whose connections are in memory.
type pipes chan net.Conn

func (l pipes) Accept() (net.Conn, error) {
	conn, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (l pipes) Close() error   { close(l); return nil }
func (l pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (l pipes) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	l <- theirs
	return ours, nil
}

// TestTime: pings keep the connection, also while the agent is busy; what is
// never acknowledged has failed after a minute; a broker that is silent is lost.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make(pipes)
		b := brokertest.On(t, l)
		var conn net.Conn
		silent := make(chan bool)
		p := join(t, func(ctx context.Context) (net.Conn, error) {
			var err error
			conn, err = l.dial(ctx)
			return &gagged{conn, silent}, err
		}, mqtt.Connect{KeepAlive: 30})
		p.expect("connected 0")
		p.Subscribe(1, "#", 0)
		p.expect("done 1 0 0")
		<-time.After(time.Hour)

		p.setBusy(true)
		go func() {
			for range 100 {
				b.Publish("t", "", 0)
			}
		}()
		<-time.After(time.Hour)
		p.setBusy(false)
		for range 100 {
			p.expect("message t")
		}

		b.Deaf(true)
		p.Publish(2, &mqtt.Publish{Topic: "u", QoS: 1})
		p.expect("message u")
		before := time.Now()
		select {
		case line := <-p.seen:
			if took := time.Since(before); line != "done 2 -3 0" || took != answerTimeout {
				t.Errorf("%s after %v", line, took)
			}
		case <-time.After(2 * answerTimeout):
			t.Error("a request without an answer did not end")
		}

		close(silent)
		select {
		case line := <-p.seen:
			if line != "lost the broker does not answer" {
				t.Errorf("got %q", line)
			}
		case <-time.After(time.Hour):
			t.Error("a broker that is silent is not noticed")
		}
	})
}

// gagged is a connection from which nothing comes any more once silent is closed.
type gagged struct {
	net.Conn
	silent chan bool
}

func (g *gagged) Read(b []byte) (int, error) {
	for {
		n, err := g.Conn.Read(b)
		select {
		case <-g.silent:
			if err != nil {
				return 0, err
			}
		default:
			return n, err
		}
	}
}

// FuzzBroker: whatever a broker sends, the connection ends with it.
func FuzzBroker(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0, 0x30, 5, 0, 1, 't', 'x', 'y', 0xd0, 0})
	f.Add([]byte{0x20, 2, 0, 4})
	f.Add([]byte{0x20, 2, 0, 0, 0x32, 6, 0, 1, 't', 0, 9, 'x', 0x32, 6, 0, 1, 't', 0, 9, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := join(t, func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			go func() {
				theirs.Write(data)
				theirs.Close()
			}()
			return ours, nil
		}, mqtt.Connect{})
		select {
		case <-p.over:
		case <-time.After(patience):
			t.Fatal("Run does not return")
		}
	})
}
