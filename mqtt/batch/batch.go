// Package batch has the payload of sys/batch: many messages in one, so that they cost one
// acknowledgement and what they have in common is sent once. A batch is a byte that says how the
// rest is packed, and then one PUBLISH of MQTT 5 after the other, as it would be sent alone with QoS 0:
//
//	0  the packets as they are
//	1  the packets compressed with DEFLATE (RFC 1951), without a header or a checksum
//
// docs/link.md says what a node does with it.
package batch

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"

	"github.com/tandem-iot/tandem/mqtt"
)

// Topic is the topic of a batch.
const Topic = "sys/batch"

// Property is the name of the user property by which a device says in CONNECT that it can send batches,
// and by which a node says in CONNACK how many bytes of packets it takes in one.
const Property = "batch"

// Size is the most bytes of packets in a batch of a node.
const Size = 256 << 10

// How a batch is packed.
const (
	plain    = 0
	deflated = 1
)

// leastGain is the number of packets' bytes below which compression is not tried.
const leastGain = 256

// Append appends a message to the packets of a batch. Its QoS and identifier do not matter.
func Append(packets []byte, p *mqtt.Publish) ([]byte, error) {
	alone := *p
	alone.QoS, alone.PacketID = 0, 0
	alone.Dup = false
	return mqtt.Append(packets, &alone, mqtt.V5)
}

// Pack returns the payload of a batch of packets. It is compressed if that makes it smaller.
func Pack(packets []byte) []byte {
	if len(packets) >= leastGain {
		if b := compress(packets); len(b) <= len(packets) {
			return b
		}
	}
	return append([]byte{plain}, packets...)
}

// writers and readers keep their tables, some 600 and 40 KB.
var (
	writers = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.DefaultCompression)
		if err != nil {
			panic(err) // the level is valid
		}
		return w
	}}
	readers = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

func compress(packets []byte) []byte {
	var b bytes.Buffer
	b.WriteByte(deflated)
	w := writers.Get().(*flate.Writer)
	defer writers.Put(w)
	w.Reset(&b)
	// Writing into memory does not fail.
	_, _ = w.Write(packets)
	_ = w.Close()
	return b.Bytes()
}

// Errors of Unpack and Next.
var (
	ErrPacking = errors.New("a batch begins with 0 or 1, and its packets are complete")
	ErrSize    = errors.New("a batch has too many bytes of packets")
	ErrPacket  = errors.New("a batch consists of PUBLISH packets of MQTT 5 with QoS 0")
)

// Unpack returns the packets of a payload, at most limit bytes. The result may be part of payload.
func Unpack(payload []byte, limit int) (packets []byte, err error) {
	switch {
	case len(payload) == 0:
		return nil, ErrPacking
	case payload[0] == plain && len(payload)-1 <= limit:
		return payload[1:], nil
	case payload[0] == plain:
		return nil, ErrSize
	case payload[0] != deflated:
		return nil, ErrPacking
	}
	r := readers.Get().(io.ReadCloser)
	defer readers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(payload[1:]), nil); err != nil {
		return nil, ErrPacking
	}
	b := bytes.NewBuffer(make([]byte, 0, min(limit, 8*len(payload))))
	n, err := io.Copy(b, io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, ErrPacking
	case n > int64(limit):
		return nil, ErrSize
	}
	return b.Bytes(), nil
}

// Next returns the first message of packets, and the rest of them. The message's payload is part of
// packets.
func Next(packets []byte) (p *mqtt.Publish, rest []byte, err error) {
	d := mqtt.Decoder{Version: mqtt.V5, MaxSize: len(packets)}
	packet, n, err := d.Decode(packets)
	if err != nil {
		return nil, nil, ErrPacket
	}
	p, ok := packet.(*mqtt.Publish)
	if !ok || p.QoS > 0 || p.Props != nil && (p.Props.TopicAlias.Set || p.Props.SubscriptionIDs != nil) {
		return nil, nil, ErrPacket
	}
	return p, packets[n:], nil
}
