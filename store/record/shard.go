package record

import "github.com/tandem-iot/tandem"

// Shard is the row of a shard.
type Shard struct {
	Shard  int
	Owner  string // a node; empty: none
	Epoch  int64  // raised with every change of the owner
	Target string // the node that should own it; empty: not planned
}

// Assign carries out a plan for a shard. The plan names the Owner and Epoch
// that it was made for. When those are no longer the shard's, or when the target
// is not able, which means registered, nothing changes. In a shard without an
// owner the target becomes the owner at once.
func (s Shard) Assign(plan Shard, able bool) (Shard, bool) {
	if s.Owner != plan.Owner || s.Epoch != plan.Epoch || plan.Target != "" && !able {
		return s, false
	}
	s.Target = plan.Target
	if s.Owner == "" && s.Target != "" {
		s.Owner = s.Target
		s.Epoch++
	}
	return s, true
}

// HandOver gives a shard from its owner, at the epoch that the owner knows, to
// another node or to the same. It returns false when from does not own the shard
// at that epoch.
func (s Shard) HandOver(from string, epoch int64, to string) (Shard, bool) {
	if s.Owner != from || s.Epoch != epoch {
		return s, false
	}
	s.Owner = to
	s.Epoch++
	return s, true
}

// Abandon takes a shard from a node that has left or been declared lost.
func (s Shard) Abandon(node string) (Shard, bool) {
	if s.Owner != node {
		return s, false
	}
	s.Owner = ""
	s.Epoch++
	return s, true
}

// HandedOver returns an error when not all shards of a handover could be given;
// then none is given.
func HandedOver(given, asked int) error {
	if given < asked {
		return tandem.Errorf(tandem.Conflict, "this node no longer owns %d of %d shards at their epochs", asked-given, asked)
	}
	return nil
}

// Taker reports whether from can give shards to a node in a session: that is the
// node's session, and the node is alive or is from itself.
func Taker(node Node, session int64, from string) bool {
	return node.Session == session && (node.Alive || node.ID == from)
}

// NotAlive is the error of a handover to a node that is no Taker.
func NotAlive(node string, session int64) error {
	return tandem.Errorf(tandem.Conflict, "node %s is not alive in session %d; its shards stay", node, session)
}
