package twin

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// What follows is for the checks of a simulation: it shows the database as it is, which no
// node sees.

// Lease returns the session that a node's last registration has, and when its lease ends. ok
// is false when the node is not part of the cluster.
func (db *Database) Lease(node string) (session int64, ends time.Time, ok bool) {
	n := db.nodes[node]
	return n.session, n.expires, n.leased
}

// Draining reports whether a node has said that it is to be emptied.
func (db *Database) Draining(node string) bool { return db.nodes[node].info.Draining }

// Shard returns the row of a shard.
func (db *Database) Shard(i int) record.Shard { return db.shards[i] }

// Kept returns the record of an agent.
func (db *Database) Kept(id tandem.AgentID) record.Agent { return db.agents[id].agent }

// Agents returns the agents that have a record, in their order.
func (db *Database) Agents() (ids []tandem.AgentID) {
	for id := range db.agents {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
