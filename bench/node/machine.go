package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/tandem-iot/tandem/internal/child"
)

// Machine is a node with its files and addresses, which are the same each time it is started.
type Machine struct {
	Process
	Data     string // its directory
	MQTT     string // where it listens for devices
	Database string // URL; "" for SQLite

	Binary string // of tandem

	mesh string // where it listens for other nodes
}

// NewMachine returns a node with free addresses. A database makes it one of a cluster.
func NewMachine(binary, data, log, database string) (*Machine, error) {
	m := &Machine{Process: Process{Name: "the node", Log: log}, Data: data, Database: database, Binary: binary}
	for _, addr := range []*string{&m.Web, &m.Agents, &m.MQTT, &m.mesh} {
		var err error
		if *addr, err = FreeAddr(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Up starts the process and waits until it answers.
func (m *Machine) Up(ctx context.Context) error {
	args := []string{m.Binary, "up", "--data", m.Data, "--http", m.Web, "--agents", m.Agents, "--mqtt", m.MQTT}
	if m.Database != "" {
		args = append(args, "--database", m.Database, "--node", "one", "--cluster", m.mesh)
	}
	return m.Start(ctx, args...)
}

// Deploy deploys the code of a pair, by the names of its files. They are kept in dir, which must
// not exist.
func (m *Machine) Deploy(ctx context.Context, dir string, code map[string]string) error {
	err := os.Mkdir(dir, 0o700)
	for name, text := range code {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	if err == nil {
		_, err = child.Output(ctx, m.Binary, "deploy", dir, "--data", m.Data)
	}
	return err
}

// Device is a device, the URL of its agent, and what the command has said of both: the file by
// which a program knows who it is.
type Device struct{ ID, Key, URL, Identity string }

var made = regexp.MustCompile(`^ID=(\S+)\nKEY=(\S+)\nURL=(\S+)\n`)

// AddDevice makes a device that runs what was deployed.
func (m *Machine) AddDevice(ctx context.Context, name string) (Device, error) {
	out, err := child.Output(ctx, m.Binary, "device", "add", name, "--data", m.Data)
	if err != nil {
		return Device{}, err
	}
	words := made.FindStringSubmatch(out)
	if words == nil {
		return Device{}, fmt.Errorf("tandem device add prints %q", out)
	}
	return Device{words[1], words[2], words[3], out}, nil
}
