package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// DefaultCluster is the address at which a node listens for the other nodes.
const DefaultCluster = "127.0.0.1:7422"

// Cluster makes a node part of a cluster. All nodes share a database. They communicate
// over existing NATS servers, or over NATS servers of their own.
type Cluster struct {
	Database string // URL of the PostgreSQL database
	Node     string // name of this node, unique in the cluster; "": a name made once and kept in Dir
	NATS     string // URLs of existing servers; "": the nodes run their own
	// Without NATS:
	Listen    string   // address for other nodes; "" is DefaultCluster
	Advertise string   // address at which other nodes reach this one, if it is not Listen
	Join      []string // host:port of other nodes, one of which must be running; none for the first node
	Lease     time.Duration
}

// nodeFile is the name of the file in a node's directory that holds the node's name.
const nodeFile = "node"

// nodeName returns the node's name, which stays the same as long as its directory
// exists.
func (n *node) nodeName() (string, error) {
	if n.Cluster.Node != "" {
		return n.Cluster.Node, checkNodeName(n.Cluster.Node)
	}
	file := filepath.Join(n.Dir, nodeFile)
	data, err := os.ReadFile(file)
	if err == nil {
		name := strings.TrimSpace(string(data))
		return name, checkNodeName(name)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	host, err := os.Hostname()
	if err != nil || checkNodeName(host) != nil {
		host = "node"
	}
	var b [2]byte
	rand.Read(b[:])
	name := host + "-" + hex.EncodeToString(b[:])
	return name, os.WriteFile(file, []byte(name+"\n"), 0o600)
}

func checkNodeName(name string) error {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			name = ""
			break
		}
	}
	if name == "" || len(name) > 63 {
		return tandem.Errorf(tandem.Invalid, "a node's name has 1 to 63 letters, digits, and characters of -_.")
	}
	return nil
}

// openCluster opens the connections to the database and NATS. NATS is connected before
// the node registers as a member.
func (n *node) openCluster(ctx context.Context) (err error) {
	if n.name, err = n.nodeName(); err != nil {
		return err
	}
	if n.store, err = store.OpenPostgres(ctx, n.Cluster.Database); err != nil {
		return err
	}
	n.closers = append(n.closers, n.store.Close)
	if n.Cluster.NATS != "" {
		n.net, err = mesh.Dial(ctx, n.Cluster.NATS, n.logger)
	} else {
		n.net, err = n.embed(ctx)
	}
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.net.Close)
	return nil
}

func (n *node) embed(ctx context.Context) (*mesh.Network, error) {
	m, err := n.store.Membership(ctx, -1)
	if err != nil {
		return nil, err
	}
	o := mesh.EmbedOptions{
		Name: n.name, Listen: n.Cluster.listen(), Advertise: n.Cluster.Advertise, Join: n.Cluster.Join,
		Secret: m.Secret, Logger: n.logger,
	}
	return mesh.Embed(ctx, o)
}

// listen returns the address for other nodes.
func (c *Cluster) listen() string { return cmp.Or(c.Listen, DefaultCluster) }

// assembleCluster makes the cluster.Cluster of this node.
func (n *node) assembleCluster(url string) {
	n.cluster = &cluster.Cluster{
		Store: n.store, Host: n.host, Log: n.log, Conn: n.net.Conn(), Clock: n.clock, Logger: n.logger,
		Lease: n.Cluster.Lease,
		Info:  record.Node{ID: n.name, URL: url, MQTT: n.mqtt.Addr().String(), Version: n.Version, Started: time.Now()},
	}
	n.host.Join(n.cluster, n.name, n.store.Shards())
	n.log.Join(n.cluster)
}

// Limits of the time in which a node leaves.
const (
	leaveWait = 60 * time.Second // for moving its agents to other nodes
	byeWait   = 5 * time.Second  // for deregistering in the database
)

// awaitCluster waits until the node is part of the cluster.
func (n *node) awaitCluster(ctx context.Context) {
	select {
	case <-n.cluster.Ready():
	case <-ctx.Done():
	}
}

// drain moves all agents to other nodes before this node stops. Like settle and leave it
// does nothing for a node without a cluster.
func (n *node) drain(ctx context.Context) {
	if n.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaveWait)
	defer cancel()
	if err := n.cluster.Drain(ctx); err != nil {
		n.logger.Error("the node stops before all agents have moved; it saves those that are left, "+
			"and another node resumes them", "err", err)
	}
}

// settle waits until the owners of the agents know that this node's devices are
// disconnected.
func (n *node) settle(ctx context.Context) {
	if n.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, byeWait)
	defer cancel()
	if err := n.cluster.Settle(ctx); err != nil {
		n.logger.Warn("some nodes did not confirm that this node's devices are disconnected", "err", err)
	}
}

// leave deregisters the node in the database. If that fails, its lease expires
// and the other nodes declare it lost.
func (n *node) leave(ctx context.Context) {
	if n.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, byeWait)
	defer cancel()
	if err := n.cluster.Leave(ctx); err != nil {
		n.logger.Warn("cannot deregister the node in the database; its lease expires instead", "err", err)
	}
}
