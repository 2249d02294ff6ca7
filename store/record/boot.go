package record

import "github.com/tandem-iot/tandem"

// Boot names a boot of a device. Numbers of boots grow, but those of a directory that was
// lost, restored or copied may be used twice; ids are random. A device that runs another
// runtime than ours has no ids. The zero value is no boot.
type Boot struct {
	Number       uint64 `cbor:"1,keyasint,omitempty"`
	ID           string `cbor:"2,keyasint,omitempty"`
	Installation string `cbor:"3,keyasint,omitempty"` // id of the device's directory
}

// Foreign is the id of a boot whose number was seen in messages, and of which no hello told.
const Foreign = "-"

// is reports whether two names are of one boot.
func (b Boot) is(o Boot) bool { return b.Number == o.Number && b.ID == o.ID }

// BootClaim is what a device says of its boots.
type BootClaim struct {
	Boot           // the one it is in
	Heard   Boot   // the last that it knows the server to have heard of
	Unheard []Boot // those between the two
}

// Continuity says how a device's boot continues what has been heard of it before.
type Continuity uint8

const (
	SameBoot Continuity = iota + 1 // it is the boot that was heard of last
	NextBoot                       // it is a later one of the same history: its numbers are above all before
	Forked                         // it is of another history: its numbers mean nothing yet
	Nameless                       // the number went back, and the device knows no ids: its numbers mean nothing
)

// Judge compares what a device says with the last boot that was heard of.
//
// An older database is no other history: the device then knows of a later boot that has been
// heard of than the database does, and its numbers are above those that the database has.
func (b Boot) Judge(c BootClaim) Continuity {
	switch {
	case c.Number == 0:
		return SameBoot // it does not count its boots, and does not number messages
	case b.Number >= tandem.MaxBoot:
		return Nameless // no number is above it
	case c.ID == "" && c.Number < b.Number, c.ID == "" && c.Number == b.Number && b.ID == Foreign:
		return Nameless
	case c.Number == b.Number && (c.ID == "" || c.ID == b.ID):
		return SameBoot
	case c.Number == b.Number && b.ID == "":
		return NextBoot // as far as the number tells; now it has an id
	case c.Number <= b.Number:
		return Forked
	case b.Number == 0, c.ID == "", b.ID == "", b.ID == Foreign, b.is(c.Heard):
		return NextBoot
	case c.Heard.Number > b.Number && c.Installation == b.Installation:
		return NextBoot
	}
	for _, own := range c.Unheard {
		if b.is(own) {
			return NextBoot
		}
	}
	return Forked
}
