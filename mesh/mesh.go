// Package mesh carries messages between the nodes of a cluster so that they
// arrive once and in order.
//
//	id, err := mesh.NewIdentity() // its Key goes into the database
//	network, err := mesh.Listen(ctx, mesh.ListenOptions{Identity: id, Listen: "10.0.0.1:7422"})
//	defer network.Close()
//	network.Know([]mesh.Node{{Name: "b", Key: keyOfB, Address: "10.0.0.2:7422"}}) // from the database
//	m := mesh.New(mesh.Config{Self: mesh.Peer{Node: "a", Session: 7}, Net: network, Prefix: "prod", Clock: clock,
//		Receive: func(from mesh.Peer, data []byte) error { … }})
//	go m.Run(ctx)
//	m.Send(mesh.Peer{Node: "b", Session: 9}, data)
//
// It runs over a Network, which delivers a frame at most once: a connection that
// breaks or a full buffer loses frames silently. Mesh numbers
// its frames, keeps each until the receiver has acknowledged it, and sends it
// again when it was lost. As long as both runs live, every message from one to
// the other arrives, once and in order, however long they were cut off from
// each other. When one of them ends, messages that it has not received, and
// messages of its own that were not delivered, are lost. State that must survive
// belongs in the store.
//
// A Peer is one run of a node. A node that restarts gets a higher session and is
// another peer; messages for the earlier run are not delivered to it. As soon as
// a mesh sees the newer run, by a frame from it or a Send to it, it forgets the
// older one. Drop makes it forget a run that has been declared lost: no Receive
// from that run begins afterwards, even for frames that were already under way.
//
// Send does not wait for the peer. At most 64 MB can wait for a peer to receive
// them; then Send fails with kind Limit. Flush waits until the messages sent
// before have been received, which means that the peer's Receive has returned
// for each. A message has at most 32 MB; large ones are sent in pieces of up to
// half a megabyte, and small ones that wait share a frame.
//
// Receive is called for the messages of a peer one after the other; calls for
// different peers run concurrently. While Receive is busy, at most 4 MB of that
// peer are buffered here; the rest stays with the sender. Receive may call Send
// but not Flush for the peer it serves: Flush would wait for Receive to return.
//
// Broadcast sends all nodes a message that may be lost.
//
// Every frame carries a stamp of the sender's clock, and the receiver's clock
// observes it before Receive is called.
//
// Network takes the frames to the other nodes: Listen makes links to them, over TLS with a
// key of each run; Dial uses existing NATS servers. What other nodes send is not trusted
// further than it must be: DESIGN.md has the bounds, the protocol and its invariants.
package mesh

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

const (
	maxFrame   = 512 << 10 // bytes
	minPayload = 4 << 10   // bytes; the smallest max_payload of NATS that we accept
)

var (
	errSender = errors.New("it names another node as its sender")
)

// Peer is one run of a node.
type Peer struct {
	Node    string // at most 255 bytes
	Session int64  // a later run of the node has a higher one
}

// Config is the configuration of a Mesh.
type Config struct {
	Self   Peer
	Net    *Network // owned by the caller; all NATS servers behind it must have the same max_payload
	Prefix string   // NATS subjects begin with mesh.<prefix>., so that clusters can share a NATS
	Clock  *hlc.Clock
	Logger *slog.Logger // nil: discard
	// Receive gets the messages of each peer in order and one at a time. It owns
	// the data. An error or a panic counts as a fault of the peer; the message counts as received.
	Receive func(from Peer, data []byte) error
	// News gets the broadcasts of other nodes that arrive; nil: they are ignored. It owns
	// the data, and must not wait.
	News func(data []byte)
}

// Mesh is this run's end of its lanes to all other nodes.
type Mesh struct {
	c     Config
	start time.Time
	wake  chan struct{}  // signals that wakeAt has changed
	parts sync.WaitGroup // goroutines that call Receive
	shared
}

// shared is what the mesh's goroutines change, under its lock. The lock also keeps frames
// in order until they are published.
type shared struct {
	mu      sync.Mutex
	st      *station
	wakeAt  time.Duration
	running bool
	ended   bool
	buf     []byte
}

// New returns a mesh. Messages sent before Run is called are delivered when it
// runs.
func New(c Config) *Mesh {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Mesh{
		c:      c,
		start:  time.Now(),
		wake:   make(chan struct{}, 1),
		shared: shared{st: newStation(c.Self, pieceLimit(c)), wakeAt: never},
	}
}

// pieceLimit returns the bytes that fit into a frame besides its header.
func pieceLimit(c Config) int {
	limit := max(c.Net.most(), minPayload) // 0 before the first connection
	return min(limit, maxFrame) - fixedHeader - len(c.Self.Node)
}

// now returns the time since start, which is never 0.
func (m *Mesh) now() time.Duration { return time.Since(m.start) + 1 }

func checkNode(node string) error {
	if node == "" || len(node) > maxNodeName {
		return tandem.Errorf(tandem.Invalid, "the node name %.40q has %d bytes; give it a name of 1 to %d",
			node, len(node), maxNodeName)
	}
	return nil
}

// Run receives messages, and sends lost ones again, until ctx ends, and returns
// when the last Receive has returned. It returns an error when the connection was
// closed or cannot be used, nil otherwise. A mesh runs once.
func (m *Mesh) Run(ctx context.Context) error {
	if err := checkNode(m.c.Self.Node); err != nil {
		return err
	}
	if m.c.Prefix == "" {
		return tandem.Errorf(tandem.Invalid, "the cluster has no name; give it one, which all its nodes share")
	}
	m.begin()
	defer m.end()
	ctx, cancel := context.WithCancel(ctx)
	var timer sync.WaitGroup
	timer.Go(func() { m.keepTime(ctx) })
	defer timer.Wait()
	defer cancel()
	return m.c.Net.run(ctx, m.c.Prefix, m.c.Self.Node, m)
}

// begin delivers the messages that this node sent to itself before Run.
func (m *Mesh) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = true
	m.st.limit = pieceLimit(m.c)
	for _, l := range m.st.lanes {
		m.deliver(l)
	}
}

// end fails all waiting calls of Flush, and waits for the last Receive.
func (m *Mesh) end() {
	m.mu.Lock()
	m.running, m.ended = false, true
	for _, l := range m.st.lanes {
		l.end(errEnded())
	}
	m.mu.Unlock()
	m.parts.Wait()
}

func errEnded() error {
	return tandem.Errorf(tandem.Unavailable,
		"this node's connection to the other nodes is closed; it is stopping or rejoining")
}

// arrive takes a frame of the network. A frame that breaks the protocol is a fault of the
// node that sent it.
func (m *Mesh) arrive(from string, data []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = m.c.Net.Panicked(from, p)
		}
	}()
	p, err := decode(data)
	if err == nil && from != "" && p.from.Node != from {
		err = errSender
	}
	if err == nil {
		err = m.accept(&p)
	}
	if err != nil {
		m.c.Net.fault(FaultFrame, cmp.Or(from, p.from.Node, "unknown"),
			"a frame from another node breaks the protocol and is ignored", "bytes", len(data), "err", err)
	}
	return err
}

func (m *Mesh) accept(p *packet) error {
	believed := m.c.Clock.Observe(p.stamp)
	if p.flags&flagNews != 0 {
		return m.heard(p)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running {
		return nil
	}
	l, err := m.st.arrive(m.now(), p)
	m.after()
	if l == nil {
		return err
	}
	if !believed && !l.ahead {
		m.c.Logger.Warn("a node's clock is more than a minute ahead and is ignored; set the clocks of all nodes by NTP",
			"node", p.from.Node, "clock", p.stamp.Time())
	}
	l.ahead = !believed
	m.deliver(l)
	return err
}

// heard passes a broadcast to News, unless it is from a run that has ended.
func (m *Mesh) heard(p *packet) error {
	if p.from == m.c.Self || m.c.News == nil {
		return nil
	}
	if len(p.pieces) != 1 {
		return errMalformed
	}
	m.mu.Lock()
	_, err := m.st.lane(p.from)
	m.mu.Unlock()
	if err == nil {
		m.c.News(p.pieces[0].data)
	}
	return nil // the error means that the run has ended
}

// reached asks a node at once for what it has received, since the network may have lost
// frames.
func (m *Mesh) reached(node string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.st.lanes[node]; l != nil {
		l.ask(m.now())
		m.after()
	}
}

// deliver starts a goroutine that calls Receive for the lane's messages, unless
// one is running. The lock is held.
func (m *Mesh) deliver(l *lane) {
	if m.running && !l.busy && l.hasFrames() {
		l.busy = true
		m.parts.Go(func() { m.empty(l) })
	}
}

// empty calls Receive until the lane has no more messages.
func (m *Mesh) empty(l *lane) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.running && l.hasFrames() {
		messages := l.recv.inbox[0].messages
		m.mu.Unlock()
		for _, data := range messages {
			if l.over.Load() {
				break
			}
			m.give(l.peer, data)
		}
		m.mu.Lock()
		m.st.received(m.now(), l)
		m.after()
	}
	l.busy = false
}

// give calls Receive. A panic ends neither the node nor the lane.
func (m *Mesh) give(from Peer, data []byte) {
	defer func() {
		if p := recover(); p != nil {
			_ = m.c.Net.Panicked(from.Node, p) // which has logged it
			m.c.Net.shun(from.Node)
		}
	}()
	if err := m.c.Receive(from, data); err != nil {
		m.c.Net.fault(FaultMessage, from.Node, "a message of another node is ignored", "bytes", len(data), "err", err)
	}
}

// after publishes the station's outgoing packets, and wakes the timekeeper if
// it would sleep too long. The lock is held.
func (m *Mesh) after() {
	for i := range m.st.out {
		p := &m.st.out[i]
		p.stamp = m.c.Clock.Now()
		m.buf = encode(m.buf[:0], p)
		// A frame that cannot be sent counts as lost and is sent again; a closed network
		// ends Run.
		if err := m.c.Net.send(m.c.Prefix, p.to.Node, m.buf); err != nil {
			m.c.Logger.Debug("a frame was not sent", "node", p.to.Node, "error", err)
		}
	}
	clear(m.st.out)
	m.st.out = m.st.out[:0]
	if self := m.st.lanes[m.c.Self.Node]; self != nil {
		m.deliver(self)
	}
	if m.st.due < m.wakeAt {
		m.wakeAt = m.st.due
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// keepTime calls tick when it is due.
func (m *Mesh) keepTime(ctx context.Context) {
	const idle = time.Hour
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.wake:
		}
		timer.Reset(min(m.beat(), idle))
	}
}

// beat does what is due, and returns the time until the next beat.
func (m *Mesh) beat() (wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.st.due <= now {
		m.st.tick(now)
	}
	m.wakeAt = m.st.due
	m.after()
	return m.wakeAt - now
}

// Send sends data to a peer. It does not wait. The mesh keeps data, so the caller
// must not change it afterwards. The error has kind Limit when too many bytes
// wait for the peer or data is too large, NotFound when that run of the node has
// ended, Unavailable when Run has ended. Messages to Self are received, too.
func (m *Mesh) Send(to Peer, data []byte) error {
	if err := checkNode(to.Node); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return errEnded()
	}
	err := m.st.post(m.now(), to, data)
	m.after()
	return err
}

// Flush waits until the peer's Receive has returned for all messages that were
// sent to it before. It fails with kind NotFound when that run has ended, and
// with Unavailable when Run has ended.
func (m *Mesh) Flush(ctx context.Context, to Peer) error {
	done, err := m.flush(to)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-done:
		return err
	}
}

func (m *Mesh) flush(to Peer) (<-chan error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return nil, errEnded()
	}
	return m.st.flush(to)
}

// Drop ends the lane to a run that has been declared lost, and to runs before it:
// messages that wait for it are dropped, Flush and Send to it fail, and its frames
// are ignored. No Receive from it begins afterwards; one that has begun may still
// run, and Drop does not wait for it.
func (m *Mesh) Drop(p Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.st.drop(p)
}

// Broadcast sends a message to all nodes. A node that cannot be reached does not
// get it.
func (m *Mesh) Broadcast(data []byte) {
	p := packet{from: m.c.Self, flags: flagNews, stamp: m.c.Clock.Now(), pieces: []piece{{data: data}}}
	if err := m.c.Net.tell(m.c.Prefix, encode(nil, &p)); err != nil {
		m.c.Logger.Debug("a broadcast was not sent", "bytes", len(data), "error", err)
	}
}

// Waiting returns the number and bytes of the messages that were sent to a peer
// and are not known to be received.
func (m *Mesh) Waiting(to Peer) (messages, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.st.lanes[to.Node]; l != nil && l.peer == to {
		return l.send.messages, l.send.bytes
	}
	return 0, 0
}
