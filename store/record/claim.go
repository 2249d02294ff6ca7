package record

import (
	"time"

	"github.com/tandem-iot/tandem"
)

// Claim is the row of a node's name: who has it, and how the others know and reach it.
type Claim struct {
	Node    string
	Key     string // hash of the run's public key
	Address string // where the other nodes reach it; "": not by an address of its own
	// Holder names the lock on the node's data directory. The process that holds the same lock is its
	// successor: the process that had it before has ended. "": the lock cannot be recognised.
	Holder string
}

// Use is what the database has about the use of a name.
type Use struct {
	Holder  string    // of the claim
	Expires time.Time // of the claim or the lease, whichever is later
}

// Verdict is what follows for a node that wants a name.
type Verdict uint8

// Verdicts.
const (
	Take  Verdict = iota // the name is not in use
	Wait                 // the lease has not run out; look again
	InUse                // another node uses the name
)

// Judge decides whether a node may take a name. Its holder is that of the claim; before
// is the Use that it saw first, nil for the first time. A lease that is renewed meanwhile
// is that of a running node.
func (u Use) Judge(holder string, now time.Time, before *Use) Verdict {
	switch {
	case holder != "" && u.Holder == holder, !u.Expires.After(now):
		return Take
	case before != nil && u.Expires.After(before.Expires):
		return InUse
	}
	return Wait
}

// NameInUse is the error of a node whose name another one has.
func NameInUse(node string) error {
	return tandem.Errorf(tandem.Conflict,
		"another node has the name %s: give this one another name with --node, or leave --node out and give it "+
			"a data directory of its own with --data", node)
}

// EarlierVersion is the error of a node that finds a running node of a version that it
// cannot talk to.
func EarlierVersion(node, version string) error {
	return tandem.Errorf(tandem.Conflict,
		"node %s runs version %s, which cannot talk to this one: stop all nodes of that version, then start this one",
		node, version)
}
