package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/meter"
)

// carrier takes frames to other nodes. It may lose, double and reorder them. The caller
// may change a frame after the call.
type carrier interface {
	most() int // bytes of a frame; 0: not known yet
	send(prefix, node string, frame []byte) error
	tell(prefix string, frame []byte) error // to all other nodes
	// run gives the taker the frames for a node until ctx ends. It fails when no more frames
	// can come.
	run(ctx context.Context, prefix, self string, to taker) error
	know(nodes []Node)
	shun(node string) // after a fault: break off the node's links for a while
	close() error
}

// taker takes what a carrier has.
type taker interface {
	// arrive takes a frame, and owns it. From is the node that has sent it, or "" when the
	// carrier does not know. An error is a breach of the protocol by that node.
	arrive(from string, frame []byte) error
	reached(node string) // there is a link to the node again
}

// Node is another node of the cluster, as the database has it.
type Node struct {
	Name    string
	Key     string // of its Identity
	Address string // where it listens for other nodes, host:port
}

// Network takes frames to the other nodes: over links that it makes to them (Listen), or
// over NATS servers (Dial).
type Network struct {
	carrier
	logger    *slog.Logger
	strangers chan struct{}
	refused   meter.Labelled
	faults    meter.Labelled
	quiet     quiet
}

func newNetwork(logger *slog.Logger) *Network {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Network{logger: logger.With("component", "mesh"), strangers: make(chan struct{}, 1)}
}

// Know says which other nodes are part of the cluster. Links to others are closed.
func (n *Network) Know(nodes []Node) { n.know(nodes) }

// Strangers has a token after a node that is not known has tried to connect. It may be one
// that has just joined.
func (n *Network) Strangers() <-chan struct{} { return n.strangers }

// Close sends what is waiting, and closes the network.
func (n *Network) Close() error { return n.close() }

// Causes of refused connections, as metrics have them.
const (
	RefusedStranger = "stranger" // no TLS, or no key of a node of the cluster
	RefusedSlow     = "slow"     // no proof of the key in time
	RefusedCrowd    = "crowd"    // too many that have not proved their key
)

// Causes of faults, as metrics have them.
const (
	FaultFrame   = "frame"   // a frame that breaks the protocol
	FaultMessage = "message" // a message that cannot be parsed
	FaultPanic   = "panic"   // the node's own code failed at a message
)

// Activity is what has happened since the start.
type Activity struct {
	Refused map[string]int64 // connections, by cause
	Faults  map[string]int64 // of other nodes, by cause
}

// Activity returns the counts, those of zero too.
func (n *Network) Activity() Activity {
	a := Activity{Refused: n.refused.All(), Faults: n.faults.All()}
	for _, cause := range []string{RefusedStranger, RefusedSlow, RefusedCrowd} {
		a.Refused[cause] += 0
	}
	for _, cause := range []string{FaultFrame, FaultMessage, FaultPanic} {
		a.Faults[cause] += 0
	}
	return a
}

// fault counts a fault of a node, and logs it unless the last line about the node is less
// than a minute old.
func (n *Network) fault(cause, node, text string, attrs ...any) {
	n.faults.Add(cause, 1)
	if since, ok := n.quiet.may(node, time.Now()); ok {
		n.logger.Error(text, append([]any{"node", node, "faults since the last line", since}, attrs...)...)
	}
}

// Panicked counts and logs a panic of the code for what a node has sent, which its caller
// has recovered, and returns an error that says so.
func (n *Network) Panicked(node string, p any) error {
	n.fault(FaultPanic, node, "the code for a message of a node has panicked; the message is skipped",
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return tandem.Errorf(tandem.Internal, "the node's code has panicked; its log says where")
}

// quietFor is the shortest time between two log lines about the same thing.
const quietFor = time.Minute

// quiet keeps the log short when something happens often.
type quiet struct {
	mu   sync.Mutex
	last map[string]lastLine
}

// lastLine is the last log line about something.
type lastLine struct {
	at    time.Time
	since int // occurrences without a line after it
}

// may reports whether there may be a log line about something, and how often it has
// happened since the last one.
func (q *quiet) may(what string, now time.Time) (since int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, found := q.last[what]
	if found && now.Sub(l.at) < quietFor {
		l.since++
		q.last[what] = l
		return 0, false
	}
	if q.last == nil || len(q.last) > 1000 { // more nodes than there can be
		q.last = map[string]lastLine{}
	}
	q.last[what] = lastLine{at: now}
	return l.since, true
}
