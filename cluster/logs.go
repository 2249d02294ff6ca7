package cluster

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/mesh"
)

// Each node keeps the log lines that were appended there, and shows those of
// the others by asking them.
const (
	askHistory  = "log history"
	askFollow   = "follow log"
	askUnfollow = "unfollow log"
)

// logWait bounds the wait for one node's part of a log.
const logWait = 2 * time.Second

var _ logbook.Others = (*Cluster)(nil)

// logs are the views of the log that nodes have at each other.
type logs struct {
	mu    sync.Mutex
	views map[uint64]*view  // here, of others' lines
	serve map[served]func() // others' of our lines: how to stop
}

// view is a log shown here.
type view struct {
	id      uint64
	devices []tandem.DeviceID
	fn      func(tandem.LogEntry)
	peers   map[mesh.Peer]bool // that have been asked; under logs.mu
}

// served names a view of another node.
type served struct {
	peer mesh.Peer
	view uint64
}

// History is for the logbook.
func (c *Cluster) History(ctx context.Context, devices []tandem.DeviceID, n int) (list []tandem.LogEntry) {
	for _, a := range c.askOthers(ctx, c.othersNow(), &askMessage{What: askHistory, Devices: devices, Lines: n}) {
		list = append(list, a.lines...)
	}
	return list
}

// Follow is for the logbook.
func (c *Cluster) Follow(ctx context.Context, devices []tandem.DeviceID, fn func(tandem.LogEntry)) (stop func()) {
	v := &view{id: c.ids.Add(1), devices: slices.Clone(devices), fn: fn, peers: map[mesh.Peer]bool{}}
	c.logs.mu.Lock()
	if c.logs.views == nil {
		c.logs.views = map[uint64]*view{}
	}
	c.logs.views[v.id] = v
	c.logs.mu.Unlock()
	c.extend(ctx, v)
	return func() {
		c.logs.mu.Lock()
		delete(c.logs.views, v.id)
		peers := slices.Collect(maps.Keys(v.peers))
		c.logs.mu.Unlock()
		for _, p := range peers {
			c.reply(p, kindAsk, &askMessage{What: askUnfollow, View: v.id})
		}
	}
}

// extend asks nodes that have not been asked yet for a view's lines.
func (c *Cluster) extend(ctx context.Context, v *view) {
	var fresh []mesh.Peer
	c.logs.mu.Lock()
	for _, p := range c.othersNow() {
		if !v.peers[p] {
			v.peers[p] = true
			fresh = append(fresh, p)
		}
	}
	c.logs.mu.Unlock()
	c.askOthers(ctx, fresh, &askMessage{What: askFollow, View: v.id, Devices: v.devices})
}

// extendAll has all views show the lines of nodes that are new.
func (c *Cluster) extendAll(ctx context.Context) {
	c.logs.mu.Lock()
	views := slices.Collect(maps.Values(c.logs.views))
	c.logs.mu.Unlock()
	for _, v := range views {
		c.extend(ctx, v)
	}
}

// forget ends the views of a run that is over.
func (l *logs) forget(gone func(mesh.Peer) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, stop := range l.serve {
		if gone(s.peer) {
			delete(l.serve, s)
			stop()
		}
	}
	for _, v := range l.views {
		maps.DeleteFunc(v.peers, func(p mesh.Peer, _ bool) bool { return gone(p) })
	}
}

// othersNow returns the other nodes that are alive.
func (c *Cluster) othersNow() (peers []mesh.Peer) {
	t := c.table.Load()
	if t == nil {
		return nil
	}
	for id, n := range t.nodes {
		if p, _ := t.peer(id); n.Alive && id != c.Info.ID {
			peers = append(peers, p)
		}
	}
	return peers
}

// askOthers asks some nodes the same, and returns the answers of those that
// give one in time.
func (c *Cluster) askOthers(ctx context.Context, peers []mesh.Peer, m *askMessage) (answers []*toldAnswer) {
	ctx, cancel := context.WithTimeout(ctx, logWait)
	defer cancel()
	got := make(chan *toldAnswer, len(peers))
	for _, p := range peers {
		go func() { got <- c.ask(ctx, p, m) }()
	}
	for range peers {
		a := <-got
		if a.err != nil {
			c.logger.Warn("a node's part of a log is missing", "err", a.err)
			continue
		}
		answers = append(answers, a)
	}
	return answers
}

// answerLog answers a question about this node's log.
func (c *Cluster) answerLog(ctx context.Context, from mesh.Peer, m *askMessage) *toldAnswer {
	switch key := (served{from, m.View}); m.What {
	case askHistory:
		list, err := c.Log.Own(ctx, m.Devices, m.Lines)
		return &toldAnswer{lines: list, err: err}
	case askFollow:
		stop, err := c.Log.FollowOwn(ctx, m.Devices, func(e tandem.LogEntry) {
			c.reply(from, kindLine, &lineMessage{View: m.View, Line: e})
		})
		if err != nil {
			return &toldAnswer{err: err}
		}
		c.logs.mu.Lock()
		defer c.logs.mu.Unlock()
		if c.logs.serve == nil {
			c.logs.serve = map[served]func(){}
		}
		c.logs.serve[key] = stop
	case askUnfollow:
		c.logs.mu.Lock()
		defer c.logs.mu.Unlock()
		if stop := c.logs.serve[key]; stop != nil {
			delete(c.logs.serve, key)
			stop()
		}
	}
	return &toldAnswer{}
}

// showLine takes another node's line.
func (c *Cluster) showLine(m *lineMessage) {
	c.logs.mu.Lock()
	v := c.logs.views[m.View]
	c.logs.mu.Unlock()
	if v != nil {
		v.fn(m.Line)
	}
}
