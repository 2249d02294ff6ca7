package session

import (
	"time"

	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

// openBatch is a batch of messages that the host has not all handled.
type openBatch struct {
	id   uint16 // its packet identifier; 0: QoS 0, no acknowledgement
	rest []byte // packets that are not taken
	open int    // messages that were taken and are not handled
}

// open unpacks a batch of the device. Its messages are taken one by one by unpack, as Feed takes
// packets, so that each counts against the bounds and the rates.
func (s *Session) open(p *mqtt.Publish) {
	packets, err := batch.Unpack(p.Payload, batch.Size)
	if err != nil {
		s.badBatch(err)
		return
	}
	if len(packets) == 0 {
		s.acknowledgeBatch(p.PacketID)
		return
	}
	if len(packets) == len(p.Payload)-1 {
		packets = append([]byte(nil), packets...) // the buffer of the payload is reused
	}
	s.batches = append(s.batches, openBatch{id: p.PacketID, rest: packets})
	s.unpacked = max(len(packets)-len(p.Payload), 0)
}

func (s *Session) badBatch(err error) {
	s.complain("the device's batch is refused", "reason", err.Error())
	s.End(mqtt.PayloadFormatInvalid, err.Error(), "")
}

// unpacking reports whether a batch has messages that are not taken.
func (s *Session) unpacking() bool {
	n := len(s.batches)
	return n > 0 && len(s.batches[n-1].rest) > 0
}

// unpack takes the next message of the batch. more says that the device has sent something after it.
func (s *Session) unpack(mono time.Duration, more bool) {
	b := &s.batches[len(s.batches)-1]
	p, rest, err := batch.Next(b.rest)
	if err != nil {
		s.badBatch(err)
		return
	}
	if p.Topic == batch.Topic {
		s.badBatch(batch.ErrPacket)
		return
	}
	b.rest = rest
	if len(rest) == 0 {
		b.rest = nil // its memory is not needed while the host handles the messages
	}
	s.behind = more || len(rest) > 0
	s.chargeReport(mono, p.Topic)
	s.chargeWork(mono, packetCost, s.unpacked)
	s.unpacked = 0
	b.open++
	p.PacketID = b.id
	s.inBatch = true
	s.take(p)
}

// handledPart notes that the host has handled a message of a batch, and acknowledges the batch after
// the last.
func (s *Session) handledPart(id uint16) {
	for i := range s.batches {
		b := &s.batches[i]
		if b.id != id {
			continue
		}
		if b.open--; b.open == 0 && len(b.rest) == 0 {
			s.batches = append(s.batches[:i], s.batches[i+1:]...)
			if len(s.batches) == 0 {
				s.batches = nil
			}
			s.acknowledgeBatch(id)
		}
		return
	}
}

func (s *Session) acknowledgeBatch(id uint16) {
	if id != 0 {
		s.acknowledge(id)
	}
}
