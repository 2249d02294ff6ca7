package mesh

import (
	"errors"
	"time"
)

// receiver is the half of a lane that accepts frames in order and assembles
// messages from their pieces.
type receiver struct {
	accepted uint64        // the last frame received without a gap
	done     uint64        // the last frame for whose messages Receive has returned
	inbox    []arrived     // frames done+1 to accepted
	bytes    int           // of the frames in inbox
	partial  []byte        // the beginning of a message; nil: none
	told     uint64        // done in the last packet to the peer
	tellAt   time.Duration // when to acknowledge; never: nothing to acknowledge
	noticed  uint64        // the last missing frame that the peer was told of
}

// arrived is a frame whose messages are to be received.
type arrived struct {
	messages [][]byte
	bytes    int
}

var errWindow = errors.New("it sends more than it may before the messages have been received")

// accept accepts the next frame.
func (r *receiver) accept(pieces []piece) error {
	total := 0
	size := len(r.partial)
	for _, p := range pieces {
		total += len(p.data)
		if size += len(p.data); size > maxMessage {
			return errMalformed
		}
		if !p.more {
			size = 0
		}
	}
	// A sender begins a frame only while less than windowBytes are under way.
	if len(r.inbox) >= windowFrames || r.bytes+total > windowBytes+maxFrame {
		return errWindow
	}
	messages := make([][]byte, 0, len(pieces))
	for _, p := range pieces {
		switch {
		case p.more && r.partial == nil:
			r.partial = append(make([]byte, 0, 2*len(p.data)), p.data...)
		case p.more:
			r.partial = append(r.partial, p.data...)
		case r.partial != nil:
			messages = append(messages, append(r.partial, p.data...))
			r.partial = nil
		default:
			messages = append(messages, p.data)
		}
	}
	r.accepted++
	r.inbox = append(r.inbox, arrived{messages, total})
	r.bytes += total
	return nil
}
