// Package twin is the store in memory, for simulations: the part of package store
// that host and cluster use, on one goroutine, in an order and at times that the
// caller chooses. It decides with the same functions, those of package record,
// and the suite in store/storetest checks that it behaves as SQLite and
// PostgreSQL do.
//
//	db := twin.New(placement.DefaultShards)
//	s := db.Open()                                    // a node's store
//	number, err := s.Submit(now, twin.Begin{Agent: id})
//	result := s.Commit(now, s.Next(), twin.Done)      // when the world says that it is durable
//	result.Answers[0].Value                           // the incarnation, a uint64
//
// # Operations
//
// An operation is a value. Submit queues it and returns its number; it has no
// effect yet. There are two kinds of operation, as in package store:
//
// The writes of agents, and Handover, go through the committer in the order in
// which they were submitted. Next says how many of them share the next
// transaction, and Commit makes it.
//
// All others, which are the reads and the operations on the cluster, are
// performed one by one, in any order, by Perform.
//
// # Outcomes
//
// The caller chooses the outcome of a transaction: Done; Lost, when it is durable
// but the node gets Unavailable; or Refused, when it is not durable and the node
// gets Unavailable. To crash a node before a transaction, call Stop and ignore
// its answers; to crash it after one, call Commit and then Stop.
//
// Nothing here waits, starts a goroutine, reads a clock or a random source, or
// shows the order of a map. Fork copies a database, and what the nodes have
// submitted, so that a simulation can go on in several ways from one point.
package twin

import (
	"maps"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// Database is the database that the nodes of a cluster share, as of the last
// commit.
type Database struct {
	agents      map[tandem.AgentID]kept
	devices     map[tandem.DeviceID]record.Device
	groups      map[string]record.Group
	products    map[string]record.Product
	deployments map[string]record.Deployment
	libraries   map[tandem.LibraryID]string

	nodes   map[string]node
	shards  []record.Shard
	version int64
	planner record.Planner
}

// kept has the records of an agent. Values are replaced, never changed in place.
type kept struct {
	agent    record.Agent
	snapshot []byte
	posting  record.Posting
	posts    []record.Post
}

// New returns the database of a new cluster.
func New(shards int) *Database {
	db := &Database{
		agents:      map[tandem.AgentID]kept{},
		devices:     map[tandem.DeviceID]record.Device{},
		groups:      map[string]record.Group{},
		products:    map[string]record.Product{},
		deployments: map[string]record.Deployment{},
		libraries:   map[tandem.LibraryID]string{},
		nodes:       map[string]node{},
		shards:      make([]record.Shard, shards),
	}
	for i := range db.shards {
		db.shards[i].Shard = i
	}
	return db
}

// Fork returns a copy. The stores of nodes stay with the original; see
// Store.Fork.
func (db *Database) Fork() *Database {
	fork := *db
	fork.agents = maps.Clone(db.agents)
	fork.devices = maps.Clone(db.devices)
	fork.groups = maps.Clone(db.groups)
	fork.products = maps.Clone(db.products)
	fork.deployments = maps.Clone(db.deployments)
	fork.libraries = maps.Clone(db.libraries)
	fork.nodes = maps.Clone(db.nodes)
	fork.shards = slices.Clone(db.shards)
	return &fork
}

// The operations of operators change the database directly.

// PutDevice adds or replaces a device.
func (db *Database) PutDevice(d record.Device) { db.devices[d.ID] = d }

// PutGroup adds or replaces a device group.
func (db *Database) PutGroup(g record.Group) { db.groups[g.ID] = g }

// PutProduct adds or replaces a product.
func (db *Database) PutProduct(p record.Product) { db.products[p.ID] = p }

// PutDeployment adds or replaces a deployment.
func (db *Database) PutDeployment(d record.Deployment) { db.deployments[d.ID] = d }

// PutLibrary adds the source of a library.
func (db *Database) PutLibrary(id tandem.LibraryID, code string) { db.libraries[id] = code }

// DeleteDevice deletes a device and all records of its agent.
func (db *Database) DeleteDevice(id tandem.DeviceID) {
	delete(db.agents, db.devices[id].Agent)
	delete(db.devices, id)
}
