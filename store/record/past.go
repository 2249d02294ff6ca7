package record

import (
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
)

// Seen is how far a database is, as a node has seen it or as it is now. A history
// ends when the database goes back to an earlier state: the node that notices begins
// the next one.
type Seen struct {
	Database string // its id; "": none was seen
	Number   int64  // of the history, which only grows
	History  string // the history's id
	Node     string // whose transactions are counted
	Count    int64  // of the node's transactions, which only grows
	Renewals int64  // of the node's lease, which only grow; 0: the node has renewed none since its start
	Version  int64  // of the membership, which only grows
}

// Past is what a node concludes from a database that it has seen before.
type Past uint8

const (
	Onward  Past = iota // everything that the node has seen is there
	Back                // the database went back, and no node has noticed yet
	Newer               // the database went back, and a node has begun a new history
	Another             // it is another database
)

// Compare returns what a node that has seen s concludes from a database that is now
// as db.
func (s Seen) Compare(db Seen) Past {
	switch {
	case s.Database == "":
		return Onward
	case s.Database != db.Database:
		return Another
	case db.Number > s.Number || db.Number == s.Number && db.History != s.History:
		return Newer
	case db.Number < s.Number || db.Version < s.Version,
		s.Node == db.Node && (db.Count < s.Count || db.Renewals < s.Renewals):
		return Back
	}
	return Onward
}

// HistoryStep is what each new history adds to epochs, sessions and the version. More
// changes than that are not lost at a time, so none of the new numbers has been
// used before, although no node knows the largest one.
const HistoryStep = 1 << 32

// Rescue is what a node has of an agent in memory that the database may have lost.
type Rescue struct {
	Agent  Agent
	Posts  []Post  // those that wait for the device, as far as they are in memory
	Made   Posting // as of the newest post that had a cause, whether it waits or not
	Device tandem.DeviceID
}

// Supersedes reports whether a rescue replaces the record that the database has. A
// larger incarnation there is that of another node, which had the agent later.
func (r Rescue) Supersedes(have Agent) bool { return have.Incarnation <= r.Agent.Incarnation }

// RescueAhead is how far ahead of the time the numbers of an agent's posts begin after a rescue.
// The numbers that have been lost are not known any more; they came from the clocks of nodes,
// none of which is as wrong as that.
const RescueAhead = time.Minute

// Posting returns the numbering of posts after a rescue, by the database's clock. The next post
// gets a larger number than all that the device has handled.
func (r Rescue) Posting(have Posting, now time.Time) Posting {
	have.Last = max(have.Last, uint64(now.Add(RescueAhead).UnixMilli()))
	made := Post{Seq: r.Made.Last, Cause: r.Made.Cause, Nth: r.Made.Nth}
	for _, p := range append(r.Posts[:len(r.Posts):len(r.Posts)], made) {
		have.Last = max(have.Last, p.Seq)
		if p.Cause.After(have.Cause) || p.Cause == have.Cause && p.Nth > have.Nth {
			have.Cause, have.Nth = p.Cause, p.Nth
		}
	}
	return have
}

// WentBack is the error of writes to a database that went back in time.
func WentBack() error {
	return tandem.Errorf(tandem.Conflict, "the database went back to an earlier state: this node's newest transactions "+
		"are not in it; the node joins again")
}

// Wrong is the error for a node whose directory belongs to another database.
func Wrong(file string, seen, db Seen) error {
	return tandem.Errorf(tandem.Conflict, "this data directory belongs to the database with id %s, "+
		"and this one has id %s; correct the database's URL, or delete %s if the node is to change over",
		seen.Database, db.Database, file)
}

// Gap describes what a database that went back lacks, for the operator.
func (s Seen) Gap(db Seen) string {
	if db.Number < s.Number {
		return fmt.Sprintf("it is in history %d, and this node saw history %d", db.Number, s.Number)
	}
	return fmt.Sprintf("it has transactions up to %d of this node, %d renewals of its lease, and membership version %d; "+
		"this node saw %d, %d and %d", db.Count, db.Renewals, db.Version, s.Count, s.Renewals, s.Version)
}
