package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/bench/volume"
)

// machine is a node with its files.
type machine struct {
	node.Process
	tandem     string // the binary
	data       string // its directory
	mqtt, mesh string // addresses for devices and for other nodes
	database   string // URL; "" for SQLite
}

// newNode returns a node with free addresses. Its log is in dir.
func newNode(tandem, data, dir, database string) (*machine, error) {
	n := &machine{
		Process:  node.Process{Name: "the node", Log: filepath.Join(dir, "log")},
		tandem:   tandem,
		data:     data,
		database: database,
	}
	for _, addr := range []*string{&n.Web, &n.Agents, &n.mqtt, &n.mesh} {
		var err error
		if *addr, err = node.FreeAddr(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// start starts the process and waits until it answers.
func (n *machine) start(ctx context.Context) error {
	args := []string{
		n.tandem, "up", "--data", n.data, "--http", n.Web, "--agents", n.Agents, "--mqtt", n.mqtt,
	}
	if n.database != "" {
		args = append(args, "--database", n.database, "--node", "one", "--cluster", n.mesh)
	}
	return n.Start(ctx, args...)
}

// deploy creates agents with their code, and returns their ids. Their devices never
// connect.
func (n *machine) deploy(ctx context.Context, dir, code string, count int) (ids []string, err error) {
	program := filepath.Join(dir, "program")
	if err := os.Mkdir(program, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(program, "agent.nut"), []byte(code), 0o600); err != nil {
		return nil, err
	}
	if _, err := volume.Command(ctx, n.tandem, "deploy", program, "--data", n.data); err != nil {
		return nil, err
	}
	for i := range count {
		out, err := volume.Command(ctx, n.tandem, "device", "add", fmt.Sprint("desk ", i), "--data", n.data)
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
