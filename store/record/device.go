package record

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/tandem-iot/tandem"
)

// A Device is a device and, by the agent's id, its agent.
type Device struct {
	ID               tandem.DeviceID
	Agent            tandem.AgentID // never changes; not shown while unassigned
	Owner            string         // account
	Group            string         // empty: unassigned
	Name             string
	KeyHash          []byte // Hash of the device's key
	Type             string // what kind of device, as the API's imp_type
	MAC              string // aa:bb:cc:dd:ee:ff, or empty
	Enrolled         time.Time
	Created, Updated time.Time

	// The last connection. Only the device's host knows whether it is online now.
	Changed time.Time // when it last connected or disconnected
	Address string    // IP address
	Runtime string    // name and version of the device's runtime
	// Boot and Incarnation are those of the newest start of its code that it has
	// reported, zero when it has reported none.
	Boot, Incarnation uint64
	// Heard is the last boot by which it numbers messages.
	Heard Boot
}

// HasKey reports whether key is the device's. It takes the same time for every
// wrong key.
func (d Device) HasKey(key string) bool {
	return subtle.ConstantTimeCompare(d.KeyHash, Hash(key)) == 1
}

// Hash returns the hash under which random secrets are stored: device keys and
// tokens.
func Hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// A Sighting is the news of a device that connected, disconnected or started.
// Empty fields leave the record's fields unchanged.
type Sighting struct {
	At                time.Time
	Address, Runtime  string
	Boot, Incarnation uint64
	Heard             Boot
}

// Seen returns the device after a sighting.
func (d Device) Seen(what Sighting) Device {
	d.Changed = Stamp(what.At)
	if what.Address != "" {
		d.Address = what.Address
	}
	if what.Runtime != "" {
		d.Runtime = what.Runtime
	}
	if what.Boot != 0 {
		d.Boot, d.Incarnation = what.Boot, what.Incarnation
	}
	if what.Heard.Number != 0 {
		d.Heard = what.Heard
	}
	return d
}

// Absent is the error of a look-up that found no record. noun is the kind of
// record.
func Absent(noun string) error {
	return tandem.Errorf(tandem.NotFound, "there is no such %s", noun)
}
