package cluster

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/logbook"
)

// Each node keeps the log lines that were appended on it, and asks the other nodes
// for theirs.
var _ logbook.Others = (*Cluster)(nil)

// logs has the views of logs, here and on other nodes.
type logs struct {
	mu    sync.Mutex
	views map[uint64]*view                  // views here, of the other nodes' lines
	asked map[uint64]map[protocol.Peer]bool // by view: nodes that have been asked for their lines
	serve map[viewer]func()                 // views on other nodes of our lines, with functions to stop them
}

// view is a log shown here.
type view struct {
	id      uint64
	devices []tandem.DeviceID
	fn      func(tandem.LogEntry)
}

// maxViewers limits the logs that other nodes show of this one's lines.
const maxViewers = 10_000

// viewer names a view of another node.
type viewer struct {
	peer protocol.Peer
	view uint64
}

// History returns the last n lines of devices from the other nodes. The logbook calls
// it.
func (c *Cluster) History(ctx context.Context, devices []tandem.DeviceID, n int) (list []tandem.LogEntry) {
	for _, f := range c.askOthers(ctx, c.table().Others(c.Info.ID), &protocol.History{Devices: devices, Lines: n}) {
		list = append(list, f.Lines...)
	}
	return list
}

// Follow calls fn with new lines of devices from the other nodes until stop is called.
// The logbook calls it.
func (c *Cluster) Follow(ctx context.Context, devices []tandem.DeviceID, fn func(tandem.LogEntry)) (stop func()) {
	v := &view{id: c.ids.Add(1), devices: slices.Clone(devices), fn: fn}
	c.logs.mu.Lock()
	if c.logs.views == nil {
		c.logs.views = map[uint64]*view{}
		c.logs.asked = map[uint64]map[protocol.Peer]bool{}
	}
	c.logs.views[v.id] = v
	c.logs.asked[v.id] = map[protocol.Peer]bool{}
	c.logs.mu.Unlock()
	c.extend(ctx, v)
	return func() {
		c.logs.mu.Lock()
		delete(c.logs.views, v.id)
		peers := slices.Collect(maps.Keys(c.logs.asked[v.id]))
		delete(c.logs.asked, v.id)
		c.logs.mu.Unlock()
		for _, p := range peers {
			c.say(p, &protocol.Ask{Question: &protocol.Unfollow{View: v.id}})
		}
	}
}

// extend asks the nodes that have not been asked yet for a view's lines.
func (c *Cluster) extend(ctx context.Context, v *view) {
	var fresh []protocol.Peer
	c.logs.mu.Lock()
	asked, shown := c.logs.asked[v.id]
	for _, p := range c.table().Others(c.Info.ID) {
		if shown && !asked[p] {
			asked[p] = true
			fresh = append(fresh, p)
		}
	}
	c.logs.mu.Unlock()
	c.askOthers(ctx, fresh, &protocol.Follow{View: v.id, Devices: v.devices})
}

// extendAll extends all views to new nodes.
func (c *Cluster) extendAll(ctx context.Context) {
	c.logs.mu.Lock()
	views := slices.Collect(maps.Values(c.logs.views))
	c.logs.mu.Unlock()
	for _, v := range views {
		c.extend(ctx, v)
	}
}

// forget ends the views of runs that have ended.
func (l *logs) forget(gone func(protocol.Peer) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, stop := range l.serve {
		if gone(s.peer) {
			delete(l.serve, s)
			stop()
		}
	}
	for _, asked := range l.asked {
		maps.DeleteFunc(asked, func(p protocol.Peer, _ bool) bool { return gone(p) })
	}
}

// askOthers asks several nodes the same question, and returns the answers that arrive in
// time.
func (c *Cluster) askOthers(
	ctx context.Context, peers []protocol.Peer, q protocol.Question,
) (answers []protocol.Finish) {
	type answer struct {
		protocol.Finish
		err error
	}
	got := make(chan answer, len(peers))
	for _, p := range peers {
		go func() {
			var f protocol.Finish
			err := c.guard(p.Node, func() (err error) {
				f, err = c.question(ctx, protocol.Target{Run: p}, q, protocol.LogWait)
				return err
			})
			got <- answer{f, err}
		}()
	}
	for range peers {
		a := <-got
		if a.err != nil {
			c.logger.Warn("a node's part of a log is missing", "err", a.err)
			continue
		}
		answers = append(answers, a.Finish)
	}
	return answers
}

// Limits of what another node may ask of a log.
const (
	maxLines   = 1000
	maxDevices = 10_000
)

var errDevices = tandem.Errorf(tandem.Limit, "a log may be of %d devices at most", maxDevices)

// answerLog answers a question about this node's log.
func (c *Cluster) answerLog(ctx context.Context, from protocol.Peer, q protocol.Question) ([]tandem.LogEntry, error) {
	switch q := q.(type) {
	case *protocol.History:
		if len(q.Devices) > maxDevices {
			return nil, errDevices
		}
		return c.Log.Own(ctx, q.Devices, min(max(q.Lines, 0), maxLines))
	case *protocol.Follow:
		if len(q.Devices) > maxDevices {
			return nil, errDevices
		}
		if c.logs.viewers() >= maxViewers {
			return nil, tandem.Errorf(tandem.Limit, "other nodes show %d logs of this one already", maxViewers)
		}
		stop, err := c.Log.FollowOwn(ctx, q.Devices, func(e tandem.LogEntry) {
			c.say(from, &protocol.Line{View: q.View, Line: e})
		})
		if err != nil {
			return nil, err
		}
		c.logs.mu.Lock()
		defer c.logs.mu.Unlock()
		if c.logs.serve == nil {
			c.logs.serve = map[viewer]func(){}
		}
		key := viewer{from, q.View}
		if earlier := c.logs.serve[key]; earlier != nil {
			earlier()
		}
		c.logs.serve[key] = stop
	case *protocol.Unfollow:
		key := viewer{from, q.View}
		c.logs.mu.Lock()
		defer c.logs.mu.Unlock()
		if stop := c.logs.serve[key]; stop != nil {
			delete(c.logs.serve, key)
			stop()
		}
	}
	return nil, nil
}

// viewers returns how many views other nodes have of this one's lines.
func (l *logs) viewers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.serve)
}

// showLine shows another node's line in its view.
func (c *Cluster) showLine(m *protocol.Line) {
	c.logs.mu.Lock()
	v := c.logs.views[m.View]
	c.logs.mu.Unlock()
	if v != nil {
		v.fn(m.Line)
	}
}
