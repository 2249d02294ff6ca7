package cluster

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

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
	asked map[uint64]map[protocol.Peer]bool // by view: nodes that this run has asked for their lines
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
	question := &protocol.History{Devices: devices, Lines: n}
	answers, missing := c.askOthers(ctx, c.table().Others(c.Info.ID), question)
	for _, f := range answers {
		list = append(list, f.Lines...)
	}
	c.warnOf(missing)
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
	c.warnOf(c.extend(ctx, v))
	return func() {
		c.logs.mu.Lock()
		delete(c.logs.views, v.id)
		delete(c.logs.asked, v.id)
		c.logs.mu.Unlock()
		for _, p := range c.table().Others(c.Info.ID) { // also those whose answer was late
			c.say(p, &protocol.Ask{Question: &protocol.Unfollow{View: v.id}})
		}
	}
}

// extend asks the nodes that have not been asked yet for a view's lines. Those that have not
// answered, because they are slow or do not know this run yet, are asked again. It returns
// what went wrong.
func (c *Cluster) extend(ctx context.Context, v *view) (missing map[protocol.Peer]error) {
	fresh := c.logs.fresh(v.id, c.table().Others(c.Info.ID))
	_, missing = c.askOthers(ctx, fresh, &protocol.Follow{View: v.id, Devices: v.devices})
	if c.logs.unanswered(v.id, missing) {
		r := c.runNow()
		c.apart(c.Info.ID, func() {
			select {
			case <-time.After(insistEvery):
				c.extend(r.ctx, v)
			case <-r.ctx.Done(): // the next run asks
			}
		})
	}
	return missing
}

// fresh returns those of some nodes that have not been asked for a view's lines, if that is
// still shown. They are asked now.
func (l *logs) fresh(view uint64, nodes []protocol.Peer) (fresh []protocol.Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked, shown := l.asked[view]
	for _, p := range nodes {
		if shown && !asked[p] {
			asked[p] = true
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// unanswered records which nodes are to be asked again for a view's lines, and reports
// whether there are any. One that refuses because of a limit is not.
func (l *logs) unanswered(view uint64, missing map[protocol.Peer]error) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p, err := range missing {
		if asked, shown := l.asked[view]; shown && tandem.KindOf(err) != tandem.Limit {
			delete(asked, p)
			again = true
		}
	}
	return again
}

// renew forgets whom views have been asked of: the other nodes have ended the views of this
// node's earlier runs.
func (l *logs) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, asked := range l.asked {
		clear(asked)
	}
}

// extendAll extends all views to new nodes.
func (c *Cluster) extendAll(ctx context.Context) {
	c.logs.mu.Lock()
	views := slices.Collect(maps.Values(c.logs.views))
	c.logs.mu.Unlock()
	for _, v := range views {
		c.warnOf(c.extend(ctx, v))
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
// time, and why others are missing.
func (c *Cluster) askOthers(
	ctx context.Context, peers []protocol.Peer, q protocol.Question,
) (answers []protocol.Finish, missing map[protocol.Peer]error) {
	type answer struct {
		protocol.Finish
		from protocol.Peer
		err  error
	}
	got := make(chan answer, len(peers))
	for _, p := range peers {
		go func() {
			var f protocol.Finish
			err := c.guard(p.Node, func() (err error) {
				f, err = c.question(ctx, protocol.Target{Run: p}, q, protocol.LogWait)
				return err
			})
			got <- answer{f, p, err}
		}()
	}
	missing = map[protocol.Peer]error{}
	for range peers {
		if a := <-got; a.err != nil {
			missing[a.from] = a.err
		} else {
			answers = append(answers, a.Finish)
		}
	}
	return answers, missing
}

func (c *Cluster) warnOf(missing map[protocol.Peer]error) {
	for p, err := range missing {
		c.logger.Warn("a node's part of a log is missing", "node", p.Node, "err", err)
	}
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
