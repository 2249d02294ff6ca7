package mesh

import (
	"math"
	"time"

	"github.com/tandem-iot/tandem"
)

const (
	maxMessage   = 32 << 20 // bytes
	maxWaiting   = 64 << 20 // bytes of messages to one peer that it has not received
	messageCost  = 64       // bytes that each message counts in addition, so that empty ones are limited, too
	windowFrames = 256
	windowBytes  = 4 << 20
	batchSize    = 64 << 10 // bytes; small messages share a frame up to this

	firstWait = 200 * time.Millisecond
	minWait   = 50 * time.Millisecond
	maxWait   = time.Second
	ackDelay  = 5 * time.Millisecond
	ackFrames = 64 // acknowledge at the latest after this many received frames

	never = time.Duration(math.MaxInt64)
)

// sender is the half of a lane that numbers frames and keeps them until they
// have been received. Times are since a fixed origin.
type sender struct {
	waiting [][]byte // messages that are in no frame yet
	offset  int      // bytes of waiting[0] that are already in frames
	frames  []frame  // frames from done+1 on: sent, and not known to be received
	flying  int      // bytes in frames

	accepted, done uint64 // as acknowledged by the peer

	messages, bytes  int    // not received yet
	queued, received uint64 // messages since the lane began
	flushes          []flush

	askAt         time.Duration // when to ask for an acknowledgement if none arrives before
	doublings     int           // number of questions without an answer
	rtt, variance time.Duration // smoothed; 0: not measured
	probe         uint64        // the frame whose acknowledgement is timed; 0: none
	probeAt       time.Duration // when probe was sent
	healed        uint64        // the frame from which all were sent again; 0: none, or that was lost, too
}

// frame is the content of one packet.
type frame struct {
	pieces   []piece
	size     int // bytes on the wire, without the packet's header
	messages int // number of messages that end in it
	bytes    int // of messages
}

// flush is a call of Flush that waits until the peer has received upTo messages.
type flush struct {
	upTo uint64
	done chan error // has room for one
}

func (s *sender) sent() uint64 { return s.done + uint64(len(s.frames)) }

// add queues a message.
func (s *sender) add(data []byte) error {
	if len(data) > maxMessage {
		return tandem.Errorf(tandem.Limit, "a message between nodes has at most %d bytes, this one has %d",
			maxMessage, len(data))
	}
	if s.messages > 0 && s.bytes+s.messages*messageCost+len(data) > maxWaiting {
		return tandem.Errorf(tandem.Limit,
			"%d messages with %d bytes already wait for the node; it is too slow or cannot be reached", s.messages, s.bytes)
	}
	s.waiting = append(s.waiting, data)
	s.messages++
	s.bytes += len(data)
	s.queued++
	return nil
}

// cut makes the next frame of the waiting messages, if the window is open. A
// large message has frames of its own, of at most limit bytes. Small messages
// share a frame of at most batchSize: a receiver that keeps one message keeps
// the whole frame in memory.
func (s *sender) cut(limit int) bool {
	if len(s.waiting) == 0 || len(s.frames) >= windowFrames || s.flying >= windowBytes {
		return false
	}
	var f frame
	for len(s.waiting) > 0 {
		rest := s.waiting[0][s.offset:]
		if len(f.pieces) > 0 && f.size+pieceHeader+len(rest) > min(batchSize, limit) {
			break
		}
		n := min(len(rest), limit-pieceHeader)
		more := n < len(rest)
		f.pieces = append(f.pieces, piece{rest[:n:n], more})
		f.size += pieceHeader + n
		f.bytes += n
		if more {
			s.offset += n
			break
		}
		f.messages++
		s.offset = 0
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
	}
	s.frames = append(s.frames, f)
	s.flying += f.size
	return true
}

// acked processes an acknowledgement, and reports whether it covers more than
// the ones before.
func (s *sender) acked(now time.Duration, accepted, done uint64) (progress bool) {
	if accepted > s.sent() || done > accepted || (accepted <= s.accepted && done <= s.done) {
		return false
	}
	s.accepted = max(s.accepted, accepted)
	for s.done < done {
		f := s.frames[0]
		s.frames[0] = frame{}
		s.frames = s.frames[1:]
		s.flying -= f.size
		s.messages -= f.messages
		s.received += uint64(f.messages)
		s.bytes -= f.bytes
		s.done++
	}
	waiting := s.flushes[:0]
	for _, f := range s.flushes {
		if f.upTo <= s.received {
			f.done <- nil
		} else {
			waiting = append(waiting, f)
		}
	}
	clear(s.flushes[len(waiting):])
	s.flushes = waiting
	if s.probe != 0 && s.accepted >= s.probe {
		s.measured(now - s.probeAt)
		s.probe = 0
	}
	s.doublings = 0
	return true
}

func (s *sender) measured(rtt time.Duration) {
	if s.rtt == 0 {
		s.rtt, s.variance = rtt, rtt/2
		return
	}
	s.variance += ((s.rtt - rtt).Abs() - s.variance) / 4
	s.rtt += (rtt - s.rtt) / 8
}

// patience returns how long to wait for an acknowledgement before asking for one.
func (s *sender) patience() time.Duration {
	wait := firstWait
	if s.rtt != 0 {
		wait = max(minWait, s.rtt+4*s.variance)
	}
	for range s.doublings {
		if wait *= 2; wait >= maxWait {
			break
		}
	}
	return min(wait, maxWait)
}

// fail fails all waiting calls of Flush, and resets the sender.
func (s *sender) fail(err error) {
	for _, f := range s.flushes {
		f.done <- err
	}
	*s = sender{askAt: never}
}
