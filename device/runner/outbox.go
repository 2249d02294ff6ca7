package runner

import (
	"slices"
	"strconv"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

// window is how many messages may wait for their acknowledgement.
const window = 32

// maxKept bounds the lines that are kept while there is no link.
const maxKept = 1000

// item is something for the server: a message, a line, or news of ours.
type item struct {
	publish mqtt.Publish
	gen     uint64 // the run of the code that knows it by id; 0 none does
	id      uint64
	keep    bool      // sent again until acknowledged
	line    bool      // of the log
	post    *keptPost // when it is a tandem.post

	packet uint16 // while it waits for the acknowledgement
}

// outbox is what is on its way to the server, in order.
type outbox struct {
	items []*item
	sent  int // how many of them were given to this connection
}

// add puts an item at the end. When too many lines are kept, the oldest goes
// and is returned.
func (o *outbox) add(it *item) (lost *item) {
	if it.line {
		lines, oldest := 0, -1
		for i, it := range o.items[o.sent:] {
			if it.line && oldest < 0 {
				oldest = o.sent + i
			}
			if it.line {
				lines++
			}
		}
		if lines >= maxKept {
			lost = o.items[oldest]
			o.items = slices.Delete(o.items, oldest, oldest+1)
		}
	}
	o.items = append(o.items, it)
	return lost
}

// waiting returns how many messages wait for their acknowledgement.
func (o *outbox) waiting() (n int) {
	for _, it := range o.items[:o.sent] {
		if it.packet != 0 {
			n++
		}
	}
	return n
}

func (o *outbox) remove(it *item) {
	i := slices.Index(o.items, it)
	if i < 0 {
		return
	}
	o.items = slices.Delete(o.items, i, i+1)
	if i < o.sent {
		o.sent--
	}
}

// acknowledged takes the item with a packet identifier out and returns it.
func (o *outbox) acknowledged(packet uint16) *item {
	for _, it := range o.items[:o.sent] {
		if it.packet == packet {
			o.remove(it)
			return it
		}
	}
	return nil
}

// unsend prepares for the next connection: what is kept is to be sent again,
// the rest is lost.
func (o *outbox) unsend() {
	o.items = slices.DeleteFunc(o.items, func(it *item) bool { return !it.keep })
	for _, it := range o.items {
		it.packet = 0
	}
	o.sent = 0
}

// forget withdraws what the code was told has failed. What was sent already
// cannot be taken back, but is not sent again.
func (o *outbox) forget(gen, id uint64) {
	for i, it := range o.items {
		if it.gen != gen || it.id != id || it.post != nil { // posts are numbered apart, and not withdrawn
			continue
		}
		if i >= o.sent {
			o.remove(it)
		} else {
			it.keep, it.gen = false, 0
		}
		return
	}
}

// properties of what we send.

func stamp(t hlc.Timestamp) mqtt.UserProperty {
	return mqtt.UserProperty{Key: "clock", Value: t.String()}
}

// messageProperties are those of an agent.send.
func messageProperties(m tandem.Message, t hlc.Timestamp) *mqtt.Properties {
	return &mqtt.Properties{
		ContentType: tandem.ContentCompact,
		User: []mqtt.UserProperty{
			stamp(t),
			{Key: "boot", Value: strconv.FormatUint(m.Mark.Boot, 10)},
			{Key: "seq", Value: strconv.FormatUint(m.Mark.Seq, 10)},
		},
	}
}
