package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// node is a process of the tandem binary.
type node struct {
	tandem    string // the binary
	data      string // its directory
	web, mqtt string // where it listens
	database  string // URL; "" for SQLite
	mesh      string // where it listens for other nodes
	log       string // file
	cmd       *exec.Cmd
	ended     chan error
}

// newNode gives a node its addresses. Its log is beside other files in dir.
func newNode(tandem, data, dir, database string) (*node, error) {
	n := &node{tandem: tandem, data: data, log: filepath.Join(dir, "log"), database: database}
	for _, addr := range []*string{&n.web, &n.mqtt, &n.mesh} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*addr = listener.Addr().String()
		if err := listener.Close(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// start starts the process and waits until it answers.
func (n *node) start(ctx context.Context) error {
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	args := []string{"up", "--data", n.data, "--http", n.web, "--mqtt", n.mqtt}
	if n.database != "" {
		args = append(args, "--database", n.database, "--node", "one", "--cluster", n.mesh)
	}
	n.cmd = exec.Command(n.tandem, args...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := n.cmd, make(chan error, 1)
	n.ended = ended
	go func() { ended <- cmd.Wait() }()
	deadline := time.Now().Add(30 * time.Second)
	for {
		resp, err := http.Get("http://" + n.web + "/v5/products")
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the node ended: %v; its log:\n%s", err, n.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the node does not answer; its log:\n%s", n.tail())
		}
	}
}

// wait waits until the process has ended.
func (n *node) wait() {
	if n.ended != nil {
		n.ended <- <-n.ended
	}
}

// kill is kill -9.
func (n *node) kill() {
	if n.ended != nil {
		_ = n.cmd.Process.Kill() // it may have ended
		n.wait()
	}
}

func (n *node) tail() string {
	const size = 4000
	data, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-size):])
}

// deploy gives so many agents their code, and returns their ids. Their devices
// are never there.
func (n *node) deploy(ctx context.Context, dir, code string, count int) (ids []string, err error) {
	program := filepath.Join(dir, "program")
	if err := os.Mkdir(program, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(program, "agent.nut"), []byte(code), 0o600); err != nil {
		return nil, err
	}
	if _, err := command(ctx, n.tandem, "deploy", program, "--data", n.data); err != nil {
		return nil, err
	}
	for i := range count {
		out, err := command(ctx, n.tandem, "device", "add", fmt.Sprint("desk ", i), "--data", n.data)
		if err != nil {
			return nil, err
		}
		_, url, found := strings.Cut(out, "\nURL=")
		if !found {
			return nil, fmt.Errorf("tandem device add prints no URL: %s", out)
		}
		url, _, _ = strings.Cut(url, "\n")
		ids = append(ids, url[strings.LastIndexByte(url, '/')+1:])
	}
	return ids, nil
}
