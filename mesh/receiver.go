package mesh

import "time"

// receiver is the half of a lane that puts frames in order and messages
// together.
type receiver struct {
	accepted uint64
	done     uint64
	inbox    [][][]byte    // the messages of frames done+1 to accepted
	partial  []byte        // the begin of a message; nil: none has begun
	told     uint64        // done as the peer was last told
	tellAt   time.Duration // when to tell it again
	noticed  uint64        // the missing frame the peer was told about
}

// accept takes the next frame.
func (r *receiver) accept(pieces []piece) error {
	size := len(r.partial)
	for _, p := range pieces {
		if size += len(p.data); size > maxMessage {
			return errMalformed
		}
		if !p.more {
			size = 0
		}
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
	r.inbox = append(r.inbox, messages)
	return nil
}
