package mesh

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

const (
	dialWait      = 5 * time.Second // also of the TLS handshake
	handshakeWait = 5 * time.Second // until the end that connects has proved its key
	acceptPause   = 100 * time.Millisecond
)

// links is the links to the other nodes: TLS connections, on which each end has proved
// that it has the key that the database has for it. Either end makes them, and both send
// on them. Two nodes may have two, if both connect at the same time.
type links struct {
	n        *Network
	id       *Identity
	listener net.Listener
	address  string    // where the others reach this node
	start    time.Time // origin of the times of standings
	ctx      context.Context
	end      context.CancelFunc
	work     sync.WaitGroup
	door     door
	peers
}

// peers are the other nodes.
type peers struct {
	mu     sync.Mutex
	byName map[string]*peer
	taker  taker // nil: frames are dropped
	closed bool
}

// peer is a node to which there are to be links. The lock of peers guards it.
type peer struct {
	Node
	standing
	links   []*link // frames are sent on the first
	lastErr error   // of the last attempt to connect
	changed chan struct{}
	ctx     context.Context // ends when the node is no longer part of the cluster
	forget  context.CancelFunc
}

func newLinks(n *Network, id *Identity, l net.Listener, address string) *links {
	h := &links{n: n, id: id, listener: l, address: address, start: time.Now(), peers: peers{byName: map[string]*peer{}}}
	h.ctx, h.end = context.WithCancel(context.Background())
	h.work.Go(h.accept)
	return h
}

func (h *links) now() time.Duration { return time.Since(h.start) }

func (h *links) most() int { return maxFrame }

func (h *links) send(_, node string, frame []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.byName[node]; p != nil && len(p.links) > 0 {
		return p.links[0].put(frame)
	}
	return errNoLink
}

var errNoLink = tandem.Errorf(tandem.Unavailable, "there is no connection to the node")

func (h *links) tell(_ string, frame []byte) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.byName {
		if len(p.links) > 0 {
			err = errors.Join(err, p.links[0].put(frame))
		}
	}
	return err
}

func (h *links) run(ctx context.Context, _, _ string, to taker) error {
	h.take(to)
	defer h.take(nil)
	select {
	case <-ctx.Done():
		return nil
	case <-h.ctx.Done():
		return tandem.Errorf(tandem.Unavailable, "the port for other nodes was closed")
	}
}

func (h *links) take(to taker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taker = to
}

func (h *links) takerNow() taker {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.taker
}

// know replaces the list of nodes. A node with another key is another run: the links to
// the earlier one are closed. Nodes without a key are of no use here.
func (h *links) know(nodes []Node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	for name, p := range h.byName {
		if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == name && n.Key == p.Key }) {
			p.forget()
			p.breakOff()
			delete(h.byName, name)
		}
	}
	for _, n := range nodes {
		p := h.byName[n.Name]
		switch {
		case n.Key == "" || n.Key == h.id.key:
		case p != nil:
			p.Address = n.Address
		default:
			p = &peer{Node: n, changed: make(chan struct{}, 1), standing: standing{since: h.now()}}
			p.ctx, p.forget = context.WithCancel(h.ctx)
			h.byName[n.Name] = p
			h.work.Go(func() { h.keep(p) })
		}
	}
}

// breakOff closes the links. The lock is held.
func (p *peer) breakOff() {
	for _, l := range p.links {
		l.stop()
	}
}

// wake makes keep look at the peer. The lock is held.
func (p *peer) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// known reports whether a key is that of another node.
func (h *links) known(key string) bool { return h.withKey(key) != nil }

func (h *links) withKey(key string) *peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.byName {
		if p.Key == key {
			return p
		}
	}
	return nil
}

// keep makes a link to a node whenever there is none, until the node is forgotten.
func (h *links) keep(p *peer) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-timer.C:
		case <-p.changed:
		}
		wait, address := h.look(p)
		if address != "" {
			l, err := h.dial(p, address)
			h.dialled(p, l, err)
			wait, _ = h.look(p)
		}
		timer.Reset(wait)
	}
}

// noAddress stands for the address of a node that has none.
const noAddress = "none"

var errNoAddress = errors.New("it has no port for other nodes; were only some nodes started with --nats?")

// look tells the operator of a node without a link, and returns how long to wait, or the
// address to connect to.
func (h *links) look(p *peer) (wait time.Duration, address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if p.ctx.Err() == nil && p.silent(now) {
		h.n.logger.Warn("a node of the cluster cannot be reached; messages to it wait",
			"node", p.Name, "address", p.Address, "err", p.lastErr)
	}
	const idle = time.Hour
	at := p.next()
	if at <= now {
		return dialFirst, cmp.Or(p.Address, noAddress)
	}
	return min(at-now, idle), ""
}

// dial connects to a node and proves the key of each end to the other.
func (h *links) dial(p *peer, address string) (*link, error) {
	if address == noAddress {
		return nil, errNoAddress
	}
	ctx, cancel := context.WithTimeout(p.ctx, dialWait)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, h.id.config(func(key string) error {
		if key != p.Key {
			return errOtherKey
		}
		return nil
	}))
	if err = conn.HandshakeContext(ctx); err == nil {
		err = greeted(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return newLink(conn), nil
}

func (h *links) dialled(p *peer, l *link, err error) {
	if err == nil {
		h.open(p, l)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p.failed(h.now())
	p.lastErr = err
}

// maxLinks is how many links there may be to a node: one of each end, and as many of which
// one end does not know yet that they are broken.
const maxLinks = 4

// open makes a connection a link to a node, and serves it on goroutines of its own.
func (h *links) open(p *peer, l *link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || p.ctx.Err() != nil || p.shunned(h.now()) || len(p.links) >= maxLinks {
		l.stop()
		h.work.Go(l.write) // which closes the connection
		return
	}
	p.links = append(p.links, l)
	if p.opened() {
		h.n.logger.Info("a node of the cluster can be reached again", "node", p.Name)
	}
	h.work.Go(l.write)
	h.work.Go(func() {
		h.serve(p, l)
		h.over(p, l)
	})
}

// serve gives the taker the frames of a link until the link ends.
func (h *links) serve(p *peer, l *link) {
	if to := h.takerNow(); to != nil {
		to.reached(p.Name)
	}
	for {
		frame, err := l.read()
		if errors.Is(err, errFrameSize) {
			h.n.fault(FaultFrame, p.Name, "a link to another node is closed", "err", err)
			h.shun(p.Name)
		}
		if err != nil {
			return
		}
		if to := h.takerNow(); to != nil && to.arrive(p.Name, frame) != nil {
			h.shun(p.Name)
			return
		}
	}
}

// over records the end of a link.
func (h *links) over(p *peer, l *link) {
	l.stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	p.links = slices.DeleteFunc(p.links, func(x *link) bool { return x == l })
	p.closed(h.now(), time.Since(l.began))
	p.wake()
}

// shun closes the links to a node that has broken the protocol, and allows none for a while.
func (h *links) shun(node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.byName[node]; p != nil {
		p.fault(h.now())
		p.breakOff()
	}
}

// accept takes connections until the listener is closed.
func (h *links) accept() {
	for {
		conn, err := h.listener.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default: // no file descriptors, as a rule
			h.refuse(RefusedCrowd, "", err)
			select {
			case <-time.After(acceptPause):
			case <-h.ctx.Done():
				return
			}
			continue
		}
		from := admit.SourceOfConn(conn.RemoteAddr()).String()
		if !h.door.enter(from) {
			h.refuse(RefusedCrowd, from, errCrowd)
			_ = conn.Close() // nothing was sent on it
			continue
		}
		h.work.Go(func() { h.welcome(conn, from) })
	}
}

// welcome lets a connection prove its key. Until then it has no effect, and next to no
// memory; after a failure its place stays taken for a while, which limits the work that
// strangers cause.
func (h *links) welcome(raw net.Conn, from string) {
	defer h.door.leave(from)
	var p *peer
	shown := "" // the key
	conn := tls.Server(raw, h.id.config(func(key string) error {
		shown = key
		if p = h.withKey(key); p == nil {
			return errUnknown
		}
		return nil
	}))
	ctx, cancel := context.WithTimeout(h.ctx, handshakeWait)
	defer cancel()
	err := conn.HandshakeContext(ctx)
	if err == nil {
		err = greet(ctx, conn)
	}
	if err == nil {
		h.open(p, newLink(conn))
		return
	}
	_ = raw.Close() // there is no session to end
	cause := RefusedStranger
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		cause = RefusedSlow
	}
	pause := refusePause
	if errors.Is(err, errUnknown) {
		pause = unknownPause
		select {
		case h.n.strangers <- struct{}{}:
		default:
		}
	}
	select {
	case <-time.After(pause):
	case <-h.ctx.Done():
		return
	}
	// A node that has just joined connects before the others have read its key.
	if !h.known(shown) {
		h.refuse(cause, from, err)
	}
}

// refuse counts a refused connection, and logs it unless the last line is less than a
// minute old. A client that only looks whether the port is open is not logged.
func (h *links) refuse(cause, from string, err error) {
	h.n.refused.Add(cause, 1)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if since, ok := h.n.quiet.may("refused", time.Now()); ok {
		h.n.logger.Warn("connections at the port for other nodes are refused",
			"from", from, "cause", cause, "err", err, "others since the last line", since)
	}
}

// close closes all links, and the listener. It waits for frames that are to be sent.
func (h *links) close() error {
	err := h.listener.Close()
	h.shut()
	h.end()
	h.work.Wait()
	return err
}

func (h *links) shut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, p := range h.byName {
		p.breakOff()
	}
}
