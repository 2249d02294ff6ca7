package twin

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// Op is an operation. All operations are structs of this package.
type Op interface{ op() }

// write is an operation for the committer.
type write interface {
	Op
	write(transaction) (any, error)
}

// apart is an operation that does not go through the committer.
type apart interface {
	Op
	perform(transaction) (any, error)
}

// transaction is the transaction in which an operation is performed.
type transaction struct {
	db    *Database
	now   time.Time    // by the database's clock
	at    time.Time    // when the operation was submitted, by the node's clock
	fence record.Fence // the node's fence at that time
}

// Begin starts the next incarnation of an agent. Its answer is a uint64.
type Begin struct{ Agent tandem.AgentID }

// Save replaces an agent's table and mark.
type Save struct {
	Agent       tandem.AgentID
	Incarnation uint64
	Table       []byte // the caller must not change it afterwards
	Mark        tandem.Mark
}

// Quarantine records with which code the agent is not to be started.
type Quarantine struct {
	Agent       tandem.AgentID
	Incarnation uint64
	Code        string
}

// Post stores a message of an agent for its device. Its answer is a uint64: the
// number, or 0 when it was posted before and has been handled.
type Post struct {
	Agent       tandem.AgentID
	Incarnation uint64
	Post        record.Post
}

// Handled deletes a post that the device has handled.
type Handled struct {
	Agent tandem.AgentID
	Seq   uint64
}

// End records that an incarnation no longer runs on this node.
type End struct {
	Agent       tandem.AgentID
	Incarnation uint64
	Snapshot    []byte // nil: the incarnation has ended
}

// TakeSnapshot deletes an agent's snapshot. Its answer is the snapshot, a []byte,
// or nil when there is none.
type TakeSnapshot struct{ Agent tandem.AgentID }

// Seen records that a device connected or disconnected.
type Seen struct {
	Device   tandem.DeviceID
	Sighting record.Sighting
}

func (Begin) op()        {}
func (Save) op()         {}
func (Quarantine) op()   {}
func (Post) op()         {}
func (Handled) op()      {}
func (End) op()          {}
func (TakeSnapshot) op() {}
func (Seen) op()         {}

func (o Begin) write(t transaction) (any, error) {
	k := t.kept(o.Agent)
	k.agent, k.snapshot = k.agent.Begin(t.at), nil
	t.db.agents[o.Agent] = k
	return k.agent.Incarnation, nil
}

func (o Save) write(t transaction) (any, error) {
	k := t.kept(o.Agent)
	var err error
	if k.agent, err = k.agent.Save(o.Incarnation, o.Table, o.Mark); err != nil {
		return nil, err
	}
	t.db.agents[o.Agent] = k
	return nil, nil
}

func (o Quarantine) write(t transaction) (any, error) {
	k := t.kept(o.Agent)
	var err error
	if k.agent, err = k.agent.Quarantine(o.Incarnation, o.Code); err != nil {
		return nil, err
	}
	t.db.agents[o.Agent] = k
	return nil, nil
}

func (o Post) write(t transaction) (any, error) {
	k := t.kept(o.Agent)
	if err := k.agent.Check(o.Incarnation); err != nil {
		return nil, err
	}
	if k.posting.Repeats(o.Post) {
		return k.number(o.Post), nil
	}
	bytes := 0
	for _, p := range k.posts {
		bytes += p.Size()
	}
	if err := record.Room(len(k.posts), bytes, o.Post); err != nil {
		return nil, err
	}
	k.posting = k.posting.Next(o.Post, record.Stamp(t.at))
	p := o.Post
	p.Seq = k.posting.Last
	k.posts = append(slices.Clip(k.posts), p)
	t.db.agents[o.Agent] = k
	return p.Seq, nil
}

// number returns the number of a post that was made before, or 0 when it has been
// handled.
func (k kept) number(post record.Post) uint64 {
	for _, p := range k.posts {
		if p.Cause == post.Cause && p.Nth == post.Nth {
			return p.Seq
		}
	}
	return 0
}

func (o Handled) write(t transaction) (any, error) {
	k := t.kept(o.Agent)
	k.posts = slices.DeleteFunc(slices.Clone(k.posts), func(p record.Post) bool { return p.Seq == o.Seq })
	t.db.agents[o.Agent] = k
	return nil, nil
}

func (o End) write(t transaction) (any, error) {
	k := t.kept(o.Agent)
	var err error
	if k.agent, err = k.agent.End(o.Incarnation, o.Snapshot != nil, t.at); err != nil {
		return nil, err
	}
	k.snapshot = o.Snapshot
	t.db.agents[o.Agent] = k
	return nil, nil
}

func (o TakeSnapshot) write(t transaction) (any, error) {
	k := t.kept(o.Agent)
	snapshot := k.snapshot
	k.snapshot = nil
	t.db.agents[o.Agent] = k
	return snapshot, nil
}

func (o Seen) write(t transaction) (any, error) {
	if d, known := t.db.devices[o.Device]; known {
		t.db.devices[o.Device] = d.Seen(o.Sighting)
	}
	return nil, nil
}

// kept returns the records of an agent, which are empty when it has never run.
func (t transaction) kept(id tandem.AgentID) kept {
	k := t.db.agents[id]
	k.agent.ID = id
	return k
}
