package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// network is the way to the server: the connection, or when to make the next.
type network struct {
	wanted  bool // a link is
	offline bool
	tried   bool // an attempt to connect has failed since the device was switched on

	conn      *conn
	trip      trip
	addresses []string // of the device; nil: not known

	dialing  uint64        // number of the attempt under way, 0 for none
	dialedAt time.Duration // when the newest attempt began
	reached  bool          // in it the server's address has answered
	giveUp   time.Duration // when it has taken too long
	retryAt  time.Duration // when the next may begin
	failures int           // in a row
	unwanted bool          // the server has refused us: nothing shortens the pause
	another  string        // server that the last one has sent us to; "": back to ours

	renumbered time.Duration // when a connection last ended for that, and the next was made at once
}

// connState is how far a connection has come.
type connState uint8

const (
	opening connState = iota // CONNECT was said
	up                       // the server has accepted us
	parting                  // we are to leave, when the disk allows
	gone                     // DISCONNECT was said: the server closes
)

// conn is a connection with its MQTT session.
type conn struct {
	number  uint64
	state   connState
	address string // the device's own
	since   time.Duration
	byeAt   time.Duration // parting, gone: when patience ends

	client  *mqtt.Client
	in      []byte // received and not consumed
	most    int    // packets that may wait for an acknowledgement of the server
	batch   int    // bytes of packets that the server takes in a batch; 0: it takes none
	flow    flow
	greeted bool   // hello was said
	hello   uint16 // its packet, until it is acknowledged
	writing bool
	batched []*item // in what is being written
	out     []byte  // kept for the next Write, to have room
}

// Ends of a connection that the network has caused.
var (
	errOffline = errors.New("the network was taken away")
	errAddress = errors.New("the device's address is gone")
)

// linked reports whether the device has a link.
func (c *Core) linked() bool { return c.net.conn != nil && c.net.conn.state == up }

// mayDial reports whether the device is to try to connect.
func (c *Core) mayDial() bool {
	n := &c.net
	return n.wanted && !n.offline && n.dialing == 0 && n.conn == nil && c.life.phase != booting
}

// deadline returns when advanceNetwork has something to do.
func (n *network) deadline(mayDial bool) (time.Duration, bool) {
	switch {
	case mayDial:
		return n.retryAt, true
	case n.dialing != 0:
		return n.giveUp, true
	case n.conn == nil:
		return 0, false
	case n.conn.state >= parting:
		return n.conn.byeAt, true
	}
	t := n.conn.client.Deadline()
	return elapsed(t), !t.IsZero()
}

// advanceNetwork does what is due.
func (c *Core) advanceNetwork() {
	n, now := &c.net, c.now.Mono
	switch {
	case c.mayDial():
		if now >= n.retryAt {
			c.dial()
		}
	case n.dialing != 0:
		if now >= n.giveUp {
			c.stopDial()
			n.another = ""
			n.trip.timedOut(n.reached)
			c.failed(device.NoServer, fmt.Errorf("no connection within %v", now-n.dialedAt))
		}
	case n.conn == nil:
	case n.conn.state >= parting:
		if now >= n.conn.byeAt {
			c.closeConn()
		}
	default:
		if err := n.conn.client.Tick(sessionTime(now)); err != nil {
			n.trip.timedOut(true)
			c.breakOff(n.conn, err)
		}
	}
}

// connect is to make a link, at once. If it was wanted before, the code ends the pause between two
// attempts.
func (c *Core) connect() {
	if !c.net.wanted {
		c.net.wanted = true
		c.dialNow()
	}
	c.hurry()
}

// hurry ends a pause between two attempts, and the wait for the end of a connection that we have left.
func (c *Core) hurry() {
	n := &c.net
	if !n.unwanted {
		n.retryAt = min(n.retryAt, max(c.now.Mono, n.dialedAt+redialPause))
	}
	if n.conn != nil && n.conn.state >= parting {
		n.conn.byeAt = min(n.conn.byeAt, c.now.Mono+leaveWait)
	}
}

// networkChanged takes news of the network. A connection of an address that the device has no more is
// dead. Without a connection it is tried at once, because something may have come up; an attempt under way
// is begun again only for a new address, or a network that tells news often would never let one succeed.
func (c *Core) networkChanged(ev *Network) {
	n := &c.net
	conn, known := n.conn, n.addresses
	n.addresses = slices.Clone(ev.Addresses)
	isNew := func(a string) bool { return known != nil && !slices.Contains(known, a) }
	switch {
	case n.offline:
	case conn != nil && (conn.address == "" || slices.Contains(ev.Addresses, conn.address)):
	case conn != nil && conn.state >= parting:
		c.closeConn()
	case conn != nil:
		c.drop(device.NoLink, errAddress)
		c.hurry()
	case slices.ContainsFunc(ev.Addresses, isNew):
		n.failures = 0
		if n.dialing != 0 && !n.reached { // its packets have gone another way, and it repeats them rarely
			c.stopDial()
			n.retryAt = max(c.now.Mono, n.dialedAt+redialPause)
		}
		c.hurry()
	default: // a route, perhaps
		c.hurry()
	}
}

// dialNow forgets failures, and has the next attempt begin at once.
func (c *Core) dialNow() { c.net.failures, c.net.retryAt = 0, c.now.Mono }

func (c *Core) setOffline(off bool) {
	if off == c.net.offline {
		return
	}
	c.net.offline = off
	c.dialNow()
	if !off {
		return
	}
	c.stopDial()
	if c.net.conn != nil {
		c.drop(device.NoLink, errOffline)
	} else {
		c.net.tried = true
		c.feed(&device.Unlinked{Reason: device.NoLink}, receipt{})
	}
}

// dial begins an attempt to connect.
func (c *Core) dial() {
	n := &c.net
	n.dialing, n.dialedAt = c.number(), c.now.Mono
	n.reached, n.unwanted = false, false
	n.giveUp = c.now.Mono + n.trip.toReach()
	at, least := c.verifyAt()
	c.emit(&Dial{Number: n.dialing, Another: n.another, Time: at, AtLeast: least})
}

// stopDial gives up an attempt to connect. It must not succeed unseen.
func (c *Core) stopDial() {
	if c.net.dialing != 0 {
		c.emit(&CloseConn{c.net.dialing})
		c.net.dialing = 0
	}
}

// reached takes the news that the server's address has answered. What is measured now is better than
// what was known, and the rest takes a few round trips.
func (c *Core) reached(ev *Reached) {
	n := &c.net
	if ev.Number != n.dialing || ev.Number == 0 {
		return
	}
	n.reached, n.trip.missed = true, 0
	n.trip.measure(ev.RoundTrip)
	n.giveUp = c.now.Mono + max(n.trip.patience(openWait), min(patienceTrips*ev.RoundTrip, longestWait))
}

// dialed takes the outcome of an attempt to connect.
func (c *Core) dialed(ev *Dialed) {
	if ev.Number != c.net.dialing || ev.Number == 0 {
		return
	}
	c.net.dialing = 0
	if ev.Err != nil {
		c.net.another = ""
		c.failed(ev.Reason, ev.Err)
		return
	}
	client, err := c.newClient()
	if err != nil {
		c.emit(&CloseConn{ev.Number})
		c.failed(device.NoServer, err)
		return
	}
	c.net.conn = &conn{
		number: ev.Number, address: ev.Address, client: client, since: c.now.Mono, flow: flow{window: firstWindow},
	}
}

// hangUp ends the connection in good order: when the server has our last words
// it closes. If we closed first, what the server has still to say would meet a
// closed socket, and TCP would drop what we have written.
func (c *Core) hangUp() {
	c.stopDial()
	switch n := c.net.conn; {
	case n == nil || n.state >= parting:
	case n.state == opening:
		c.closeConn()
	default:
		n.state, n.byeAt = parting, c.now.Mono+c.net.trip.toLeave()
		c.part(n)
	}
}

// part says goodbye, unless the disk has still to keep what is said before it.
func (c *Core) part(n *conn) {
	if c.held() {
		return
	}
	c.publish(n)
	if n != c.net.conn {
		return
	}
	if err := n.client.Disconnect(mqtt.Success, nil); err != nil {
		c.closeConn()
		return
	}
	n.state = gone
}

// lost takes the end of a connection.
func (c *Core) lost(ev *Closed) {
	switch n := c.net.conn; {
	case n == nil || n.number != ev.Number:
	case n.state >= parting:
		c.closeConn()
	default:
		c.drop(device.NoServer, ev.Err)
	}
}

// closeConn ends the connection, and forgets it.
func (c *Core) closeConn() {
	c.emit(&CloseConn{c.net.conn.number})
	c.net.conn = nil
	c.out.unsend()
}

// breakOff ends the connection with the session's last words, which may well not
// arrive.
func (c *Core) breakOff(n *conn, err error) {
	c.write(n)
	c.drop(device.NoServer, err)
}

// drop ends the connection after an error, and tells the code.
func (c *Core) drop(reason int, err error) {
	n := c.net.conn
	c.closeConn()
	if n.state >= parting {
		return
	}
	if n.state == up && c.now.Mono-n.since >= lastPause {
		c.net.failures = 0
		if !errors.Is(err, mqtt.ErrTimeout) {
			c.net.trip.doubt = 0
		}
	}
	c.failed(reason, err)
}

// refusedFailures make the pause before the next attempt the longest.
const refusedFailures = 8

// refused has the next attempt wait as after many failures, whatever happens.
func (c *Core) refused() { c.net.failures, c.net.unwanted = max(c.net.failures, refusedFailures), true }

// inWords says to those who run the device what package mqtt says of a server.
func inWords(err error) string {
	var broken *mqtt.Error
	switch {
	case errors.Is(err, mqtt.ErrTimeout):
		return "the server does not answer: if this goes on, check that it is the node's address for MQTT"
	case errors.As(err, &broken):
		return "the server does not speak MQTT as a node does (" + broken.Msg +
			"): check that it is the node's address for MQTT"
	}
	return err.Error()
}

// failed sets the time of the next attempt, and tells the code.
func (c *Core) failed(reason int, err error) {
	pause := min(firstPause<<min(c.net.failures, refusedFailures), lastPause)
	// Half of it is chance, so that many devices do not come back at once.
	pause = pause/2 + time.Duration(c.cfg.Chance(uint64(pause/2)+1))
	c.net.failures++
	c.net.retryAt = c.now.Mono + pause
	c.log(Info, "not connected", "error", inWords(err), "retry", pause.Round(time.Millisecond).String())
	c.net.tried = true
	c.feed(&device.Unlinked{Reason: reason}, receipt{})
}
