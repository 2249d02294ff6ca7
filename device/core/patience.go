package core

import (
	"strconv"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

// How long the core waits for others, at least and at most. What it has measured on the link decides
// between the two.
const (
	reachWait     = 20 * time.Second  // for an answer of the server's address, when the link is known
	firstReach    = 150 * time.Second // when it is not: the system itself gives up after some 130 s
	openWait      = 30 * time.Second  // for TLS and WebSocket, since the address has answered
	leaveWait     = 2 * time.Second   // for the last words on a connection
	longestLeave  = 100 * time.Second
	longestWait   = 10 * time.Minute
	redialPause   = time.Second // between two attempts, whatever shortens a pause
	silenceNormal = 60          // seconds of silence that a node bears without being asked
)

// patienceTrips is how many round trips an answer may take: TCP repeats a lost packet after one to two of
// them, then after twice the time, and on a bad link several repetitions in a row are lost.
const patienceTrips = 12

// maxDoubt bounds how often patience is doubled.
const maxDoubt = 5

// trip is what is known of the time that a packet takes to the server and back. It is kept across
// connections, as TCP keeps it within one.
type trip struct {
	smooth time.Duration // 0: nothing was measured
	spread time.Duration // of the measures around smooth
	missed int           // attempts in a row that were given up before the address had answered
	doubt  int           // connections in a row that were given up later
}

// measure takes the time that an answer has taken.
func (t *trip) measure(d time.Duration) {
	d = max(d, time.Microsecond)
	if t.smooth == 0 {
		t.smooth, t.spread = d, d/2
		return
	}
	t.spread += ((t.smooth - d).Abs() - t.spread) / 4
	t.smooth += (d - t.smooth) / 8
}

// answer returns how long an answer may take by what was measured.
func (t *trip) answer() time.Duration { return patienceTrips*t.smooth + 8*t.spread }

// patience returns how long an answer may take, at least floor.
func (t *trip) patience(floor time.Duration) time.Duration {
	return min(max(floor, t.answer())<<t.doubt, longestWait)
}

// toReach returns how long the server's address may take to answer. The shell tries more than once
// meanwhile, so a packet that is lost does not matter much.
func (t *trip) toReach() time.Duration {
	if t.smooth == 0 {
		return firstReach
	}
	return min(max(reachWait, t.answer())<<t.missed, firstReach)
}

// toLeave returns how long the server may take to end a connection after our goodbye.
func (t *trip) toLeave() time.Duration {
	return min(leaveWait+(2*t.smooth).Round(time.Millisecond), longestLeave)
}

// timedOut notes that a wait has ended without an answer.
func (t *trip) timedOut(reached bool) {
	if reached {
		t.doubt = min(t.doubt+1, maxDoubt)
	} else {
		t.missed = min(t.missed+1, maxDoubt)
	}
}

// silence is the property by which CONNECT asks the node to bear a longer silence, none on a fast link.
func (t *trip) silence() []mqtt.UserProperty {
	p := t.patience(0)
	if p < keepAlive*time.Second/2 {
		return nil
	}
	return []mqtt.UserProperty{{Key: "silence", Value: strconv.Itoa(silenceNormal + int(p.Seconds()))}}
}

// measured takes what the session has measured, and has it be as patient as that makes sensible.
func (c *Core) measured(n *conn) {
	if d, ok := n.client.RoundTrip(); ok {
		c.net.trip.measure(d)
		n.client.Patient(c.net.trip.patience(0))
	}
}
