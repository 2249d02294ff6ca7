package session

import (
	"strconv"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// outgoing is a message for the device, in the device's format.
type outgoing struct {
	topic   string
	message tandem.Message
}

func (o *outgoing) size() int { return len(o.topic) + len(o.message.Data) }

// waiting are messages that wait for a subscription.
type waiting struct {
	early      []outgoing // messages for the first subscription
	earlyBytes int
	posts      []outgoing // posts for a subscription to their topic with QoS 1
	postBytes  int
}

// unacked is a message that the device has not acknowledged.
type unacked struct {
	id   uint16
	own  bool // the session sent it, not the host
	size int
	post uint64 // number of the post; 0: it is not a post
}

// contentTypes are the content types by which a v5 device is told the format. None means JSON.
var contentTypes = [...]string{
	tandem.FormatJSON:    "",
	tandem.FormatCompact: tandem.ContentCompact,
	tandem.FormatCBOR:    tandem.ContentCBOR,
}

// Send sends the device a message, in a format that the device takes. A message that
// the device has not subscribed to, or for which there is no room, is dropped. ok is
// false when the session is ending. write reports whether the output should be
// written now: while the host handles a message it is written with the
// acknowledgement. The session owns the data from then on.
func (s *Session) Send(topic string, m tandem.Message) (ok, write bool) {
	if s.leaving || s.stage < connect {
		return false, false
	}
	if topic == tandem.RefusedTopic {
		s.deny(m.Data)
		return true, false
	}
	o := outgoing{topic, m}
	switch {
	case m.Post != 0:
		s.post(o)
	case !s.subscribed:
		s.keep(o)
		return true, false
	default:
		s.put(&o, false)
	}
	return !s.leaving, !s.held
}

// keep keeps a message for the first SUBSCRIBE. After EarlyTime a device without a
// subscription counts as not wanting messages.
func (s *Session) keep(o outgoing) {
	if s.deaf {
		s.missed = true
		return
	}
	w := s.wait()
	if len(w.early) >= EarlyCount || w.earlyBytes+len(o.message.Data) > EarlyBytes {
		s.missed = true
		s.overflow(o.topic)
		return
	}
	w.early = append(w.early, o)
	w.earlyBytes += len(o.message.Data)
}

func (s *Session) wait() *waiting {
	if s.waiting == nil {
		s.waiting = new(waiting)
	}
	return s.waiting
}

// ignored drops the messages for a device that has not subscribed within EarlyTime.
func (s *Session) ignored() {
	s.deaf = true
	if w := s.waiting; w != nil {
		s.missed = s.missed || len(w.early) > 0
		w.early, w.earlyBytes = nil, 0
	}
}

// sendWaiting sends the messages that have waited for a subscription.
func (s *Session) sendWaiting() {
	w := s.waiting
	if w == nil {
		return
	}
	s.waiting = nil
	for i := range w.early {
		s.put(&w.early[i], false)
	}
	for _, o := range w.posts {
		if !s.leaving {
			s.post(o)
		}
	}
}

// post sends the device a message that must not be lost. Without a subscription with
// QoS 1 to its topic it waits for one. When there is no room for it the session
// ends, because later posts must not overtake it.
func (s *Session) post(o outgoing) {
	const tooMany = "too many messages wait for the device; it gets them after it connects again"
	qos, ok := s.subscription(o.topic)
	if ok && qos > 0 {
		if !s.put(&o, false) {
			s.End(mqtt.QuotaExceeded, tooMany, "")
		}
		return
	}
	if ok {
		s.complain("a tandem.post waits until the device subscribes with QoS 1: "+
			"with QoS 0 it does not acknowledge messages", "topic", o.topic)
	}
	w := s.wait()
	if len(w.posts) >= PostCount || len(w.posts) > 0 && w.postBytes+o.size() > PostBytes {
		s.notices = append(s.notices, Notice{Over: tandem.OverDeviceBacklog})
		s.note(Warn, "device is disconnected: too many posts wait for it to subscribe", "topic", o.topic)
		s.End(mqtt.QuotaExceeded, tooMany, "")
		return
	}
	w.posts = append(w.posts, o)
	w.postBytes += o.size()
}

// KeyTopic is the topic of a message that gives a device a new key.
const KeyTopic = "sys/key"

// put gives the protocol a message; own marks one of the session itself, and not of the host. It
// returns false when the message is dropped for lack of room.
func (s *Session) put(o *outgoing, own bool) bool {
	own = own || o.topic == KeyTopic
	qos, ok := s.subscription(o.topic)
	if !ok {
		return true
	}
	size, waiting := o.size(), s.backlogBytes+s.unsentBytes
	p := mqtt.Publish{QoS: qos}
	p.Topic, p.Payload = tandem.WriteTopic(o.topic, o.message.Data)
	var id uint16
	err := error(mqtt.ErrQueueFull)
	if waiting == 0 || waiting+size <= BacklogBytes {
		if s.v5 {
			p.Props = s.properties(&o.message)
		}
		id, err = s.mqtt.Publish(&p)
	}
	switch {
	case err == mqtt.ErrQueueFull:
		s.lost = s.lost || o.message.Post == 0 && !own
		s.overflow(o.topic)
		return false
	case err != nil:
		s.note(Warn, "a message cannot be sent to the device", "topic", o.topic, "err", err)
	case id != 0:
		s.unacked = append(s.unacked, unacked{id, own, size, o.message.Post})
		s.backlogBytes += size
	default:
		s.unsent = s.unsent || !own
		s.unsentBytes += size
	}
	return true
}

// properties returns the properties of a message to a v5 device.
func (s *Session) properties(m *tandem.Message) *mqtt.Properties {
	p := &mqtt.Properties{
		ContentType: contentTypes[m.Format],
		User:        []mqtt.UserProperty{{Key: "clock", Value: s.cfg.Stamp().String()}},
	}
	add := func(key string, n uint64) {
		if n != 0 {
			p.User = append(p.User, mqtt.UserProperty{Key: key, Value: strconv.FormatUint(n, 10)})
		}
	}
	add("incarnation", m.Incarnation)
	if m.Post != 0 {
		add("post", m.Post)
		add("after", m.After)
	}
	return p
}

// overflow notes, once until the device has caught up, that messages are dropped.
func (s *Session) overflow(topic string) {
	n := Notice{Over: tandem.OverDeviceBacklog}
	if !s.overflowed {
		s.overflowed = true
		n.Level, n.Text = Warn, "messages to the device are dropped: it reads them too slowly"
		n.Args = []any{"topic", topic}
		s.report("log/error", n.Text)
	}
	s.notices = append(s.notices, n)
}

// delivered handles that the device has acknowledged or refused a message.
func (s *Session) delivered(d *mqtt.Delivered) {
	if d.Code.Failed() {
		s.complain("the device refuses a message", "reason", d.Code.String())
	}
	for i := range s.unacked {
		if u := s.unacked[i]; u.id == d.PacketID {
			s.backlogBytes -= u.size
			s.unacked = append(s.unacked[:i], s.unacked[i+1:]...)
			if u.post != 0 {
				s.report("sys/handled", strconv.FormatUint(u.post, 10))
			}
			break
		}
	}
	if len(s.unacked) == 0 {
		s.unacked, s.overflowed = nil, false
	}
}

// anythingLost reports whether a message of the host was lost. See DESIGN.md.
func (s *Session) anythingLost(now tandem.Now) bool {
	if s.lost || s.unsent || s.subscribed && s.missed {
		return true
	}
	for i := range s.unacked {
		if u := &s.unacked[i]; u.post == 0 && !u.own {
			return true
		}
	}
	// A device that had time to subscribe and did not does not want messages.
	early := s.missed || s.waiting != nil && len(s.waiting.early) > 0
	return early && !s.subscribed && !s.deaf && now.Mono < s.connected+s.early()
}
