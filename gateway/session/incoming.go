package session

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

// handling is a message that the host has not handled yet.
type handling struct {
	seq  uint64
	size uint32
	id   uint16 // packet identifier; 0: QoS 0, no acknowledgement
	part bool   // of the batch with that identifier, which is acknowledged as a whole
}

var tooLarge = "a message and its name may have " + strconv.Itoa(tandem.MessageSize) + " bytes"

// toAgent is the beginning of the topic of a message to the agent; the name follows.
const toAgent = "agent/"

// addressed gives a message to the agent the topic that has its name in the wire form, and
// its data alone as payload. ok reports whether a device may publish to the topic at all.
func addressed(p *mqtt.Publish) (ok bool) {
	switch p.Topic {
	case "log", "log/error", "sys/hello", "sys/status":
		return true
	}
	name, data, ok := tandem.ReadTopic(toAgent, p.Topic, p.Payload)
	if !ok {
		return false
	}
	if p.Payload = data; name != nameIn(p.Topic) {
		p.Topic = toAgent + name
	}
	return true
}

// nameIn returns the name of a message to the agent, "" for any other topic.
func nameIn(topic string) string {
	if name, ok := strings.CutPrefix(topic, toAgent); ok {
		return name
	}
	return ""
}

// take takes a message from the device.
func (s *Session) take(p *mqtt.Publish) {
	if p.Topic == batch.Topic {
		s.open(p)
		return
	}
	if !addressed(p) {
		s.refusePublish(p)
		return
	}
	if size := len(nameIn(p.Topic)) + len(p.Payload); size > tandem.MessageSize {
		s.note(Info, "device is disconnected: its message is too large", "topic", p.Topic, "bytes", size)
		s.End(mqtt.PacketTooLarge, tooLarge, "")
		s.reportTooLarge()
		return
	}
	p.Payload = bytes.Clone(p.Payload) // the host keeps it, and its buffer is reused
	s.publish = p
}

// deliver makes the question for the message that has arrived.
func (s *Session) deliver(q *Question) {
	p := s.publish
	s.publish = nil
	*q = Question{Kind: Deliver, Topic: p.Topic, Message: tandem.Message{Data: p.Payload}}
	q.Message.Name = nameIn(p.Topic)
	if p.Props != nil {
		q.Message.Format, q.Message.Mark = formatOf(p.Props), markOf(p.Props)
		if _, ok := p.Props.Get("post"); ok {
			q.Message.Post = 1
		}
		if text, ok := p.Props.Get("clock"); ok {
			q.Stamp = s.stampOf(text)
		}
		if text, ok := p.Props.Get("where"); ok && p.Topic == "log/error" && len(text) <= tandem.WhereSize {
			q.Message.Name = text
		}
		if text, ok := p.Props.Get("written"); ok && !strings.HasPrefix(p.Topic, toAgent) {
			q.Message.Written = writtenAt(text)
		}
	}
	s.held = true
	s.number(q, p.PacketID)
	if s.inBatch {
		s.inBatch = false
		s.handling[len(s.handling)-1].part = true
	}
}

// reportTooLarge writes to the device's log why the device is disconnected. A device
// that speaks MQTT 3.1.1 cannot be told otherwise.
func (s *Session) reportTooLarge() {
	s.notices = append(s.notices, Notice{Over: tandem.OverFromDevice})
	s.report("log/error", "the device was disconnected because its message is too large: "+tooLarge)
}

// refusePublish refuses a message to a topic to which a device may not publish.
func (s *Session) refusePublish(p *mqtt.Publish) {
	const why = "a device may publish to agent/<name>, log, log/error, sys/hello and sys/status"
	s.complain("the device's message is refused: "+why, "topic", p.Topic)
	if !s.v5 || p.QoS == 0 {
		// MQTT 3.1.1 has no other way to refuse it.
		s.End(mqtt.NotAuthorized, why, "")
		return
	}
	s.must(s.mqtt.AckWith(p.PacketID, mqtt.NotAuthorized, &mqtt.Properties{ReasonString: why}))
}

// Taken says whether the host has taken message number seq. With an error the host
// has done nothing with it. The session then ends, and the message is not
// acknowledged, so that the device sends it again.
func (s *Session) Taken(seq uint64, err error) {
	s.held = false
	if err == nil {
		return
	}
	i := s.find(seq)
	if i < 0 || s.failed {
		return // it is handled already, or the session has ended
	}
	s.failed = true
	s.forget(i)
	s.note(Info, "device is disconnected: its message was not taken", "err", err)
	s.End(mqtt.ServerBusy, "the device's agent cannot be reached: connect again", "")
}

// Handled says that the host has handled message number seq. It returns whether the
// output should be written now.
func (s *Session) Handled(mono time.Duration, seq uint64) (write bool) {
	i := s.find(seq)
	if i < 0 {
		return false
	}
	h := s.handling[i]
	s.forget(i)
	if s.leaving {
		return false
	}
	switch {
	case h.part:
		s.handledPart(h.id)
	case h.id != 0:
		s.acknowledge(h.id)
	}
	s.held = false
	// When the next message has arrived already, its acknowledgement is written with this one.
	return !s.behind || mono-s.flushed >= CoalesceTime
}

// find returns the index of a message among those that the host handles, -1 if it is
// not there. Most messages are handled in order.
func (s *Session) find(seq uint64) int {
	if len(s.handling) > 0 && s.handling[0].seq == seq {
		return 0
	}
	i, found := slices.BinarySearchFunc(s.handling, seq, func(h handling, seq uint64) int {
		if h.seq < seq {
			return -1
		}
		return int(min(h.seq-seq, 1))
	})
	if !found {
		return -1
	}
	return i
}

// forget removes the message at an index. A short list is kept for the next message.
func (s *Session) forget(i int) {
	s.handlingBytes -= int(s.handling[i].size)
	if s.handling = slices.Delete(s.handling, i, i+1); len(s.handling) == 0 && cap(s.handling) > 4 {
		s.handling = nil
	}
}

// writtenAt parses the time at which a line was written, in milliseconds since 1970. What is no time is 0.
func writtenAt(text string) int64 {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 || ms > maxWritten {
		return 0
	}
	return ms
}

// maxWritten is the end of the year 9999, which RFC 3339 can say.
const maxWritten = 253_402_300_799_999

// stampOf parses the stamp of the device's clock.
func (s *Session) stampOf(text string) hlc.Timestamp {
	stamp, err := hlc.Parse(text)
	if err != nil {
		s.note(Debug, "device's clock stamp is invalid", "clock", text)
		return 0
	}
	return stamp
}

// markOf returns the number that a device has given a message.
func markOf(p *mqtt.Properties) tandem.Mark {
	boot, _ := p.Get("boot")
	seq, _ := p.Get("seq")
	b, err := strconv.ParseUint(boot, 10, 64)
	if err != nil {
		return tandem.Mark{} // not numbered
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return tandem.Mark{}
	}
	return tandem.Mark{Boot: b, Seq: n}
}

// formatOf returns the format that a v5 device declares for a message. Text and other
// types count as JSON, whose decoder accepts anything.
func formatOf(p *mqtt.Properties) tandem.Format {
	switch p.ContentType {
	case tandem.ContentCompact:
		return tandem.FormatCompact
	case tandem.ContentCBOR:
		return tandem.FormatCBOR
	}
	return tandem.FormatJSON
}
