package record

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// Credentials is what there is to know of a device's key besides Device.KeyHash. The zero
// value, but for Device, is that of a device whose key was never rotated or revoked.
type Credentials struct {
	Device   tandem.DeviceID
	Changed  int       // number of the last change that nodes must look at
	Revoked  time.Time // when the device was last revoked; zero: never
	Rotation Rotation  // under way
	Began    time.Time // when the rotation was ordered
	Deadline time.Time // from when on the old key is refused; zero: when a new one was used
	Handed   time.Time // when the device was last given a new key; zero: not yet
	Next     []byte    // hashes of the keys that the device may have by now, the newest first
}

// Rotation says how a device gets its new key.
type Rotation string

// Ways of rotation.
const (
	NoRotation Rotation = ""
	ByLink     Rotation = "link"    // over its connection, as soon as it has one
	Printed    Rotation = "printed" // from the operator; both keys are valid until the deadline
)

// maxNext bounds how many new keys of a rotation are valid. A device has the newest one, or the
// one before, when the newest was lost on its way.
const maxNext = 8

// revokedMark is in front of the hash of a key that was revoked, so that no key matches, and the
// bearer of the revoked one can be told.
const revokedMark = 'r'

// IsRevoked reports whether the device was revoked and has no new key since.
func (d Device) IsRevoked() bool { return len(d.KeyHash) > sha256.Size }

// Revoke makes the device's key worthless.
func (d *Device) Revoke() {
	if !d.IsRevoked() {
		d.KeyHash = append([]byte{revokedMark}, d.KeyHash...)
	}
}

// KeyVerdict is what a key is to a device.
type KeyVerdict uint8

// Verdicts of keys.
const (
	WrongKey   KeyVerdict = iota
	GoodKey               // the device's key
	NewKey                // the one of a rotation, which takes the old one's place with its use
	OldKey                // the old one, after the deadline of the rotation
	RevokedKey            // the one that the device had when it was revoked
)

// Judge says what a key is. It takes the same time for every wrong key.
func (c Credentials) Judge(d Device, key string, now time.Time) KeyVerdict {
	hash := Hash(key)
	switch {
	case d.IsRevoked():
		if subtle.ConstantTimeCompare(d.KeyHash[1:], hash) == 1 {
			return RevokedKey
		}
		return WrongKey
	case c.Rotation != NoRotation && c.isNext(hash):
		return NewKey
	case !d.HasKey(key):
		return WrongKey
	case c.expired(now):
		return OldKey
	}
	return GoodKey
}

// isNext reports whether a key with the given hash is one that the device may have by now.
func (c Credentials) isNext(hash []byte) bool {
	is := 0
	for h := range slices.Chunk(c.Next, sha256.Size) {
		is |= subtle.ConstantTimeCompare(h, hash)
	}
	return is == 1
}

// Allows reports whether a key with the given hash is the device's, or may become it. A revoked
// device has none.
func (c Credentials) Allows(d Device, hash []byte) bool {
	return bytes.Equal(d.KeyHash, hash) || c.isNext(hash)
}

func (c Credentials) expired(now time.Time) bool {
	return c.Rotation != NoRotation && !c.Deadline.IsZero() && !now.Before(c.Deadline)
}

// Until returns when a key that Judge has called good stops being so; zero: never.
func (c Credentials) Until() time.Time {
	if c.Rotation == NoRotation {
		return time.Time{}
	}
	return c.Deadline
}

// Hand notes that a key with the given hash is on its way to the device.
func (c *Credentials) Hand(hash []byte, now time.Time) {
	c.Next = append(bytes.Clone(hash), c.Next...)
	c.Next = c.Next[:min(len(c.Next), maxNext*sha256.Size)]
	c.Handed = now
}

// Use notes that the device has used the new key with the given hash. It reports whether the
// rotation is over: then d has that key and no other. While a rotation of a printed key lasts,
// the old one stays valid until its deadline.
func (c *Credentials) Use(d *Device, hash []byte, now time.Time) bool {
	if c.Rotation == NoRotation || c.Rotation == Printed && !c.Deadline.IsZero() && now.Before(c.Deadline) {
		return false
	}
	if !c.isNext(hash) {
		return false
	}
	d.KeyHash = bytes.Clone(hash)
	c.end()
	return true
}

// end forgets the rotation.
func (c *Credentials) end() {
	*c = Credentials{Device: c.Device, Changed: c.Changed, Revoked: c.Revoked}
}

// Begin begins a rotation, in place of one that is under way. Keys that the device may have got
// by that one stay valid. hash is that of the printed key; nil: the device is given a key by its
// link.
func (c *Credentials) Begin(hash []byte, deadline, now time.Time) {
	c.Rotation, c.Began = ByLink, now
	c.Deadline, c.Handed = deadline, time.Time{}
	if hash != nil {
		c.Rotation = Printed
		c.Hand(hash, now)
	}
}

// Revoke revokes the device: no key and no certificate of before is valid.
func (c *Credentials) Revoke(d *Device, now time.Time) {
	c.end()
	c.Revoked = now
	d.Revoke()
}

// Enrol gives the device a new key. Former ones are worthless.
func (c *Credentials) Enrol(d *Device, hash []byte) {
	c.end()
	d.KeyHash = bytes.Clone(hash)
}

// A Certificate is a certificate of a device.
type Certificate struct {
	ID              string // SHA-256 of the certificate in lower-case hexadecimal
	Device          tandem.DeviceID
	Subject, Issuer string    // for people
	Expires         time.Time // zero: it is not known yet
	Created         time.Time // when it was issued, named by an operator, or first seen
	Revoked         time.Time // zero: it is valid
}

// A ClaimCode is a claim code, by which one device enrols.
type ClaimCode struct {
	ID      string
	Hash    []byte          // of the code
	Group   string          // of the device that enrols; "": none
	Device  tandem.DeviceID // that the code is for, or that has used it; "": a new one
	Name    string          // for a new device
	Creator string          // account
	Created time.Time
	Expires time.Time
	Used    time.Time // zero: not yet
	KeyHash []byte    // of the key of the device that has used it
}

// Check returns nil when a device whose key has the given hash may use the code: for the first
// time, or again.
func (c *ClaimCode) Check(keyHash []byte, now time.Time) error {
	switch {
	case !c.Used.IsZero() && bytes.Equal(c.KeyHash, keyHash):
		return nil // the answer was lost
	case !c.Used.IsZero():
		return tandem.Errorf(tandem.Conflict,
			"another device has used this claim code: each device needs a code of its own, from tandem device claim add")
	case !now.Before(c.Expires):
		return tandem.Errorf(tandem.Forbidden,
			"this claim code expired at %s: ask for a new one, from tandem device claim add",
			c.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// An Authority issues the certificates of an installation's devices.
type Authority struct {
	ID          string
	Certificate []byte // DER
	Key         []byte // PKCS #8
	Created     time.Time
}
