package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
)

// The peers: each does the same work as Tandem in the same row, without the isolation.
// They run as processes of their own, which run this program again.

// serveHTTP is the plain net/http server: /echo, and /count with a counter for each path,
// which one shared log with group commit makes durable before the answer.
func serveHTTP(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "tandem-bench-log")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer file.Close()
	journal := &groupLog{file: file, wake: make(chan struct{}, 1)}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Write(body)
	})
	var mu sync.Mutex
	count := map[string]int{}
	mux.HandleFunc("POST /count/", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		count[r.URL.Path]++
		n := count[r.URL.Path]
		mu.Unlock()
		if err := journal.write(fmt.Appendf(nil, "%s %d\n", r.URL.Path, n)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(strconv.AppendInt(nil, int64(n), 10))
	})

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	server := &http.Server{Handler: mux}
	var wg sync.WaitGroup
	wg.Go(func() { journal.run(ctx) })
	wg.Go(func() { <-ctx.Done(); server.Close() })
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	wg.Wait()
	return nil
}

// groupLog appends records and returns from write once they are on disk; all
// writers that wait at the same time share one fsync.
type groupLog struct {
	file *os.File
	wake chan struct{}

	mu      sync.Mutex
	pending []byte
	waiting []chan error
}

func (g *groupLog) write(record []byte) error {
	done := make(chan error, 1)
	g.mu.Lock()
	g.pending = append(g.pending, record...)
	g.waiting = append(g.waiting, done)
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
	return <-done
}

func (g *groupLog) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		}
		g.mu.Lock()
		pending, waiting := g.pending, g.waiting
		g.pending, g.waiting = nil, nil
		g.mu.Unlock()
		_, err := g.file.Write(pending)
		if err == nil {
			err = g.file.Sync()
		}
		for _, done := range waiting {
			done <- err
		}
	}
}

// echoMQTT is the other side of each pair at the broker: n clients, each of which sends
// its messages back.
func echoMQTT(ctx context.Context, out io.Writer, addr string, n int) error {
	target := mqttTarget{name: "mosquitto echo", addr: addr}
	for i := range n {
		target.pairs = append(target.pairs, mqttPair{
			login: client.Login{ID: fmt.Sprintf("echo%d", i)},
			hear:  fmt.Sprintf("p/%d/ping", i),
		})
	}
	conns, err := target.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(conns)
	fmt.Fprintln(out, "ready")
	for i, c := range conns {
		go func() { // ends when hangUp closes its connection
			topic := fmt.Sprintf("p/%d/pong", i)
			for {
				payload, err := c.Receive()
				if err != nil || c.Publish(topic, payload) != nil {
					return
				}
			}
		}()
	}
	<-ctx.Done()
	return nil
}

// findMosquitto also looks in Debian's directory for it, which is not in every PATH.
func findMosquitto() (string, error) {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/mosquitto")
}

// startMosquitto runs a broker on a loopback port.
func startMosquitto(ctx context.Context, dir string) (*process, string, error) {
	path, err := findMosquitto()
	if err != nil {
		return nil, "", err
	}
	addr, err := node.FreeAddr()
	if err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\npersistence false\n" +
		"set_tcp_nodelay true\nmax_connections -1\nlog_type none\n"
	if os.Geteuid() == 0 {
		text += "user root\n"
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, "", err
	}
	p, err := start(ctx, path, "-c", conf)
	if err != nil {
		return nil, "", err
	}
	if err := waitFor(ctx, addr); err != nil {
		p.stop()
		return nil, "", err
	}
	return p, addr, nil
}

// firstLine reads the line that a child prints when it is ready.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the process ended before it was ready: %w", err)
	}
	return line[:len(line)-1], nil
}
