// Package session is one connection of a device, without the connection: it
// decides who is let in, what is taken from the device and when it is
// acknowledged, what is sent to the device and what is dropped, and what was
// lost when the connection ends. It has no socket, goroutine, lock or clock.
// Package gateway is its shell.
//
// Bytes of the device go to Feed, bytes for it come from Output. What the
// session wants of the host are questions, which Next returns in their order;
// their outcomes come back by the methods that Kind names. All else that is to
// be done are notices.
//
//	n, again := s.Feed(now, buf)
//	for s.Next(&q) {
//		// ask it; then s.Authenticated, s.Connected or s.Taken, later s.Handled
//	}
//	out := s.Output(nil)
//	// write it; then s.Written
//
// A Session is used by one goroutine at a time. Every event may end it, which
// Leaving reports. It takes nothing more from the device then; when what Output
// has still to give is written, or cannot be, the owner calls Closed, and Next
// returns what the host is told of the end.
//
// See DESIGN.md for what counts as lost, and for the bounds.
package session

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

// Limits of a session.
const (
	ConnectSize   = 16 << 10         // bytes of a CONNECT packet
	MaxFilters    = 32               // subscriptions
	HandlingCount = 256              // messages the host has not handled
	HandlingBytes = 1 << 20          // their data; the next is still taken when there is less
	BacklogCount  = 256              // messages to the device that it has not acknowledged
	BacklogBytes  = 1 << 20          // their topics and data
	PostCount     = 256              // posts that the device has not subscribed to
	PostBytes     = 1 << 20          // their topics and data
	EarlyCount    = 32               // messages before the first SUBSCRIBE
	EarlyBytes    = 256 << 10        // their data
	EarlyTime     = 10 * time.Second // how long they are kept, from Connect
	UnreadAnswers = 4096             // answers that wait for the device to read; nothing is taken from it then
	CoalesceTime  = time.Millisecond // how long acknowledgements wait for others
)

// Config is what the sessions of a gateway have in common. It must not change.
type Config struct {
	// KeepAlive is the longest keep-alive interval of a v5 device, which is told
	// so. A 3.1.1 device cannot be told and keeps its own interval, even none.
	KeepAlive time.Duration
	// Stamp returns the next stamp of the node's clock. It is called for each
	// message that a v5 device is sent.
	Stamp func() hlc.Timestamp
}

// protocol has the limits that package mqtt keeps.
var protocol = mqtt.Config{QueueLength: BacklogCount}

// Session is one connection. Use New.
type Session struct {
	cfg  *Config
	mqtt mqtt.Server

	certified tandem.DeviceID // whose certificate the client has; "" none
	device    tandem.DeviceID // as CONNECT has it; "" before
	connect   *mqtt.Connect   // until it is answered
	clock     hlc.Timestamp   // the device's, as CONNECT says; 0: it does not
	connected time.Duration   // when the host was to be told
	stage     stage
	format    tandem.Format // what the device wants to receive
	v5        bool

	leaving    bool // nothing more is taken from the device, and nothing given to it but last words
	clean      bool // the device has said DISCONNECT
	broken     bool // nothing can be read or written any more
	failed     bool // the host did not take a message: it is told nothing more but the end
	closed     bool
	writing    bool // Output has returned something that is not written yet
	spoke      bool // something has been written
	held       bool // the host is handling a message: what it sends waits for the acknowledgement
	behind     bool // behind that message there is another
	subscribed bool // at least once
	deaf       bool // the device had not subscribed within EarlyTime
	complained bool // something the device does wrong has been noted
	overflowed bool // messages are dropped, and that has been noted
	lost       bool // a message of the host was dropped, other than before the first SUBSCRIBE
	missed     bool // a message of the host was dropped before the first SUBSCRIBE
	unsent     bool // a message of the host is among those of unsentBytes

	seq           uint64 // of the last message that the host was given
	publish       *mqtt.Publish
	reports       []report // for the host, behind publish
	notices       []Notice
	handling      []handling
	handlingBytes int
	flushed       time.Duration // when something was last written

	filters      []filter
	waiting      *waiting // nil: nothing waits for a subscription
	unacked      []unacked
	backlogBytes int // of unacked
	unsentBytes  int // of QoS 0 messages since the last time that all had been written
}

// stage is how far the device has come.
type stage uint8

const (
	stranger       stage = iota
	authenticating       // Authenticate is to be asked
	authenticate         // it has been asked
	connecting           // Connect is to be asked
	connect              // it has been asked
	open                 // CONNECT has been answered, or refused after Connect was asked
	told                 // the host has been told of the end, or need not be
)

// New returns the session of a connection that was made just now.
func New(cfg *Config, now tandem.Now) Session {
	return Session{cfg: cfg, mqtt: *mqtt.NewServer(at(now), &protocol)}
}

// Certified says that the client has shown the certificate of a device, which
// has been verified: it needs no key. It is called before Feed.
func (s *Session) Certified(id tandem.DeviceID) { s.certified = id }

// at is the elapsed time as package mqtt takes it.
func at(now tandem.Now) time.Time { return time.Unix(0, 0).Add(now.Mono) }

// Device returns which device the client says it is, "" until it has. It is true
// when Connect is asked, and does not change.
func (s *Session) Device() tandem.DeviceID { return s.device }

// Format returns the format that the device wants messages in. It does not
// change once Connect is asked.
func (s *Session) Format() tandem.Format { return s.format }

// Leaving reports that the session ends: nothing more is to be read.
func (s *Session) Leaving() bool { return s.leaving }

// Broken reports that nothing can be read or written any more.
func (s *Session) Broken() bool { return s.broken }

// Linger reports that the device may still be reading the last words, so that
// the connection should be closed gently.
func (s *Session) Linger() bool { return s.spoke && !s.clean && !s.broken }

// Full reports that something must be answered, handled or written before Feed
// takes more from the device.
func (s *Session) Full() bool {
	return !s.leaving && (len(s.handling) >= HandlingCount || s.handlingBytes >= HandlingBytes ||
		s.publish != nil || s.mqtt.Blocked() || s.writing && s.mqtt.Answers() >= UnreadAnswers)
}

// Feed takes bytes that came from the device. It returns how many of them it
// consumed, and whether it must be called again with the rest, be that empty:
// after the questions have been asked, and when the session is not Full.
func (s *Session) Feed(now tandem.Now, buf []byte) (n int, again bool) {
	if s.leaving || s.Full() {
		return 0, !s.leaving
	}
	if s.device == "" && mqtt.Size(buf) > ConnectSize {
		// Strangers are not given the room that a device's packets may take.
		s.note(Info, "connection is closed: the first packet is too large")
		s.leaving = true
		return 0, false
	}
	n, ev, err := s.mqtt.Feed(at(now), buf)
	if err != nil {
		s.note(Info, "device is disconnected for a violation of MQTT", "err", err)
		s.leaving = true
		if s.stage >= connect && mqtt.ReasonOf(err) == mqtt.PacketTooLarge {
			s.reportTooLarge()
		}
		return n, false
	}
	if ev != nil {
		s.behind = n < len(buf)
		s.handle(now, ev)
		return n, !s.leaving
	}
	s.behind = s.behind && n < len(buf) && s.mqtt.Blocked()
	return n, n < len(buf) && s.mqtt.Blocked()
}

// handle handles what the device has said.
func (s *Session) handle(now tandem.Now, ev mqtt.Event) {
	switch ev := ev.(type) {
	case *mqtt.Connect:
		s.hello(ev)
	case *mqtt.Publish:
		s.take(ev)
	case *mqtt.Subscribe:
		s.subscribe(now, ev)
	case *mqtt.Unsubscribe:
		s.unsubscribe(ev)
	case *mqtt.Delivered:
		s.delivered(ev)
	case *mqtt.Disconnect:
		s.leaving, s.clean = true, ev.Clean()
	}
}

// Deadline returns when Tick must be called, if it must. It changes with every
// event.
func (s *Session) Deadline() (at time.Duration, ok bool) {
	if s.leaving {
		return 0, false
	}
	if d := s.mqtt.Deadline(); !d.IsZero() {
		at, ok = d.Sub(time.Unix(0, 0)), true
	}
	if until := s.connected + EarlyTime; s.stage == open && !s.subscribed && !s.deaf && (!ok || until < at) {
		at, ok = until, true
	}
	return at, ok
}

// Tick does what is due. Bytes that are there should be fed before.
func (s *Session) Tick(now tandem.Now) {
	if s.leaving {
		return
	}
	if s.stage == open && !s.subscribed && !s.deaf && now.Mono >= s.connected+EarlyTime {
		s.ignored()
	}
	if s.mqtt.Tick(at(now)) != nil {
		s.note(Info, "device has been silent for too long")
		s.leaving = true
	}
}

// Output appends what is to be written next to dst: some 64 KB at most, so it is
// called until nothing comes. What it has returned must be written, and Written
// called, before it is called again.
func (s *Session) Output(dst []byte) []byte {
	if s.broken {
		return dst
	}
	before := len(dst)
	dst = s.mqtt.Output(dst)
	s.writing = len(dst) > before
	if !s.writing && !s.mqtt.Unsent() {
		s.unsent, s.unsentBytes = false, 0
	}
	return dst
}

// Writing reports that what Output has returned is not written yet.
func (s *Session) Writing() bool { return s.writing }

// Written says that what Output has returned is written, or why it cannot be.
// It takes the elapsed time of tandem.Now alone, as Handled does: both come with
// each message, and the wall time costs more than what they do.
func (s *Session) Written(mono time.Duration, err error) {
	s.writing, s.spoke = false, true
	s.flushed = mono
	if err != nil {
		s.Break(err)
	}
}

// Break says that nothing can be read or written any more, and why.
func (s *Session) Break(err error) {
	if !s.broken {
		s.broken, s.leaving = true, true
		s.note(Debug, "connection is broken", "err", err)
	}
}

// End ends the session. A v5 device is told why, and which server to turn to if
// there is another.
func (s *Session) End(code mqtt.Reason, why, server string) {
	if s.leaving {
		return
	}
	// Before CONNECT has been answered it cannot be said.
	_ = s.mqtt.Disconnect(code, &mqtt.Properties{ReasonString: why, ServerReference: server})
	s.leaving = true
}

// Closed says that the connection is over: nothing is read or written any more.
func (s *Session) Closed(now tandem.Now) {
	if s.closed {
		return
	}
	s.leaving, s.closed = true, true
	s.lost = s.anythingLost(now)
	s.filters, s.waiting = nil, nil
	s.unacked, s.publish = nil, nil
}

// must ends a session whose device does not take an answer, for example because
// it takes no packets of the size.
func (s *Session) must(err error) {
	if err != nil {
		s.note(Info, "device cannot be answered and is disconnected", "err", err)
		s.End(mqtt.ReasonOf(err), "", "")
	}
}
