// Package identity is what a device must not lose: its id, the keys by which the server may know
// it, and its certificate. It is kept in two files of the device's directory with the same
// content, each with a checksum, so that damage of one of them loses nothing.
//
// The package does no I/O: package device/enrol writes the files when a device enrols, and the
// device's runtime when it gets a new key.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/tandem-iot/tandem"
)

// Files are the names of the files, in the order in which they are written.
var Files = [2]string{"identity.json", "identity.copy.json"}

// Identity is who a device is. The zero value is that of a device that has not enrolled.
type Identity struct {
	Device tandem.DeviceID `json:"device"` // "": none yet
	// Keys are those that the server may know, the newest first. There are several while a
	// rotation is under way.
	Keys   []string `json:"keys"`
	Server string   `json:"server,omitempty"` // where the device connects, as a URL
	// Certificate and PrivateKey are in PEM; "": it has none.
	Certificate string `json:"certificate,omitempty"`
	PrivateKey  string `json:"private_key,omitempty"`

	Claimed    string   `json:"claimed,omitempty"` // Hash of the claim code that was used
	Pending    *Pending `json:"pending,omitempty"` // nil: no enrolment is under way
	Generation uint64   `json:"generation"`        // raised by each write
}

// Pending is an enrolment that the server may have completed, although the device does not know.
// Its key is that of the identity to come.
type Pending struct {
	Code       string `json:"code"`
	Key        string `json:"key"`
	PrivateKey string `json:"private_key,omitempty"`
}

// maxKeys bounds the keys that are kept.
const maxKeys = 4

// Add puts a new key in front of the others. It reports whether that changes anything.
func (i *Identity) Add(key string) bool {
	if len(i.Keys) > 0 && i.Keys[0] == key {
		return false
	}
	i.Keys = append([]string{key}, slices.DeleteFunc(slices.Clone(i.Keys), func(k string) bool { return k == key })...)
	i.Keys = i.Keys[:min(len(i.Keys), maxKeys)]
	return true
}

// Used notes that the server has accepted a key. When it is the newest one, the others are
// forgotten. It reports whether that changes anything.
func (i *Identity) Used(key string) bool {
	if len(i.Keys) < 2 || i.Keys[0] != key {
		return false
	}
	i.Keys = []string{key}
	return true
}

// Sealed is the content of a file, as JSON.
type Sealed struct {
	Sum      string          `json:"sum"` // SHA-256 of Identity in hexadecimal
	Identity json.RawMessage `json:"identity"`
}

// Seal returns the content of both files.
func (i Identity) Seal() Sealed {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // strings and numbers have a JSON
	}
	return Sealed{sumOf(text), text}
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Open returns the newest of the files' contents that is intact. A nil content is a file that is
// missing. damaged has the names of the others; when there is no intact one, and one is damaged,
// the identity is lost, and err says so.
func Open(contents [2][]byte) (newest Identity, damaged []string, err error) {
	found := false
	for n, data := range contents {
		if data == nil {
			continue
		}
		i, ok := open(data)
		switch {
		case !ok:
			damaged = append(damaged, Files[n])
		case !found || i.Generation > newest.Generation:
			newest, found = i, true
		}
	}
	if !found && len(damaged) > 0 {
		err = tandem.Errorf(tandem.Invalid, "%s is damaged, and so is its copy: delete both, and enrol the device again "+
			"with a code of tandem device claim add --device ID", damaged[0])
	}
	return newest, damaged, err
}

func open(data []byte) (i Identity, ok bool) {
	var s Sealed
	if json.Unmarshal(data, &s) != nil || s.Sum != sumOf(s.Identity) || json.Unmarshal(s.Identity, &i) != nil {
		return Identity{}, false
	}
	return i, true
}
