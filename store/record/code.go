package record

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// A Product contains device groups.
type Product struct {
	ID               string
	Owner, Creator   string // accounts
	Name             string // unique for the owner
	Description      string
	Created, Updated time.Time
}

// A Group is a device group: its devices run the current deployment.
type Group struct {
	ID                string
	Product           string
	Owner, Creator    string // accounts; the owner is the product's
	Type              string // "development" and so on, without "_devicegroup"
	Name              string // unique in the product
	Description       string
	Region            string
	Env               string // a JSON object with its keys in the order they were given; "" is {}
	LoadAfterBlessing bool
	ValidateTLS       bool   // agents' outgoing requests verify servers by default
	ProductionTarget  string // groups; empty: none
	DUTTarget         string
	Current           string // deployments; empty before the first
	MinSupported      string
	Created, Updated  time.Time
}

// A Deployment is a version of a group's code.
type Deployment struct {
	ID                    string
	Group, Product        string
	Owner, Creator        string // accounts
	Version               int    // 1, 2, … within the group
	SHA                   string // SHA-256 of both codes' hashes, in hexadecimal
	DeviceSHA, AgentSHA   string // SHA-256 of each code, in hexadecimal
	Description           string
	Origin                string
	Flagger               string // account; empty: not flagged
	Tags                  []string
	Created, Updated      time.Time // Created is unique within the group
	DeviceCode, AgentCode string    // empty in a list
}

// Flagged reports whether the deployment is kept from deletion.
func (d Deployment) Flagged() bool { return d.Flagger != "" }

// Sum fills in the hashes of the code.
func (d *Deployment) Sum() {
	device, agent := sha256.Sum256([]byte(d.DeviceCode)), sha256.Sum256([]byte(d.AgentCode))
	both := sha256.Sum256(append(device[:], agent[:]...))
	d.DeviceSHA = hex.EncodeToString(device[:])
	d.AgentSHA = hex.EncodeToString(agent[:])
	d.SHA = hex.EncodeToString(both[:])
}
