package agent

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// state is the state of a Machine beside its Core. Lists are sorted, so that the
// same machine gives the same bytes.
type state struct {
	Agent       tandem.AgentID  `cbor:"1,keyasint"`
	Device      tandem.DeviceID `cbor:"2,keyasint"`
	Connected   bool            `cbor:"3,keyasint,omitempty"`
	Announce    bool            `cbor:"4,keyasint,omitempty"`
	Address     string          `cbor:"5,keyasint,omitempty"`
	Saved       []byte          `cbor:"6,keyasint,omitempty"`
	Mark        tandem.Mark     `cbor:"7,keyasint"`
	Saving      []byte          `cbor:"8,keyasint,omitempty"`
	Stopping    tandem.Reason   `cbor:"9,keyasint,omitempty"`
	Requests    []numbered      `cbor:"10,keyasint,omitempty"`
	LastRequest uint32          `cbor:"11,keyasint,omitempty"`
	Fetches     []fetch         `cbor:"12,keyasint,omitempty"`
	SyncID      uint32          `cbor:"13,keyasint,omitempty"`
	Sending     float64         `cbor:"14,keyasint"` // credits
	SendingAt   int64           `cbor:"15,keyasint"` // time of Sending, in nanoseconds since 1970
	Dead        bool            `cbor:"16,keyasint,omitempty"`
	Start       tandem.Reason   `cbor:"17,keyasint,omitempty"`
	Cause       tandem.Mark     `cbor:"19,keyasint"`
	Nth         uint32          `cbor:"20,keyasint,omitempty"`
	Posting     uint32          `cbor:"21,keyasint,omitempty"`
	Posts       []keptPost      `cbor:"22,keyasint,omitempty"`
	Signing     credits         `cbor:"23,keyasint"`
	Broker      broker          `cbor:"24,keyasint"`
	ValidateTLS bool            `cbor:"25,keyasint,omitempty"`
	Post        uint64          `cbor:"26,keyasint,omitempty"`
	Unsure      uint64          `cbor:"27,keyasint,omitempty"`
	Kept        tandem.Mark     `cbor:"40,keyasint"`
}

// keptPost is a post and the key of its callback in the registry.
type keptPost struct {
	Seq  uint64 `cbor:"1,keyasint"`
	Kept uint32 `cbor:"2,keyasint"`
}

// numbered is an open request with its number.
type numbered struct {
	Number  uint32      `cbor:"1,keyasint"`
	Request openRequest `cbor:"2,keyasint"`
}

// Snapshot returns the whole state of the machine. It may be taken between events
// and while the machine is busy, and does not change the machine.
func (m *Machine) Snapshot() ([]byte, error) {
	s := state{
		Agent: m.cfg.Agent, Device: m.cfg.Device, Connected: m.connected, Announce: m.announce, Address: m.address,
		Saved: m.saved, Mark: m.mark, Kept: m.kept, Saving: m.saving, Stopping: m.stopping, LastRequest: m.lastRequest,
		SyncID: m.syncID, Sending: m.sending.Left, SendingAt: m.sending.At, Dead: m.dead, Start: m.cfg.Start,
		Cause: m.cause, Nth: m.nth, Posting: m.posting, Signing: m.signing, Broker: m.broker,
		ValidateTLS: m.cfg.ValidateTLS, Post: m.post, Unsure: m.unsure,
	}
	for _, seq := range slices.Sorted(maps.Keys(m.posts)) {
		s.Posts = append(s.Posts, keptPost{seq, m.posts[seq]})
	}
	for number, r := range m.requests {
		s.Requests = append(s.Requests, numbered{number, r})
	}
	slices.SortFunc(s.Requests, func(a, b numbered) int { return cmp.Compare(a.Number, b.Number) })
	s.Fetches = slices.SortedFunc(maps.Values(m.fetches), func(a, b fetch) int { return cmp.Compare(a.ID, b.ID) })
	data, err := cbor.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("snapshot of agent %s: %w", m.cfg.Agent, err)
	}
	return m.core.Snapshot(data)
}

// Restore makes a machine from a snapshot. It uses the fields Program, which must
// be the snapshot's, URL, Memory, Budget and Version of cfg.
func Restore(cfg Config, data []byte, now time.Time) (*Machine, error) {
	m := &Machine{cfg: cfg, requests: map[uint32]openRequest{}, fetches: map[uint32]fetch{}}
	own, err := m.core.Restore(m.coreConfig(), data, now)
	if err != nil {
		return nil, err
	}
	var s state
	if err := imp.DecodeState(own, &s); err != nil {
		return nil, fmt.Errorf("restore an agent: %w", err)
	}
	m.cfg.Agent = s.Agent
	m.cfg.Device = s.Device
	m.cfg.Start = s.Start
	m.cfg.Incarnation = m.core.Incarnation()
	m.cfg.ValidateTLS = s.ValidateTLS
	m.connected = s.Connected
	m.announce = s.Announce
	m.address = s.Address
	m.saved = s.Saved
	m.mark = s.Mark
	m.kept = s.Kept
	m.saving = s.Saving
	m.stopping = s.Stopping
	m.lastRequest = s.LastRequest
	m.syncID = s.SyncID
	m.dead = s.Dead
	m.sending, m.signing = credits{s.Sending, s.SendingAt}, s.Signing
	m.broker = s.Broker
	m.cause = s.Cause
	m.nth = s.Nth
	m.posting = s.Posting
	m.post = s.Post
	m.unsure = s.Unsure
	for _, p := range s.Posts {
		m.keepPost(p.Seq, p.Kept)
	}
	for _, n := range s.Requests {
		m.requests[n.Number] = n.Request
	}
	for _, f := range s.Fetches {
		m.fetches[f.ID] = f
	}
	return m, nil
}
