package core

import (
	"errors"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
	batches "github.com/tandem-iot/tandem/mqtt/batch"
)

// What may wait for acknowledgements of the server, of messages and of lines of the log each: a line does
// not wait for the agent's handlers. Bytes are those of packets before they are compressed.
const (
	firstWindow = 64 << 10
	leastWindow = 16 << 10
	mostWindow  = 512 << 10
	maxFlown    = 4096        // messages
	maxSaid     = maxKept / 2 // lines; makeWay finds others
	maxParcels  = 250         // packets; the session takes 256 at a time
	spared      = 4           // a part of as many of the parcels is kept for the other kind
)

// maxBatch is the most bytes of packets in a batch. More does not compress better: DEFLATE looks back 32 KB.
const maxBatch = 64 << 10

// queueTime is how much longer than the fastest an acknowledgement may take before the window stops to
// grow: what is sent ahead only waits in a queue then, and pings behind it.
const queueTime = 2 * time.Second

// parcel is a packet that waits for its acknowledgement: a message or a line, or a batch of them.
type parcel struct {
	packet uint16
	lines  bool // there are lines only in it
	bytes  int
	at     time.Duration
}

// flow decides how much is sent ahead on a connection.
type flow struct {
	parcels []parcel // in order
	bytes   [2]int   // of parcels; [1] of those with lines only
	count   [2]int
	window  int
	limited bool          // the window has kept something back since it last grew
	base    time.Duration // least time that an acknowledgement has taken; 0: none has come
	shrunk  time.Duration // when the window last shrank
}

func kind(lines bool) int {
	if lines {
		return 1
	}
	return 0
}

// room returns how many bytes another parcel may have now, when at most most parcels may wait; 0: there
// is no room. The first may have any size, or a large message could never go.
func (f *flow) room(lines bool, most int) int {
	k := kind(lines)
	switch free := f.window - f.bytes[k]; {
	case len(f.parcels) >= most || f.count[k] >= max(most-most/spared, 1):
		return 0
	case f.count[k] == 0:
		return anySize
	case free < f.window/8:
		f.limited = true
		return 0
	default:
		return free
	}
}

// anySize is more than any message has.
const anySize = 1 << 30

func (f *flow) sent(p parcel) {
	f.parcels = append(f.parcels, p)
	f.bytes[kind(p.lines)] += p.bytes
	f.count[kind(p.lines)]++
}

// acknowledged adapts the window. It grows by what is acknowledged as long as acknowledgements are not
// much slower than the fastest, and shrinks when they are far slower, at most once in the time that one takes.
func (f *flow) acknowledged(packet uint16, now time.Duration) {
	i := 0
	for i < len(f.parcels) && f.parcels[i].packet != packet {
		i++
	}
	if i == len(f.parcels) {
		return
	}
	p := f.parcels[i]
	f.parcels = append(f.parcels[:i], f.parcels[i+1:]...)
	f.bytes[kind(p.lines)] -= p.bytes
	f.count[kind(p.lines)]--
	took := now - p.at
	if f.base == 0 || took < f.base {
		f.base = max(took, 1)
	}
	slow := 2*f.base + queueTime
	switch {
	case took <= slow && f.limited:
		f.window = min(f.window+p.bytes, mostWindow)
		f.limited = false
	case took > 2*slow && now-f.shrunk > took:
		f.window = max(f.window*3/4, leastWindow)
		f.shrunk = now
	}
}

// batchSize returns how many bytes of packets the server takes in a batch, 0 if it takes none.
func batchSize(p *mqtt.Properties) int {
	text, ok := p.Get(batches.Property)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	// A packet has a few bytes besides the batch.
	return max(min(n, maxBatch, int(p.MaximumPacketSize.Or(anySize))-64), 0)
}

// publish gives the session what the window allows. Hello is the first: by it the server
// knows what the numbers of messages mean.
func (c *Core) publish(n *conn) {
	for n.greeted && n == c.net.conn && n.state < gone {
		it := c.out.next()
		if it == nil || !c.mayGo(n, it) || !c.publishSome(n, it) {
			return
		}
	}
}

// mayGo reports whether an item may be given to the connection now.
func (c *Core) mayGo(n *conn, it *item) bool {
	switch {
	case it.publish.QoS == 0:
		return true
	case it.line && c.out.said >= maxSaid, !it.line && c.out.flown >= maxFlown:
		return false
	}
	return n.flow.room(it.line, n.most) > 0
}

// publishSome gives the session the first item that waits, with others in a batch if it can.
func (c *Core) publishSome(n *conn, it *item) bool {
	packets, items := c.collect(n)
	switch len(items) {
	case 0:
		return c.publishOne(n, it)
	case 1:
		return c.publishItems(n, items, &items[0].publish, len(packets))
	}
	all := &mqtt.Publish{Topic: batches.Topic, QoS: 1, Payload: batches.Pack(packets)}
	return c.publishItems(n, items, all, len(packets))
}

// collect takes items that wait for a batch, as far as they belong into one and the window has room.
func (c *Core) collect(n *conn) (packets []byte, items []*item) {
	if n.batch == 0 {
		return nil, nil
	}
	limit := min(n.batch, max(n.flow.window/4, leastWindow/2))
	lines := true
	for it := c.out.next(); it != nil && it.keep && it.publish.QoS == 1 && c.mayGo(n, it); it = c.out.next() {
		more, err := batches.Append(packets, &it.publish)
		lines = lines && it.line
		if err != nil || len(more) > limit || len(items) > 0 && len(more) > n.flow.room(lines, n.most) {
			break
		}
		packets = more
		items = append(items, it)
		c.out.give(pendingPacket)
	}
	return packets, items
}

// pendingPacket marks items that are given to the connection and have no packet yet.
const pendingPacket = 1

// publishItems publishes a packet with items that were taken for it.
func (c *Core) publishItems(n *conn, items []*item, p *mqtt.Publish, bytes int) bool {
	packet, err := n.client.Publish(p)
	if err != nil {
		// The sizes were looked at, and there was room. On the next connection they go again.
		c.drop(device.NoServer, err)
		return false
	}
	lines := true
	for _, it := range items {
		it.packet = packet
		lines = lines && it.line
	}
	n.flow.sent(parcel{packet, lines, bytes, c.now.Mono})
	n.batched = append(n.batched, items...)
	return true
}

// publishOne publishes an item that does not go in a batch. It reports whether others can follow.
func (c *Core) publishOne(n *conn, it *item) bool {
	packet, err := n.client.Publish(&it.publish)
	if unsendable := (*mqtt.Error)(nil); errors.As(err, &unsendable) {
		c.log(Error, "a message cannot be sent", "topic", it.publish.Topic, "error", err.Error())
		c.out.remove(it)
		c.settled(it, true)
		return true
	}
	if err != nil {
		return false // the session is full for now, or has just ended
	}
	c.out.give(packet)
	if packet != 0 {
		n.flow.sent(parcel{packet, it.line, len(it.publish.Topic) + len(it.publish.Payload), c.now.Mono})
	}
	n.batched = append(n.batched, it)
	return true
}

// delivered takes an acknowledgement.
func (c *Core) delivered(n *conn, ev *mqtt.Delivered) {
	failed := ev.Code.Failed()
	if n.hello == ev.PacketID && n.hello != 0 {
		n.hello = 0
		if !failed {
			c.helloHeard()
		}
		return
	}
	n.flow.acknowledged(ev.PacketID, c.now.Mono)
	for it := c.out.acknowledged(ev.PacketID); it != nil; it = c.out.acknowledged(ev.PacketID) {
		if failed {
			c.log(Error, "the server refuses a message", "topic", it.publish.Topic, "reason", ev.Code.String())
		}
		c.settled(it, failed)
	}
}
