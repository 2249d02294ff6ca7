package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// DefaultCluster is the address at which a node listens for the other nodes.
const DefaultCluster = "127.0.0.1:7422"

// Cluster makes a node part of a cluster. All nodes share a database, by which they know
// each other's keys and addresses. They communicate over connections that they make to each
// other, or over existing NATS servers.
type Cluster struct {
	Database string // URL of the PostgreSQL database
	Node     string // name of this node, unique in the cluster; "": a name made once and kept in Dir
	NATS     string // URLs of existing servers; "": the nodes connect to each other
	// Without NATS:
	Listen    string // address for other nodes; "" is DefaultCluster
	Advertise string // address at which other nodes reach this one, if it is not Listen
	Lease     time.Duration

	leave time.Duration // for moving its agents to other nodes when it stops; 0: leaveWait
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

// openCluster opens the database and the network between the nodes, and claims the node's
// name last: whatever fails before, no other node notices.
func (n *node) openCluster(ctx context.Context) (err error) {
	if n.name, err = n.nodeName(); err != nil {
		return err
	}
	if n.store, err = store.OpenPostgres(ctx, n.Cluster.Database); err != nil {
		return err
	}
	n.closers = append(n.closers, n.store.Close)
	id, err := mesh.NewIdentity()
	if err != nil {
		return err
	}
	if n.Cluster.NATS != "" {
		n.net, err = mesh.Dial(ctx, n.Cluster.NATS, n.logger)
	} else {
		n.net, err = mesh.Listen(ctx, mesh.ListenOptions{
			Identity: id, Listen: n.Cluster.listen(), Advertise: n.Cluster.Advertise,
			Logger: n.logger,
		})
	}
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.net.Close)
	claim := record.Claim{Node: n.name, Key: id.Key(), Address: n.net.Addr(), Holder: n.lock.Holder}
	return n.store.Claim(ctx, claim, cmp.Or(n.Cluster.Lease, cluster.DefaultLease))
}

// listen returns the address for other nodes.
func (c *Cluster) listen() string { return cmp.Or(c.Listen, DefaultCluster) }

// assembleCluster makes the cluster.Cluster of this node.
func (n *node) assembleCluster(url string) {
	n.cluster = &cluster.Cluster{
		Store: n.store, Host: n.host, Log: n.log, Net: n.net, Clock: n.clock, Logger: n.logger,
		Lease: n.Cluster.Lease,
		Info:  record.Node{ID: n.name, URL: url, MQTT: n.mqtt.Addr().String(), Version: n.Version, Started: time.Now()},
	}
	n.host.Join(n.cluster, n.name, n.store.Shards())
	n.log.Join(n.cluster)
}

// collectCluster reads the figures about other nodes. A node that is alone has them too.
func (f figures) collectCluster(p page) {
	a := f.n.nodes()
	p.by(prometheus.CounterValue, "node_connections_refused_total",
		"Connections to the port for other nodes that were refused, by cause.", "cause", a.Refused)
	p.by(prometheus.CounterValue, "node_faults_total",
		"Frames and messages of other nodes that were ignored, and panics at them, by cause.", "cause", a.Faults)
}

// nodes returns the counts of the network between the nodes.
func (n *node) nodes() mesh.Activity {
	if n.net == nil {
		return new(mesh.Network).Activity()
	}
	return n.net.Activity()
}

// overNodes returns how often the limits for other nodes were met.
func (n *node) overNodes() map[string]int64 {
	refused := n.nodes().Refused
	over := map[string]int64{tandem.OverNodeConnections: refused[mesh.RefusedCrowd] + refused[mesh.RefusedSlow]}
	if n.cluster != nil {
		maps.Copy(over, n.cluster.Over())
	}
	return over
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
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(n.Cluster.leave, leaveWait))
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
