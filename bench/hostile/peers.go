package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/internal/child"
)

// turnedAway matches the node's line about strangers at its port for other nodes.
const turnedAway = `(?i)for other nodes are refused|authentication|route|tls`

// peers are attacks on the port for other nodes, and by a second node of the same name.
var peers = []attack{
	{name: "1,000 nodes that say nothing", on: "cluster port", noted: turnedAway, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.crowd(ctx, t, t.Cluster, 1000, "\x16")
	}},
	{name: "nodes with a key that is not in the database", on: "cluster port", noted: turnedAway, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.each(ctx, 8, func(i int) error {
			nc, err := t.dial(ctx, t.Cluster, i)
			if err != nil {
				return err
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(5 * time.Second)) // ignore the error: the handshake fails then
			c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			if err := c.HandshakeContext(ctx); err != nil {
				return err
			}
			_, err = c.Read(make([]byte, 1)) // TLS 1.3 refuses after the handshake
			return err
		})
	}},
	{name: "lines without end, and other protocols", on: "cluster port", noted: turnedAway, load: func(
		ctx context.Context, t *target, s *share) error {
		forms := []string{
			"INFO " + strings.Repeat("x", 60_000), "CONNECT {\"user\":\"node\",\"pass\":\"let us in\"}\r\nPING\r\n",
			"GET / HTTP/1.1\r\n\r\n", "\x00\xff\xff\xff\xff", "PUB mesh.x.to.n1 4294967295\r\n",
		}
		return s.requests(ctx, t, t.Cluster, 8, func(n int64) string { return forms[n%int64(len(forms))] })
	}},
	{name: "a second node of the same name", on: "cluster port", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.each(ctx, 1, func(int) error { return t.twin(ctx, "n2") })
	}},
}

// twin starts a node with the name of another one, in a directory of its own, and expects
// that it is refused.
func (t *target) twin(ctx context.Context, name string) error {
	dir, err := os.MkdirTemp(t.Dir, "twin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := []string{"up", "--data", filepath.Join(dir, "data"), "--database", t.Database, "--node", name}
	for _, flag := range []string{"--http", "--agents", "--mqtt", "--cluster"} {
		addr, err := node.FreeAddr()
		if err != nil {
			return err
		}
		args = append(args, flag, addr)
	}
	cmd := exec.Command(t.Tandem, args...)
	ended, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	select {
	case err := <-ended:
		if err == nil {
			return errors.New("the second node has stopped as if all were well")
		}
		return nil // refused, as it must be
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		err = fmt.Errorf("a second node %s runs", name)
	}
	cmd.Process.Kill() // ignore the error: it may have ended
	<-ended
	return err
}
