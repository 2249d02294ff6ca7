package device

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// Send buffer sizes, bytes.
const (
	minSendBuffer = 3456  // also the default: six segments of 576
	maxSendBuffer = 30000 // the limit of imp.setsendbuffersize
	parcelExtra   = 16    // bytes that framing adds to a message
)

// sendOK is the result of a send that has not failed.
const sendOK = 0

// instant is a time in nanoseconds since 1970; 0 is never.
type instant int64

func instantOf(t time.Time) instant { return instant(t.UnixNano()) }

func (i instant) due(now time.Time) bool { return i != 0 && instantOf(now) >= i }

// link is the connection as the device's code sees it: the send buffer, the
// timeout policy, and the one thing that the code may be waiting for. It has no
// VM, so that it can be tested alone.
type link struct {
	Up      bool
	Why     int    // the last reason for which it was not up
	Address string // of the device, while up
	Dropped bool   // drop has ended it, and Step has still to start the timer of lost

	Policy  int
	When    int // waitTilSent or waitForAck
	Timeout time.Duration
	Buffer  int

	LastID uint64
	Out    []outgoing // sent and not acknowledged
	Wait   wait

	KeepSends bool // agent.send keeps its messages on the disk
	KeepLog   bool // lines of the log are kept there
	Kept      int  // how many of either are neither acknowledged nor lost

	emit func(Effect)
}

// outgoing is a message or line that has not been acknowledged.
type outgoing struct {
	ID      uint64
	Size    int
	Written bool // no longer in the send buffer
}

// parcel is a message or line to send.
type parcel struct {
	Type string // of a line; "" for a message
	Name string
	Data []byte
	At   *tandem.Where // the place in the code that a line is about; nil: none
}

func (p *parcel) size() int { return len(p.Name) + len(p.Data) + parcelExtra }

// wait is what the code is waiting for.
type wait struct {
	For    waitKind
	ID     uint64
	Until  instant
	Parcel *parcel
}

type waitKind uint8

const (
	waitNothing waitKind = iota
	waitLink             // for a link, to send Parcel
	waitRoom             // for room in the send buffer, to send Parcel
	waitAck              // for the acknowledgement of ID
	waitFlush            // until everything is acknowledged
	waitSleep            // the same, and then deep sleep
	waitConnect          // server.connect
	waitRestart          // without end: the incarnation has ended
)

func newLink(up bool, address string) link {
	l := link{
		Up: up, Address: address, Policy: suspendOnError, When: waitTilSent,
		Timeout: 30 * time.Second, Buffer: minSendBuffer,
	}
	if up {
		l.Why = ServerConnected
	}
	return l
}

// suspends reports whether the policy stops the code while there is no link.
func (l *link) suspends() bool { return l.Policy == suspendOnError }

// verdict is the result of a wait or a send, once there is one.
type verdict struct {
	done bool
	code int // one of the send codes
}

func done(code int) verdict { return verdict{true, code} }

// send sends p as the policy says. Without done in the result the code must wait.
func (l *link) send(now time.Time, p *parcel) verdict {
	switch {
	case !l.Up && l.suspends():
		l.emit(&Connect{})
		l.Wait = wait{For: waitLink, Parcel: p}
		return verdict{}
	case !l.Up:
		return done(imp.SendNotConnected)
	case l.room(p):
		id := l.put(p)
		if l.When == waitTilSent {
			return done(sendOK)
		}
		l.Wait = wait{For: waitAck, ID: id, Until: l.deadline(now)}
		return verdict{}
	case l.Policy == returnNoDisconnect:
		return done(imp.SendWouldBlock)
	case l.Policy == returnOnError && l.Timeout == 0:
		l.drop()
		return done(imp.SendTimeout)
	}
	l.Wait = wait{For: waitRoom, Parcel: p, Until: l.deadline(now)}
	return verdict{}
}

// deadline returns when a waiting send fails: never with SUSPEND_ON_ERROR, because
// then everything is sent again until it is acknowledged.
func (l *link) deadline(now time.Time) instant {
	if l.suspends() {
		return 0
	}
	return instantOf(now.Add(l.Timeout))
}

// room reports whether p fits the send buffer. A parcel larger than the whole
// buffer fits when the buffer is empty.
func (l *link) room(p *parcel) bool {
	used := 0
	for _, o := range l.Out {
		if !o.Written {
			used += o.Size
		}
	}
	return used == 0 || used+p.size() <= l.Buffer
}

// put sends p.
func (l *link) put(p *parcel) uint64 {
	l.LastID++
	id := l.LastID
	l.Out = append(l.Out, outgoing{ID: id, Size: p.size()})
	if p.Type == "" {
		l.emit(&Send{ID: id, Message: tandem.Message{Name: p.Name, Format: tandem.FormatCompact, Data: p.Data}})
	} else {
		l.emit(&Log{ID: id, Type: p.Type, Msg: string(p.Data), Where: p.At})
	}
	return id
}

// report sends a line that explains what happened. It ignores the policy, does not wait,
// and takes no room of the send buffer: the results of the program's own sends must not
// depend on it.
func (l *link) report(typ, msg string) { l.reportAt(typ, msg, nil) }

// reportAt is report for a line about a place in the code.
func (l *link) reportAt(typ, msg string, at *tandem.Where) {
	if l.KeepLog {
		l.keepLine(typ, msg, at)
		return
	}
	l.put(&parcel{Type: typ, Data: []byte(msg), At: at})
	l.Out[len(l.Out)-1].Size = 0
}

// keepLine has a line kept until it is acknowledged. The send buffer and the policy are for what is not.
func (l *link) keepLine(typ, msg string, at *tandem.Where) {
	l.LastID++
	l.Kept++
	l.emit(&Log{ID: l.LastID, Type: typ, Msg: msg, Where: at, Keep: true})
}

// settled handles that some of what is kept is acknowledged or lost.
func (l *link) settled(count int) verdict {
	l.Kept -= count
	return l.flushed()
}

// idle reports whether nothing that was sent waits for its acknowledgement.
func (l *link) idle() bool { return len(l.Out) == 0 && l.Kept == 0 }

// drop ends the link after an error and asks for a new one, which must deliver what
// the code has already sent.
func (l *link) drop() {
	l.Up = false
	l.Why = NotConnected
	l.Dropped = true
	l.unwritten()
	l.emit(&Disconnect{})
	l.emit(&Connect{})
}

// hangUp ends the link at the code's request.
func (l *link) hangUp() {
	l.Up = false
	l.Why = NotConnected
	l.Dropped = false
	l.unwritten()
	l.emit(&Disconnect{})
}

// unwritten puts everything that is not acknowledged back into the send buffer.
func (l *link) unwritten() {
	for i := range l.Out {
		l.Out[i].Written = false
	}
}

// linked handles a new link.
func (l *link) linked(now time.Time, address string) verdict {
	l.Up = true
	l.Why = ServerConnected
	l.Address = address
	switch w := l.Wait; w.For {
	case waitLink:
		l.Wait = wait{}
		return l.send(now, w.Parcel)
	case waitConnect:
		return done(sendOK)
	}
	return verdict{}
}

// unlinked handles the end of the link, or a failed attempt to connect.
func (l *link) unlinked(reason int) verdict {
	l.Up, l.Why = false, reason
	l.unwritten()
	w := l.Wait
	switch w.For {
	case waitRoom:
		if l.suspends() {
			l.Wait = wait{For: waitLink, Parcel: w.Parcel}
			return verdict{}
		}
		return done(imp.SendDisconnected)
	case waitAck:
		if l.suspends() {
			return verdict{}
		}
		l.forget(w.ID)
		return done(imp.SendDisconnected)
	case waitFlush, waitSleep:
		if l.suspends() {
			return verdict{}
		}
		return done(imp.SendDisconnected)
	}
	return verdict{}
}

// written handles that id has left the send buffer.
func (l *link) written(now time.Time, id uint64) verdict {
	i := l.index(id)
	if i < 0 {
		return verdict{}
	}
	l.Out[i].Written = true
	if w := l.Wait; w.For == waitRoom && l.room(w.Parcel) {
		l.Wait = wait{}
		return l.send(now, w.Parcel)
	}
	return l.flushed()
}

// sent handles that id was acknowledged or refused.
func (l *link) sent(now time.Time, id uint64, code int) verdict {
	if i := l.index(id); i >= 0 {
		l.Out = slices.Delete(l.Out, i, i+1)
	}
	switch w := l.Wait; {
	case w.For == waitAck && w.ID == id:
		return done(code)
	case w.For == waitRoom && l.room(w.Parcel):
		l.Wait = wait{}
		return l.send(now, w.Parcel)
	}
	return l.flushed()
}

func (l *link) index(id uint64) int {
	return slices.IndexFunc(l.Out, func(o outgoing) bool { return o.ID == id })
}

func (l *link) flushed() verdict {
	if k := l.Wait.For; (k == waitFlush || k == waitSleep) && l.idle() {
		return done(sendOK)
	}
	return verdict{}
}

// expired ends a wait whose time is over.
func (l *link) expired(now time.Time) verdict {
	w := l.Wait
	if !w.Until.due(now) {
		return verdict{}
	}
	if w.For == waitAck {
		l.forget(w.ID)
	}
	if (w.For == waitAck || w.For == waitRoom) && l.Policy == returnOnError {
		l.drop()
	}
	return done(imp.SendTimeout)
}

// forget withdraws a parcel that has failed, as the code is told.
func (l *link) forget(id uint64) {
	l.Out = slices.DeleteFunc(l.Out, func(o outgoing) bool { return o.ID == id })
	l.emit(&Forget{ID: id})
}

// flush starts a wait until everything is acknowledged.
func (l *link) flush(now time.Time, timeout time.Duration, kind waitKind) verdict {
	if l.idle() {
		return done(sendOK)
	}
	if !l.Up && !l.suspends() {
		return done(imp.SendNotConnected)
	}
	if !l.Up {
		l.emit(&Connect{})
	}
	l.Wait = wait{For: kind, Until: instantOf(now.Add(timeout))}
	return verdict{}
}

// setBuffer sets the size of the send buffer and returns the old one. While
// there is a link it can only grow.
func (l *link) setBuffer(n int) int {
	old := l.Buffer
	n = min(max(n, minSendBuffer), maxSendBuffer)
	if !l.Up || n > old {
		l.Buffer = n
	}
	return old
}
