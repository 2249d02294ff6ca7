package core

import (
	"errors"
	"time"

	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// network is the way to the server: the connection, or when to make the next.
type network struct {
	wanted  bool // a link is
	offline bool
	tried   bool // an attempt to connect has failed since the device was switched on

	conn       *conn
	dialing    uint64        // number of the attempt under way, 0 for none
	giveUp     time.Duration // when it has taken too long
	retryAt    time.Duration // when the next may begin
	failures   int           // in a row
	renumbered time.Duration // when a connection last ended for that, and the next was made at once
	another    string        // server that the last one has sent us to; "": back to ours
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
	most    int    // that may wait for an acknowledgement of the server
	greeted bool   // hello was said
	hello   uint16 // its packet, until it is acknowledged
	writing bool
	batch   []*item // in what is being written
}

// errOffline is the end of a connection by Offline.
var errOffline = errors.New("the network was taken away")

// errDialWait is the end of an attempt to connect that takes too long.
var errDialWait = errors.New("no connection within " + dialWait.String())

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
			c.failed(device.NoServer, errDialWait)
		}
	case n.conn == nil:
	case n.conn.state >= parting:
		if now >= n.conn.byeAt {
			c.closeConn()
		}
	default:
		if err := n.conn.client.Tick(sessionTime(now)); err != nil {
			c.breakOff(n.conn, err)
		}
	}
}

// connect is to make a link, at once if there was no attempt before.
func (c *Core) connect() {
	if !c.net.wanted {
		c.net.wanted = true
		c.dialNow()
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
	c.net.dialing, c.net.giveUp = c.number(), c.now.Mono+dialWait
	at, least := c.verifyAt()
	c.emit(&Dial{Number: c.net.dialing, Another: c.net.another, Time: at, AtLeast: least})
}

// stopDial gives up an attempt to connect. It must not succeed unseen.
func (c *Core) stopDial() {
	if c.net.dialing != 0 {
		c.emit(&CloseConn{c.net.dialing})
		c.net.dialing = 0
	}
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
	c.net.conn = &conn{number: ev.Number, address: ev.Address, client: client, since: c.now.Mono}
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
		n.state, n.byeAt = parting, c.now.Mono+leaveWait
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
	}
	c.failed(reason, err)
}

// refusedFailures make the pause before the next attempt the longest.
const refusedFailures = 8

// refused has the next attempt wait as after many failures.
func (c *Core) refused() { c.net.failures = max(c.net.failures, refusedFailures) }

// failed sets the time of the next attempt, and tells the code.
func (c *Core) failed(reason int, err error) {
	pause := min(firstPause<<min(c.net.failures, refusedFailures), lastPause)
	// Half of it is chance, so that many devices do not come back at once.
	pause = pause/2 + time.Duration(c.cfg.Chance(uint64(pause/2)+1))
	c.net.failures++
	c.net.retryAt = c.now.Mono + pause
	c.log(Info, "not connected", "error", err.Error(), "retry", pause.Round(time.Millisecond).String())
	c.net.tried = true
	c.feed(&device.Unlinked{Reason: reason}, receipt{})
}
