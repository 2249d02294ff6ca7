package client

import (
	"encoding/json"
	"time"
)

// Account is an account of an installation.
type Account struct {
	ID        string    `json:"id"`
	Username  string    `json:"username"`
	Email     string    `json:"email"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Capabilities are what an account may do.
type Capabilities struct {
	ID         string `json:"id"` // of the account
	Operate    bool   `json:"operate"`
	Production bool   `json:"production"`
	LoginKeys  int    `json:"login_keys"` // how many it can have
}

// OneTime is whether an account has one-time passwords. Secret and URL are set when they are made,
// and RecoveryCodes when they are confirmed.
type OneTime struct {
	ID            string   `json:"id"`
	Enabled       bool     `json:"enabled"`
	Secret        string   `json:"secret,omitempty"`
	URL           string   `json:"url,omitempty"`
	RecoveryCodes []string `json:"recovery_codes,omitempty"`
}

// RefreshToken is a login with a password, without its secret.
type RefreshToken struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// LoginKey is a login key, which its ID is.
type LoginKey struct {
	ID          string    `json:"id"`
	Description string    `json:"description"`
	Usages      int       `json:"usages"`
	CreatedAt   time.Time `json:"created_at"`
}

// Product has device groups.
type Product struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Owner       *Ref      `json:"owner,omitempty"`
	Creator     *Ref      `json:"creator,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// Group is a device group.
type Group struct {
	ID                     string          `json:"id"`
	Type                   string          `json:"type"` // with the suffix _devicegroup
	Name                   string          `json:"name"`
	Description            string          `json:"description"`
	Product                *Ref            `json:"product,omitempty"`
	CurrentDeployment      *Ref            `json:"current_deployment,omitempty"`
	MinSupportedDeployment *Ref            `json:"min_supported_deployment,omitempty"`
	Env                    json.RawMessage `json:"env_vars"` // an object
	ValidateTLS            bool            `json:"validate_tls"`
	Region                 *string         `json:"region,omitempty"`
	LoadAfterBlessing      *bool           `json:"load_code_after_blessing,omitempty"`
	ProductionTarget       *Ref            `json:"production_target,omitempty"`
	DUTTarget              *Ref            `json:"dut_target,omitempty"`
	Owner                  *Ref            `json:"owner,omitempty"`
	Creator                *Ref            `json:"creator,omitempty"`
	CreatedAt              time.Time       `json:"created_at"`
	UpdatedAt              time.Time       `json:"updated_at"`
}

// Device is a device with its agent.
type Device struct {
	ID             string     `json:"id"`
	Name           string     `json:"name"`
	Online         bool       `json:"device_online"`
	Changed        *time.Time `json:"device_state_changed_at"` // when it went online or offline last
	Product        *Ref       `json:"product,omitempty"`
	Group          *Ref       `json:"devicegroup,omitempty"` // nil: unassigned
	AgentID        string     `json:"agent_id"`
	AgentURL       string     `json:"agent_url"`
	AgentRunning   bool       `json:"agent_running"`
	AgentChanged   *time.Time `json:"agent_state_changed_at"`
	Enrolled       *time.Time `json:"last_enrolled_at"`
	Type           string     `json:"imp_type,omitempty"`
	Address        string     `json:"ip_address,omitempty"`
	MAC            string     `json:"mac_address,omitempty"`
	Runtime        string     `json:"swversion,omitempty"`
	FreeMemory     *int64     `json:"free_memory,omitempty"`
	SignalStrength *int64     `json:"rssi,omitempty"`
	Owner          *Ref       `json:"owner,omitempty"`
	Key            string     `json:"key,omitempty"` // only when it is made
}

// DeviceEvent is something that has happened to a device.
type DeviceEvent struct {
	Timestamp time.Time `json:"timestamp"`
	Event     string    `json:"event"`
	Owner     string    `json:"owner_id"`
	Actor     string    `json:"actor_id"`
	Group     string    `json:"devicegroup_id"`
}

// Deployment is a group's code. Lists are without AgentCode and DeviceCode.
type Deployment struct {
	ID          string    `json:"id"`
	SHA         string    `json:"sha"`
	Description string    `json:"description"`
	Origin      string    `json:"origin,omitempty"`
	Flagged     bool      `json:"flagged"`
	Tags        []string  `json:"tags"`
	Product     *Ref      `json:"product,omitempty"`
	Group       *Ref      `json:"devicegroup,omitempty"`
	Owner       *Ref      `json:"owner,omitempty"`
	Creator     *Ref      `json:"creator,omitempty"`
	Flagger     *Ref      `json:"flagger,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	AgentCode   *string   `json:"agent_code,omitempty"`
	DeviceCode  *string   `json:"device_code,omitempty"`
}

// Library is a library with all its versions, whose ids are what code requires.
type Library struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Supported bool   `json:"supported"`
	Versions  []Ref  `json:"versions"`
}

// Webhook is called for events of a group. Secret is set only when it is made.
type Webhook struct {
	ID          string    `json:"id"`
	URL         string    `json:"url"`
	Event       string    `json:"event"`
	ContentType string    `json:"content_type"`
	Group       *Ref      `json:"devicegroup,omitempty"`
	Secret      string    `json:"secret,omitempty"`
	Owner       *Ref      `json:"owner,omitempty"`
	Creator     *Ref      `json:"creator,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// Delivery is what a webhook has not delivered.
type Delivery struct {
	ID        string     `json:"id"`
	Event     string     `json:"event"`
	State     string     `json:"state"` // waiting or dead
	Attempts  int        `json:"attempts"`
	Reason    string     `json:"reason"`
	Body      string     `json:"body"`
	NextAt    *time.Time `json:"next_attempt_at"`
	CreatedAt time.Time  `json:"created_at"`
}

// Claim is a claim code. Code and Ticket are set only when it is made.
type Claim struct {
	ID        string     `json:"id"`
	Code      string     `json:"code,omitempty"`
	Ticket    string     `json:"ticket,omitempty"`
	Name      string     `json:"name,omitempty"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at"`
	Group     *Ref       `json:"devicegroup,omitempty"`
	Device    *Ref       `json:"device,omitempty"`
}

// Credentials are what a device shows, and how far the rotation of its key is.
type Credentials struct {
	ID           string        `json:"id"` // of the device
	Key          string        `json:"key,omitempty"`
	Rotation     string        `json:"rotation,omitempty"`
	Handed       *time.Time    `json:"handed_at,omitempty"`
	Deadline     *time.Time    `json:"deadline,omitempty"`
	Revoked      bool          `json:"revoked"`
	RevokedAt    *time.Time    `json:"revoked_at,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Certificate is a certificate of a device.
type Certificate struct {
	Fingerprint string     `json:"fingerprint"`
	Subject     string     `json:"subject"`
	Issuer      string     `json:"issuer"`
	ExpiresAt   *time.Time `json:"expires_at"`
	RevokedAt   *time.Time `json:"revoked_at"`
}

// PEM is a certificate in PEM.
type PEM struct {
	Certificate string `json:"certificate"`
}

// Newcomer is a device to provision: with a key, of which the hash is sent, or with a certificate,
// of which the fingerprint is.
type Newcomer struct {
	ID          string `json:"id"`
	Name        string `json:"name,omitempty"`
	KeyHash     string `json:"key_hash,omitempty"` // SHA-256 in hexadecimal
	Certificate string `json:"certificate,omitempty"`
}

// Provisioned says how many devices were made, and how many were there with the same key.
type Provisioned struct {
	Made  int `json:"made"`
	Known int `json:"known"`
}

// Cluster is the state of a cluster.
type Cluster struct {
	Nodes  []Node `json:"nodes"`
	Shards int    `json:"shards"`
	Orphan int    `json:"orphans"` // shards without an owner
}

// Node is a node of a cluster.
type Node struct {
	ID       string    `json:"id"`
	URL      string    `json:"url"`
	MQTT     string    `json:"mqtt"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Alive    bool      `json:"alive"`
	Draining bool      `json:"draining"`
	Agents   int       `json:"agents"`
	Load     float64   `json:"load"`   // the part of its processors that it uses, 0 to 1
	Weight   float64   `json:"weight"` // its share of the shards is in proportion to it
	Shards   int       `json:"shards"`
	Leaving  int       `json:"moving"` // shards on their way to another node
}
