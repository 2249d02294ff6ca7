package life

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// phase is where an agent is in its life.
type phase uint8

const (
	absent      phase = iota // no machine; the next event starts one
	loading                  // its record and its program are being read
	resuming                 // its snapshot is being taken out of the store
	starting                 // the machine has booted; its incarnation is not durable yet
	live                     // the machine takes events
	frozen                   // the machine is bytes
	delayed                  // ended too often; starts at StartAt
	codeless                 // its device group has no deployment, or one that does not compile
	stopped                  // the life on this host has ended
	quarantined              // ended by faults of the server too often; see bulkhead.go
)

// instant is a monotonic time of this host, 0 for none. In a state that travels
// it is the time that is left, and a nanosecond more, or minus the time that has
// passed.
type instant time.Duration

// Peer is what is known of the device's side.
type Peer struct {
	Known       bool   `cbor:"1,keyasint,omitempty"` // it has said hello
	Boot        uint64 `cbor:"2,keyasint,omitempty"`
	Incarnation uint64 `cbor:"3,keyasint,omitempty"`
	Code        string `cbor:"4,keyasint,omitempty"` // SHA-256 of the code it runs, in hexadecimal

	// Heard is the last boot by which it numbers messages. It is in the store before any of them is handled.
	Heard record.Boot `cbor:"5,keyasint"`
	ID    string      `cbor:"6,keyasint,omitempty"` // of Boot, whose number may have changed
}

// state is what travels with the pair: all of it, in this form.
type state struct {
	Device  tandem.DeviceID `cbor:"1,keyasint"`
	Agent   tandem.AgentID  `cbor:"2,keyasint"`
	Group   string          `cbor:"3,keyasint,omitempty"` // device group
	Grouped bool            `cbor:"4,keyasint,omitempty"` // Group is known
	Events  uint64          `cbor:"5,keyasint"`           // taken so far: the number of the last
	IDs     uint64          `cbor:"6,keyasint"`           // of effects

	Phase  phase         `cbor:"7,keyasint"`
	Packed []byte        `cbor:"8,keyasint,omitempty"`  // the machine while it is frozen, or on its way
	Behind time.Duration `cbor:"48,keyasint,omitempty"` // by which the times of Packed are to be put on; see clock.go
	Left   time.Time     `cbor:"49,keyasint"`           // when the pair left its host, by the wall clock
	Alarm  time.Time     `cbor:"9,keyasint"`            // when a frozen machine's next timer is due

	Incarnation uint64         `cbor:"10,keyasint,omitempty"`
	Reason      tandem.Reason  `cbor:"11,keyasint,omitempty"` // of the start under way, or wanted
	Began       tandem.Reason  `cbor:"12,keyasint,omitempty"` // why this incarnation did
	Again       tandem.Reason  `cbor:"13,keyasint,omitempty"` // for a restart when the start under way is over
	Started     instant        `cbor:"14,keyasint,omitempty"` // the incarnation
	Active      instant        `cbor:"15,keyasint,omitempty"` // the newest event
	StartAt     instant        `cbor:"16,keyasint,omitempty"` // when delayed; in quarantine, to ask the store again
	Faults      []instant      `cbor:"45,keyasint,omitempty"` // when the server met them in this agent
	Released    bool           `cbor:"46,keyasint,omitempty"` // from its quarantine, by the operator, for this start
	Banned      string         `cbor:"47,keyasint,omitempty"` // the code of a quarantine
	StopBy      instant        `cbor:"17,keyasint,omitempty"` // when the patience with a shutdown ends
	Crashes     int            `cbor:"18,keyasint,omitempty"` // in a row
	Credits     *agent.Credits `cbor:"19,keyasint,omitempty"` // what the incarnation before had left

	Inbox    []item    `cbor:"20,keyasint,omitempty"`
	Unread   []item    `cbor:"21,keyasint,omitempty"` // posts of the device, for an agent without code
	Current  item      `cbor:"22,keyasint"`           // being handled; not complete while the machine is busy
	Handling bool      `cbor:"23,keyasint,omitempty"` // Current is
	Rang     bool      `cbor:"24,keyasint,omitempty"` // timers that were due have had their turn since the last item
	Ringing  time.Time `cbor:"25,keyasint"`           // timers that were due by then have their turn now; zero: none
	Result   *item     `cbor:"26,keyasint,omitempty"` // what the machine waits for, kept back until the pair has left

	Requests []*pending `cbor:"27,keyasint,omitempty"` // in the order in which they came
	Fetches  []fetching `cbor:"28,keyasint,omitempty"` // in the order in which they were made
	MQTT     uint64     `cbor:"29,keyasint,omitempty"` // number of the connection to a broker; 0: none
	MQTTs    uint64     `cbor:"30,keyasint,omitempty"` // connections so far
	Cut      bool       `cbor:"40,keyasint,omitempty"` // a frozen program had a connection, which has not come along

	Processor share `cbor:"31,keyasint"`

	Link       *tandem.LinkRef `cbor:"32,keyasint,omitempty"` // of the device
	Address    string          `cbor:"33,keyasint,omitempty"` // of the device, as last seen
	Connected  bool            `cbor:"34,keyasint,omitempty"` // what the agent believes of the device
	GraceUntil instant         `cbor:"35,keyasint,omitempty"` // the link is broken, and may come back until then
	Lost       bool            `cbor:"36,keyasint,omitempty"` // something for the device was lost meanwhile
	Fresh      bool            `cbor:"50,keyasint,omitempty"` // the agent knows Link as new; no hello has come by it
	Peer       Peer            `cbor:"37,keyasint"`
	Hearing    []said          `cbor:"38,keyasint,omitempty"` // waits until the device's last start is known
	PostsUpTo  uint64          `cbor:"39,keyasint,omitempty"` // newest post that the link has been given
	Heard      tandem.LinkRef  `cbor:"41,keyasint"`           // the newest link, also when it has ended
	Numbers    numbers         `cbor:"52,keyasint"`           // what those of messages mean that come by Link
	Told       string          `cbor:"53,keyasint,omitempty"` // id of the boot that the log last called foreign
	Logged     tandem.Mark     `cbor:"51,keyasint"`           // newest line of the log that the device has numbered
	Earlier    []earlier       `cbor:"42,keyasint,omitempty"` // links before it, the oldest first
	ReviewAt   instant         `cbor:"44,keyasint,omitempty"` // when to review the code again; 0: not
	OfferAt    instant         `cbor:"43,keyasint,omitempty"` // when to read the device's code again; 0: not
}

// earlier is a link that has ended, or that a newer one has replaced. What the agent said
// over it may turn out to be lost.
type earlier struct {
	Ref   tandem.LinkRef `cbor:"1,keyasint"`
	Ended instant        `cbor:"2,keyasint,omitempty"` // when its gateway said so; 0: not yet
}

// instants are the fields of a state that hold one, those in lists included.
func (s *state) instants() []*instant {
	list := []*instant{
		&s.Started, &s.Active, &s.StartAt, &s.StopBy, &s.GraceUntil, &s.OfferAt, &s.ReviewAt,
		&s.Processor.At, &s.Processor.Told,
	}
	for _, r := range s.Requests {
		list = append(list, &r.Since)
	}
	for i := range s.Faults {
		list = append(list, &s.Faults[i])
	}
	for i := range s.Earlier {
		list = append(list, &s.Earlier[i].Ended)
	}
	return list
}

// depart makes instants relative to now.
func (s *state) depart(now instant) {
	for _, at := range s.instants() {
		if *at != 0 {
			if *at -= now; *at >= 0 {
				*at++
			}
		}
	}
}

// arrive is the reverse of depart, perhaps on another host.
func (s *state) arrive(now instant) {
	for _, at := range s.instants() {
		if *at != 0 {
			if *at > 0 {
				*at--
			}
			*at = nonzero(*at + now)
		}
	}
}

func nonzero(at instant) instant {
	if at == 0 {
		return 1
	}
	return at
}

// local is what belongs to this host, and is made again on another.
type local struct {
	machine *agent.Machine // when live or starting
	program *Program       // of this incarnation
	boots   []agent.Effect // of the boot, until the incarnation is durable

	wait      wait         // what the phase waits for
	saving    uint64       // ID of the Save or KeepPost that the machine waits for
	kept      *record.Post // in that KeepPost
	greeted   uint64       // ID of the LoadDevice or Seen that Hearing waits for; 0: none
	before    Peer         // what was known of the device before the hello that a Seen is about
	hearAt    instant      // when that is tried again
	offered   uint64       // ID of the LoadProgram for the device; 0: none
	reviewing uint64       // ID of the LoadProgram for a Review; 0: none
	renew     bool         // the device is offered its group's newest code, not what the agent runs
	online    bool         // the device was connected when the last Reload came
	ordered   bool         // the device is to restart even when it has that code

	quiet bool // it has been said that the agent's record is damaged

	posts   posts
	open    map[uint64]*pending // requests that have no answer yet, by number
	answer  queue               // the same in the order in which patience with them ends
	reach   queue               // those that the agent has not seen yet
	leaving *Leave
	gone    error // why the life has ended here
	ending  *Stop
	leaveBy instant // when the patience of leaving ends
	endBy   instant // when that of ending does

	requests int // in Inbox
	messages int // of the device in Inbox, Unread and Hearing
	arena    int // bytes that the machine had that was frozen last
	used     time.Duration
	events   int
	effects  []Effect
	now      tandem.Now
	offset   time.Duration // of the wall clock from elapsed time; 0: not known
	watcher  Watcher       // nil: there is none
	wrong    mistakes
	faulty   *faulty // see MakeFaulty; nil in production
}

// wait is what the phases loading, resuming and starting wait for.
type wait struct {
	id     uint64
	resume bool // the agent is to go on from its snapshot if there is one
	loud   bool // it is worth a log line when there is no code
	record record.Agent
}

// pending is a request that waits for the agent's answer.
type pending struct {
	Number uint64        `cbor:"1,keyasint"`
	Origin tandem.Origin `cbor:"2,keyasint"`
	Begun  bool          `cbor:"3,keyasint,omitempty"` // the agent has seen it
	Since  instant       `cbor:"4,keyasint,omitempty"`
	Away   bool          `cbor:"5,keyasint,omitempty"` // who waits is at Origin, not at this host

	token  uint64 // of who waits here
	done   bool
	event  agent.Request // in the same piece of memory
	answer Answer
}

// fetching is an outgoing request of the agent.
type fetching struct {
	ID     uint64 `cbor:"1,keyasint"`
	Node   string `cbor:"2,keyasint,omitempty"` // that makes it; "" is this one
	Upload bool   `cbor:"3,keyasint,omitempty"` // its body comes in pieces
}

// said is something that the device has said: about itself, or to the agent.
type said struct {
	Token   uint64          `cbor:"-"`
	Topic   string          `cbor:"1,keyasint,omitempty"`
	Data    []byte          `cbor:"2,keyasint,omitempty"`
	Message *tandem.Message `cbor:"3,keyasint,omitempty"` // for the agent
	Seq     uint64          `cbor:"4,keyasint,omitempty"` // its number by the link
	Mark    tandem.Mark     `cbor:"5,keyasint"`           // of a line of the log
	Where   string          `cbor:"6,keyasint,omitempty"` // of a line for the log, as JSON
	Written int64           `cbor:"7,keyasint,omitempty"` // when the device wrote the line, in milliseconds since 1970
}

// queue has requests in the order of their deadlines. Those that have ended, or
// are of no interest any more, are dropped when they come to the front.
type queue []*pending

// first returns the first that is still of interest, nil when there is none.
func (q *queue) first(of func(*pending) bool) *pending {
	for len(*q) > 0 {
		if r := (*q)[0]; of(r) {
			return r
		}
		*q = shift(*q)
	}
	return nil
}

// add puts r at the end. The queue keeps no more than twice what lives.
func (q *queue) add(r *pending, alive int) {
	if len(*q) > 2*alive+16 {
		rest := (*q)[:0]
		for _, r := range *q {
			if !r.done {
				rest = append(rest, r)
			}
		}
		clear((*q)[len(rest):])
		*q = rest
	}
	*q = append(*q, r)
}

// shift takes the first element off a list and lets its memory go when that was
// the last.
func shift[T any](q []T) []T {
	var zero T
	q[0] = zero
	if len(q) == 1 && cap(q) <= 4 {
		return q[:0:cap(q)]
	}
	if len(q) == 1 {
		return nil
	}
	return q[1:]
}
