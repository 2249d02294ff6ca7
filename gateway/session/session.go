// Package session is one connection of a device, without the connection: it
// decides which client is admitted, which messages of the device are taken and when
// they are acknowledged, which messages are sent to the device and which dropped,
// and which were lost when the connection ends. It has no socket, goroutine, lock
// or clock. Package gateway adds those.
//
// Bytes of the device go to Feed, bytes for it come from Output. The session's
// requests to the host are questions, which Next returns in order; their answers
// come back by the methods that Kind names. Log lines and counts are notices.
//
//	n, again := s.Feed(now, buf)
//	for s.Next(&q) {
//		// ask it; then call s.Authenticated, s.Connected or s.Taken, later s.Handled
//	}
//	out := s.Output(nil)
//	// write it; then call s.Written
//
// A Session is used by one goroutine at a time. Every event may end it, which
// Leaving reports. From then on it takes nothing more from the device. When the
// rest of Output is written, or cannot be, the owner calls Closed, and Next returns
// the question by which the host is told of the end.
//
// See DESIGN.md for which messages count as lost, and for the bounds.
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
	FilterBytes   = 16 << 10         // their filters
	HandlingCount = 256              // messages the host has not handled
	HandlingBytes = 1 << 20          // their data; a message is taken while there is less
	BacklogCount  = 256              // messages to the device that it has not acknowledged
	BacklogBytes  = 1 << 20          // their topics and data
	PostCount     = 256              // posts that wait for a subscription
	PostBytes     = 1 << 20          // their topics and data
	EarlyCount    = 32               // messages before the first SUBSCRIBE
	EarlyBytes    = 256 << 10        // their data
	EarlyTime     = 10 * time.Second // how long they are kept, from Connect
	MaxSilence    = 15 * time.Minute // of a device on a slow link
	UnreadAnswers = 4096             // answers that the device has not read; at the limit nothing more is taken from it
	CoalesceTime  = time.Millisecond // how long acknowledgements wait for others
)

// Config is the configuration shared by the sessions of a gateway. It must not change.
type Config struct {
	// KeepAlive is the longest keep-alive interval of a v5 device, which is told. A
	// 3.1.1 device cannot be told and keeps its own interval, even none.
	KeepAlive time.Duration
	// Stamp returns the next stamp of the node's clock. It is called for each message
	// to a v5 device.
	Stamp func() hlc.Timestamp
	// Rates are the rates of each device.
	Rates Rates
}

// protocol has the limits that package mqtt enforces. A device is at its receive maximum before it is
// at HandlingCount, so the protocol knows that its silence is ours.
var protocol = mqtt.Config{QueueLength: BacklogCount, ReceiveMaximum: HandlingCount - 1}

// Session is one connection. Use New.
type Session struct {
	cfg  *Config
	mqtt mqtt.Server

	certified bool            // the client has shown a verified certificate
	device    tandem.DeviceID // the device of CONNECT; "" before
	connect   *mqtt.Connect   // kept until it is answered
	clock     hlc.Timestamp   // the device's, of CONNECT; 0: it has none
	normal    time.Duration   // the device's silence may last as long on a fast link
	silence   time.Duration   // and as long on its link; 0: that is fast
	connected time.Duration   // when Connect was answered
	stage     stage
	format    tandem.Format // of messages to the device
	v5        bool

	leaving    bool // nothing more is taken from the device, and it gets only the last packets
	clean      bool // the device has sent DISCONNECT
	broken     bool // nothing can be read or written any more
	failed     bool // the host did not take a message: it is told only the end from then on
	closed     bool
	writing    bool // Output has returned bytes that are not written yet
	spoke      bool // something has been written
	held       bool // the host is handling a message: its output is written with the acknowledgement
	behind     bool // another message follows that one
	inBatch    bool // publish is a message of a batch
	subscribed bool // the device has subscribed at least once
	deaf       bool // the device had not subscribed within EarlyTime
	complained bool // a fault of the device has been noted
	overflowed bool // it has been noted that messages are dropped
	lost       bool // a message of the host was dropped, other than before the first SUBSCRIBE
	missed     bool // a message of the host was dropped before the first SUBSCRIBE
	unsent     bool // unsentBytes includes a message of the host

	seq           uint64 // of the last message given to the host
	publish       *mqtt.Publish
	refused       map[uint16]tandem.Mark // by packet identifier, not acknowledged yet
	batches       []openBatch            // not handled, in order; only the last may have packets left
	unpacked      int                    // bytes of the last batch beyond those that were sent, which are not charged yet
	reports       []report               // for the host, after publish
	notices       []Notice
	handling      []handling
	handlingBytes int
	flushed       time.Duration // when something was last written

	budget Budget
	rest   time.Duration // nothing is taken from the device until then; 0: it is
	paused bool          // something was not taken when Feed last ended

	filters      []filter
	waiting      *waiting // nil: nothing waits for a subscription
	unacked      []unacked
	backlogBytes int // of unacked
	unsentBytes  int // of QoS 0 messages since everything was last written
}

// stage is the progress of a connection.
type stage uint8

const (
	stranger       stage = iota
	authenticating       // Authenticate must be asked
	authenticate         // it has been asked
	connecting           // Connect must be asked
	connect              // it has been asked
	open                 // CONNECT has been answered, or refused after Connect was asked
	told                 // the host has been told of the end, or need not be
)

// New returns the session of a new connection.
func New(cfg *Config, now tandem.Now) Session {
	return Session{cfg: cfg, mqtt: *mqtt.NewServer(at(now), &protocol)}
}

// Certified says that the client has shaken hands, and whether it has shown a verified
// certificate, so that it may need no key. The wait for CONNECT begins again. It is called before Feed.
func (s *Session) Certified(now tandem.Now, shown bool) {
	s.certified = shown
	s.mqtt.Resumed(at(now))
}

// at returns the elapsed time in the form that package mqtt takes.
func at(now tandem.Now) time.Time { return time.Unix(0, 0).Add(now.Mono) }

// Device returns the device that the client claims to be, "" before CONNECT. It is
// authenticated when Connect is asked, and does not change.
func (s *Session) Device() tandem.DeviceID { return s.device }

// Format returns the format of messages to the device. It does not change once
// Connect is asked.
func (s *Session) Format() tandem.Format { return s.format }

// Leaving reports that the session ends: the owner must read nothing more.
func (s *Session) Leaving() bool { return s.leaving }

// Broken reports that nothing can be read or written any more.
func (s *Session) Broken() bool { return s.broken }

// Linger reports that the device may still be reading the last packets, so that the
// connection should not be closed at once.
func (s *Session) Linger() bool { return s.spoke && !s.clean && !s.broken }

// Full reports that Feed takes nothing from the device: something must be answered, handled or
// written before, or the device has to rest.
func (s *Session) Full() bool {
	return !s.leaving && (s.rest != 0 || len(s.handling) >= HandlingCount || s.handlingBytes >= HandlingBytes ||
		s.publish != nil || s.mqtt.Blocked() || s.writing && s.mqtt.Answers() >= UnreadAnswers)
}

// Feed takes bytes from the device. It returns how many of them it consumed, and
// whether it must be called again with the rest, even an empty rest, after the
// questions have been asked and when the session is not Full.
func (s *Session) Feed(now tandem.Now, buf []byte) (n int, again bool) {
	s.Rest(now.Mono)
	if s.leaving || s.Full() {
		s.paused = true
		return 0, !s.leaving
	}
	if s.paused { // its silence was ours
		s.paused = false
		s.resumed(now)
	}
	if s.unpacking() {
		s.unpack(now.Mono, len(buf) > 0)
		s.paused = s.Full()
		return 0, !s.leaving
	}
	if s.device == "" && mqtt.Size(buf) > ConnectSize {
		// A client that is not authenticated may not use the memory that a device's packets may.
		s.note(Debug, "connection is closed: the first packet is too large")
		s.leaving = true
		return 0, false
	}
	n, ev, err := s.mqtt.Feed(at(now), buf)
	s.charge(now.Mono, n, len(buf), ev)
	if err != nil {
		s.note(s.severity(), "device is disconnected for a violation of MQTT", "err", err)
		s.leaving = true
		if s.stage >= connect && mqtt.ReasonOf(err) == mqtt.PacketTooLarge {
			s.reportTooLarge()
		}
		return n, false
	}
	if ev != nil {
		s.behind = n < len(buf)
		s.handle(now, ev)
		s.paused = s.Full()
		return n, !s.leaving
	}
	s.paused = s.Full()
	s.behind = s.behind && n < len(buf) && s.mqtt.Blocked()
	return n, n < len(buf) && s.mqtt.Blocked()
}

// resumed says that bytes are taken from the device again. The time for CONNECT stays as it is.
func (s *Session) resumed(now tandem.Now) {
	if s.stage != stranger {
		s.mqtt.Resumed(at(now))
	}
}

// handle handles a packet of the device.
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

// Deadline returns when Tick must be called; ok is false when it need not be. It
// changes with every event.
func (s *Session) Deadline() (at time.Duration, ok bool) {
	if s.leaving {
		return 0, false
	}
	if s.rest != 0 {
		at, ok = s.rest, true
	} else if d := s.mqtt.Deadline(); !d.IsZero() {
		at, ok = d.Sub(time.Unix(0, 0)), true
	}
	if until := s.connected + s.early(); s.stage == open && !s.subscribed && !s.deaf && (!ok || until < at) {
		at, ok = until, true
	}
	return at, ok
}

// Tick does what is due. Bytes that have arrived should be fed before.
func (s *Session) Tick(now tandem.Now) {
	if s.leaving {
		return
	}
	if s.stage == open && !s.subscribed && !s.deaf && now.Mono >= s.connected+s.early() {
		s.ignored()
	}
	if s.rest != 0 { // its silence is ours
		if s.Rest(now.Mono) == 0 {
			s.resumed(now)
		}
		return
	}
	if s.mqtt.Tick(at(now)) != nil {
		s.note(s.severity(), "device has been silent for too long")
		if s.stage == stranger {
			s.notices = append(s.notices, Notice{Over: tandem.OverLoginTime})
		}
		s.leaving = true
	}
}

// Output appends the bytes to write next to dst: some 64 KB at most, so it is called
// until it appends none. The bytes must be written, and Written called, before
// Output is called again.
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

// Writing reports that bytes of Output are not written yet.
func (s *Session) Writing() bool { return s.writing }

// Written says that the bytes of Output were written, or why they could not be. Like
// Handled it takes only the elapsed time of tandem.Now: both are called for each
// message, and reading the wall time costs more than their work.
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

// End ends the session. A v5 device is told the reason, and the address of another
// server if there is one.
func (s *Session) End(code mqtt.Reason, why, server string) {
	if s.leaving {
		return
	}
	// It fails before CONNECT has been answered, when a device cannot be told.
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
	s.batches, s.refused = nil, nil
}

// must ends a session whose device cannot be given an answer, for example because it
// accepts no packets of that size.
func (s *Session) must(err error) {
	if err != nil {
		s.note(Info, "device cannot be answered and is disconnected", "err", err)
		s.End(mqtt.ReasonOf(err), "", "")
	}
}
