package record

import (
	"fmt"
	"hash/crc32"

	"github.com/tandem-iot/tandem"
)

// Sum is the checksum of a record, CRC-32C. It is made of the record's key and its
// fields, each with its length, so that a field that has ended up in another record
// is noticed, too. The zero value is that of no fields.
type Sum uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// one returns the sum with a byte. Package crc32 is faster for long data, and has short data
// escape to the heap.
func (s Sum) one(b byte) Sum { return ^Sum(castagnoli[byte(^s)^b] ^ uint32(^s)>>8) }

// Number returns the sum with a number.
func (s Sum) Number(n uint64) Sum {
	for shift := 56; shift >= 0; shift -= 8 {
		s = s.one(byte(n >> shift))
	}
	return s
}

// Bytes returns the sum with a field.
func (s Sum) Bytes(b []byte) Sum {
	return Sum(crc32.Update(uint32(s.Number(uint64(len(b)))), castagnoli, b))
}

// Text is Bytes for a string.
func (s Sum) Text(t string) Sum {
	const short = 64
	if len(t) > short {
		return s.Bytes([]byte(t))
	}
	s = s.Number(uint64(len(t)))
	for i := range len(t) {
		s = s.one(t[i])
	}
	return s
}

// SumSaved is the checksum of an agent's table and mark.
func SumSaved(id tandem.AgentID, table []byte, mark tandem.Mark) Sum {
	return Sum(0).Text(string(id)).Number(mark.Boot).Number(mark.Seq).Bytes(table)
}

// SumSnapshot is the checksum of an agent's snapshot.
func SumSnapshot(id tandem.AgentID, data []byte) Sum { return Sum(0).Text(string(id)).Bytes(data) }

// SumPost is the checksum of a post.
func SumPost(id tandem.AgentID, p Post) Sum {
	return Sum(0).Text(string(id)).Number(p.Seq).Text(p.Name).Bytes(p.Data)
}

// Sum is the checksum of the numbering of an agent's posts.
func (p Posting) Sum(id tandem.AgentID) Sum {
	return Sum(0).Text(string(id)).Number(p.Last).Number(p.Cause.Boot).Number(p.Cause.Seq).Number(uint64(p.Nth))
}

// Damaged is the error of a record that is not what was written, or is gone. Nothing
// is done with such a record.
type Damaged struct {
	What   string // the kind of record, and which one
	Remedy string
}

func (d *Damaged) Error() string { return d.What + " is damaged; " + d.Remedy }

// The remedies of damage.
const (
	remedyRestore = "restore the database from a backup, or delete the record and make it again; " +
		"if it was changed by hand, set its sum to NULL"
	remedyAgent = "restore the database from a backup, or give up what it has saved with " +
		"\"tandem restart agent DEVICE --give-up-saved\"; if it was changed by hand, set its sum to NULL"
)

// DamagedRow is the error of a damaged record of the control plane.
func DamagedRow(noun, key string) error {
	return &tandem.Error{Kind: tandem.Internal, Msg: "the store is damaged",
		Err: &Damaged{"the record of " + noun + " " + key, remedyRestore}}
}

// DamagedAgent is the error of a damaged record of an agent. what says which part.
func DamagedAgent(id tandem.AgentID, what string) error {
	return &tandem.Error{Kind: tandem.Internal, Msg: "the store is damaged",
		Err: &Damaged{fmt.Sprintf("the %s of agent %s", what, id), remedyAgent}}
}

// DamagedSnapshot is the error of a damaged snapshot, which is taken only once.
func DamagedSnapshot(id tandem.AgentID) error {
	return &tandem.Error{Kind: tandem.Internal, Msg: "the store is damaged", Err: &Damaged{
		fmt.Sprintf("the memory that agent %s was kept with when its node stopped", id),
		"it starts from what it saved last",
	}}
}

// DamagedPost is the error of a damaged post, which is not sent.
func DamagedPost(id tandem.AgentID, seq uint64) error {
	return &tandem.Error{Kind: tandem.Internal, Msg: "the store is damaged", Err: &Damaged{
		fmt.Sprintf("message %d of agent %s for its device", seq, id), "it is not sent; " + remedyAgent,
	}}
}
