package main

import (
	"context"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/logbook"
)

// curtain keeps log entries back until it opens. dev follows the log from before its node
// runs, so that no line of this run is missed, and shows it below the addresses, which it
// knows later.
type curtain struct {
	mu   sync.Mutex
	held []tandem.LogEntry // while it is closed
	seen bool              // it is open

	out *lineWriter
}

func (c *curtain) entry(e tandem.LogEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen {
		c.out.entry(e)
		return
	}
	c.held = append(c.held, e)
}

func (c *curtain) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.held {
		c.out.entry(e)
	}
	c.held, c.seen = nil, true
}

// follow follows the log of the device of the run before, whose agent may start with the
// node.
func (d *dev) follow(ctx context.Context, log *logbook.Logbook) (err error) {
	d.log = log.Follow(d.traffic.logged)
	if d.who, err = d.readIdentity(); err != nil || d.who.Device == "" {
		return err
	}
	return d.log.Add(ctx, []tandem.DeviceID{d.who.Device}, 0)
}
