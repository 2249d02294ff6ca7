package mesh

import (
	"encoding/binary"
	"errors"

	"github.com/tandem-iot/tandem/hlc"
)

// A frame on the wire: one byte version, one byte flags, six big-endian
// 64-bit numbers, the sender's node name with its length in one byte, and
// then pieces to the end. A piece is a varint and its bytes. The varint is twice
// the number of bytes, plus one when the message continues in the next frame.
const (
	wireVersion = 1
	fixedHeader = 2 + 6*8 + 1
	maxNodeName = 255 // bytes
	pieceHeader = binary.MaxVarintLen32
	// maxPieces is how many pieces a frame has at most: a sender counts the header of each.
	maxPieces = batchSize/pieceHeader + 1
)

// flags of a frame
const (
	flagAsk  = 1 << iota // asks for an acknowledgement at once; number is the last frame sent, without pieces
	flagGap              // the frame after accepted is missing
	flagNews             // a broadcast; apart from the pieces only from and stamp are used
)

// packet is a frame in memory. The node of to is not on the wire, since it is in
// the subject.
type packet struct {
	from, to Peer
	flags    byte
	stamp    hlc.Timestamp
	number   uint64 // of the frame, from 1; 0: there are no pieces
	accepted uint64 // the sender of this packet has received all frames up to this one
	done     uint64 // its Receive has returned for all frames up to this one
	pieces   []piece
}

// piece is a message, or a part of one.
type piece struct {
	data []byte
	more bool // the message goes on in the next frame
}

var errMalformed = errors.New("malformed frame")

// encode appends p to buf.
func encode(buf []byte, p *packet) []byte {
	buf = append(buf, wireVersion, p.flags)
	for _, n := range [...]uint64{
		uint64(p.from.Session), uint64(p.to.Session), uint64(p.stamp),
		p.number, p.accepted, p.done,
	} {
		buf = binary.BigEndian.AppendUint64(buf, n)
	}
	buf = append(buf, byte(len(p.from.Node)))
	buf = append(buf, p.from.Node...)
	for _, piece := range p.pieces {
		n := uint64(len(piece.data)) << 1
		if piece.more {
			n |= 1
		}
		buf = binary.AppendUvarint(buf, n)
		buf = append(buf, piece.data...)
	}
	return buf
}

// decode reads what encode wrote. The pieces are parts of b.
func decode(b []byte) (p packet, err error) {
	if len(b) < fixedHeader || b[0] != wireVersion {
		return p, errMalformed
	}
	p.flags = b[1]
	var n [6]uint64
	for i := range n {
		n[i] = binary.BigEndian.Uint64(b[2+8*i:])
	}
	p.from.Session = int64(n[0])
	p.to.Session = int64(n[1])
	p.stamp = hlc.Timestamp(n[2])
	p.number = n[3]
	p.accepted = n[4]
	p.done = n[5]
	name := int(b[fixedHeader-1])
	if b = b[fixedHeader:]; len(b) < name || name == 0 {
		return p, errMalformed
	}
	p.from.Node = string(b[:name])
	for b = b[name:]; len(b) > 0; {
		n, size := binary.Uvarint(b)
		if size <= 0 || n>>1 > uint64(len(b)-size) {
			return p, errMalformed
		}
		end := size + int(n>>1)
		if len(p.pieces) == maxPieces {
			return p, errMalformed
		}
		// The capacity ends with the piece, so that append cannot overwrite the next one.
		p.pieces = append(p.pieces, piece{b[size:end:end], n&1 != 0})
		b = b[end:]
	}
	if (p.number != 0 && p.flags&flagAsk == 0) != (len(p.pieces) > 0 && p.flags&flagNews == 0) {
		return p, errMalformed
	}
	return p, nil
}
