package gateway

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/mqtt"
)

const newerText = "a newer connection of the device has taken over"

// admit notes that c is authenticated as the device, and returns what the device has used of its
// rates. Of the connections of a device that wait for their turn, only the newest stays.
func (g *Gateway) admit(c *conn, id tandem.DeviceID) session.Budget {
	c.device = id
	c.gate.Know()
	c.paced.know()
	g.mu.Lock()
	delete(g.unknown, c)
	older, current := g.arriving[id], g.devices[id]
	g.arriving[id] = c
	used := g.budgets[id]
	stopping := g.stopping
	g.mu.Unlock()
	if older != nil {
		older.end(mqtt.SessionTakenOver, newerText, "")
	}
	if current != nil {
		used.Merge(current.used())
	}
	if stopping { // stop may not have seen it
		g.sendAway(c)
	}
	return used
}

func (c *conn) used() session.Budget {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.Budget()
}

// identify registers c as the connection of device id, and closes an older
// connection of the device.
func (g *Gateway) identify(c *conn, id tandem.DeviceID) {
	g.mu.Lock()
	if g.arriving[id] == c {
		delete(g.arriving, id)
	}
	old := g.devices[id]
	g.devices[id] = c
	stopping := g.stopping
	g.mu.Unlock()
	if old != nil {
		old.end(mqtt.SessionTakenOver, newerText, "")
	}
	if stopping { // stop may not have seen it
		g.sendAway(c)
	}
}

// leave removes a connection that has ended.
func (g *Gateway) leave(c *conn) {
	c.retire()
	used, id := c.used(), c.device
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.unknown, c)
	if g.arriving[id] == c {
		delete(g.arriving, id)
	}
	if g.devices[id] == c {
		delete(g.devices, id)
	}
	if id != "" {
		g.keep(id, used)
	}
	g.count--
	g.full = g.full && g.count > g.Connections/2
	g.ended.Broadcast()
}

// keep keeps what a device has used for its next connection. Budgets that have become whole
// again are removed when there are twice as many as the last time. The lock is held.
func (g *Gateway) keep(id tandem.DeviceID, used session.Budget) {
	used.Merge(g.budgets[id])
	g.budgets[id] = used
	if len(g.budgets) < g.sweepAt {
		return
	}
	now := g.elapsed()
	for id, b := range g.budgets {
		if !b.Used(now) {
			delete(g.budgets, id)
		}
	}
	g.sweepAt = max(minBudgets, 2*len(g.budgets))
}

// minBudgets are kept without looking which are still used.
const minBudgets = 1000
