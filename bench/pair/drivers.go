package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

// window is how many unacknowledged messages a device may have; it holds further ones
// back, as real devices do.
const window = 8

// drivers sends messages from many devices. Each connection has a goroutine that reads
// acknowledgements; a few other goroutines send for all devices.
type drivers struct {
	list     []*driver
	sent     atomic.Int64
	acked    atomic.Int64
	sampling atomic.Bool
	wg       sync.WaitGroup
	stopping atomic.Bool
	failure  atomic.Pointer[error]
}

// driver is one device.
type driver struct {
	c       *client.MQTT
	pending atomic.Int32
	sentAt  [window]atomic.Int64 // nanoseconds, by packet id
	took    []time.Duration      // used by the reader
}

// senders is how many goroutines send.
const senders = 4

func newDrivers(conns []*client.MQTT) *drivers {
	d := &drivers{}
	for _, c := range conns {
		x := &driver{c: c}
		d.list = append(d.list, x)
		d.wg.Go(func() { d.read(x) })
	}
	return d
}

// read reads acknowledgements until the connection ends.
func (d *drivers) read(x *driver) {
	for {
		kind, b, err := x.c.NextWithin(0)
		if err != nil {
			if !d.stopping.Load() {
				d.fail(fmt.Errorf("a device's connection: %w", err))
			}
			return
		}
		if kind != 0x40 || len(b) < 2 {
			continue
		}
		now := time.Now().UnixNano()
		at := x.sentAt[binary.BigEndian.Uint16(b)%window].Load()
		if d.sampling.Load() {
			x.took = append(x.took, time.Duration(now-at))
		}
		d.acked.Add(1)
		x.pending.Add(-1)
	}
}

func (d *drivers) fail(err error) { d.failure.CompareAndSwap(nil, &err) }

func (d *drivers) err() error {
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// send sends a message of a device if its window has room.
func (d *drivers) send(x *driver, topic string, data []byte) bool {
	if x.pending.Load() >= window {
		return false
	}
	x.pending.Add(1)
	x.sentAt[(x.c.ID()+1)%window].Store(time.Now().UnixNano())
	if err := x.c.Publish(topic, data); err != nil {
		d.fail(err)
		return false
	}
	d.sent.Add(1)
	return true
}

// all sends one message of every device, and waits until all are acknowledged.
func (d *drivers) all(ctx context.Context, topic string, data func(i int) []byte) error {
	const underWay = 500
	for i, x := range d.list {
		for d.sent.Load()-d.acked.Load() >= underWay || !d.send(x, topic, data(i)) {
			if err := d.wait(ctx); err != nil {
				return err
			}
		}
	}
	return d.settle(ctx)
}

func (d *drivers) wait(ctx context.Context) error {
	if err := d.err(); err != nil {
		return err
	}
	return client.Pause(ctx, time.Millisecond)
}

// settle waits until everything is acknowledged.
func (d *drivers) settle(ctx context.Context) error {
	const patience = 2 * time.Minute
	for deadline := time.Now().Add(patience); d.sent.Load() != d.acked.Load(); {
		if time.Now().After(deadline) {
			return errors.New("messages are not acknowledged")
		}
		if err := d.wait(ctx); err != nil {
			return err
		}
	}
	return d.err()
}

// pace sends a message of every device each interval, spread evenly, whether the node
// keeps up or not. A device whose window is full skips its turn; held counts these.
func (d *drivers) pace(ctx context.Context, interval, length time.Duration, held *atomic.Int64) error {
	began := time.Now()
	data := []byte(`{"temperature": 21.5, "humidity": 40}`)
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for k := time.Duration(0); ; k++ {
				for i := s; i < len(d.list); i += senders {
					due := k*interval + interval*time.Duration(i)/time.Duration(len(d.list))
					if due >= length || d.err() != nil {
						return
					}
					// Sleep rarely, and then for several messages.
					if early := due - time.Since(began); early > 0 && client.Pause(ctx, max(early, time.Millisecond)) != nil {
						return
					}
					if !d.send(d.list[i], "agent/tick", data) {
						held.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(ctx.Err(), d.err())
}

// latencies returns the sampled times. No message may be under way.
func (d *drivers) latencies() (all [][]time.Duration) {
	for _, x := range d.list {
		all = append(all, x.took)
	}
	return all
}

// stop closes the connections and ends the goroutines that read them.
func (d *drivers) stop() {
	d.stopping.Store(true)
	for _, x := range d.list {
		x.c.Close()
	}
	d.wg.Wait()
}
