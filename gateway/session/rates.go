package session

import (
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

// use is a kind of work that a device causes and that has a rate.
type use uint8

const (
	messages use = iota // packets, in quarters of a message
	traffic             // bytes
	reports             // messages about the device itself, below sys/
	connects            // connections
	uses
)

// What a packet costs, in quarters of a message. A read that completes no packet costs one, so
// that a device which sends its bytes one at a time is slowed too.
const (
	fragmentCost = 1
	packetCost   = 4
)

// Rate is how much a device may do over time. The zero Rate is no limit.
type Rate struct {
	Each  time.Duration // a unit is added this often
	Burst int           // units at once
}

// Rates are the rates of a device. The zero value has no limits.
type Rates [uses]Rate

// DeviceRates are the rates of a node's devices. A week's backlog of a message every ten
// seconds, 60,480 messages, takes a minute.
var DeviceRates = Rates{
	messages: {time.Millisecond / packetCost, 500 * packetCost},
	traffic:  {time.Microsecond, 16 << 20},
	reports:  {time.Second, 40},
	connects: {time.Second, 20},
}

// ByteRate returns the rate of a device's bytes.
func ByteRate() Rate { return DeviceRates[traffic] }

// pace is how long a device rests at least, so that a slowed device is woken ten times a
// second and not for each message.
const pace = 100 * time.Millisecond

// overs are the limits by use, and what the device's log says.
var overs = [uses]struct{ limit, text string }{
	messages: {tandem.OverDeviceMessages, "the device is slowed down: it sends more than 1000 messages a second"},
	traffic:  {tandem.OverDeviceBytes, "the device is slowed down: it sends more than 1 MB a second"},
	reports:  {tandem.OverDeviceReports, "the device is slowed down: it sends more than one sys/ message a second"},
	connects: {tandem.OverDeviceConnects, "the device is slowed down: it connects more than once a second"},
}

// Budget is what a device has used of its rates. It is passed from one connection of the
// device to the next; otherwise a device could renew it by connecting again. The zero Budget
// is unused.
type Budget struct {
	restored [uses]time.Duration // when all that was used has been added again, in elapsed time
	said     [uses]bool          // it was noted that the device is slowed
}

// Merge adds what another connection of the same device has used.
func (b *Budget) Merge(other Budget) {
	for u := range b.restored {
		b.restored[u] = max(b.restored[u], other.restored[u])
		b.said[u] = b.said[u] || other.said[u]
	}
}

// Used reports whether less than the whole budget is available.
func (b *Budget) Used(mono time.Duration) bool {
	for _, at := range b.restored {
		if at > mono {
			return true
		}
	}
	return false
}

// charge uses n units, although they may not be available.
func (b *Budget) charge(mono time.Duration, r *Rates, u use, n int) {
	b.restored[u] = max(b.restored[u], mono) + time.Duration(n)*r[u].Each
}

// wait returns how long it takes until n units of u are available.
func (b *Budget) wait(mono time.Duration, r *Rates, u use, n int) time.Duration {
	if r[u].Each == 0 {
		return 0
	}
	return b.restored[u] - mono - time.Duration(r[u].Burst-n)*r[u].Each
}

// Inherit takes over what the device has used before this connection. It is called before
// Authenticated, and has a device that connects too often wait for its turn.
func (s *Session) Inherit(mono time.Duration, b Budget) {
	s.budget.Merge(b)
	s.slow(mono, connects, 1, 0)
}

// Budget returns what the device has used.
func (s *Session) Budget() Budget { return s.budget }

// Rest returns how long Feed takes nothing because the device is over one of its rates, 0 when
// it takes more.
func (s *Session) Rest(mono time.Duration) time.Duration {
	if s.leaving || mono >= s.rest {
		s.rest = 0
	}
	return max(s.rest-mono, 0)
}

// Queued reports that Connect is asked only after the rest.
func (s *Session) Queued() bool { return s.stage == connecting && s.rest != 0 && !s.leaving }

// charge charges the device for the packets that Feed has consumed, and has it rest when it is
// over one of its rates. offered is the number of bytes that Feed was given.
func (s *Session) charge(mono time.Duration, consumed, offered int, ev mqtt.Event) {
	cost := packetCost * s.mqtt.Silent()
	switch ev := ev.(type) {
	case *mqtt.Publish:
		cost += packetCost
		if ev.Topic != batch.Topic { // its messages are charged one by one
			s.chargeReport(mono, ev.Topic)
		}
	case *mqtt.Subscribe:
		cost += packetCost * (1 + len(ev.Filters))
	case *mqtt.Unsubscribe:
		cost += packetCost * (1 + len(ev.Filters))
	case nil:
		if consumed == 0 && offered > 1 { // the first byte of a packet may be read alone
			cost += fragmentCost
		}
	}
	s.chargeWork(mono, cost, consumed)
}

func (s *Session) chargeReport(mono time.Duration, topic string) {
	if strings.HasPrefix(topic, "sys/") {
		s.budget.charge(mono, &s.cfg.Rates, reports, 1)
		s.slow(mono, reports, 0, pace)
	}
}

// chargeWork charges the device for packets, in quarters of a message, and for bytes.
func (s *Session) chargeWork(mono time.Duration, cost, bytes int) {
	s.budget.charge(mono, &s.cfg.Rates, messages, cost)
	s.slow(mono, messages, 0, pace)
	s.budget.charge(mono, &s.cfg.Rates, traffic, bytes)
	s.slow(mono, traffic, 0, pace)
}

// slow has the device rest until n units of u are available, and then for extra.
func (s *Session) slow(mono time.Duration, u use, n int, extra time.Duration) {
	r, b := &s.cfg.Rates, &s.budget
	wait := b.wait(mono, r, u, n)
	if wait <= 0 {
		b.said[u] = b.said[u] && b.restored[u]-mono > time.Duration(r[u].Burst/2)*r[u].Each
		return
	}
	s.rest = max(s.rest, mono+wait+extra)
	s.behind = false // acknowledgements do not wait for the next message
	if !b.said[u] {
		b.said[u] = true
		s.notices = append(s.notices, Notice{Over: overs[u].limit})
		s.report("log/error", overs[u].text)
	}
}
