package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
)

// news is the shell of the core that keeps news for agents that may have had no owner
// when the news came: deployments, assignments and deletions.
type news struct {
	mu   sync.Mutex
	core protocol.News

	groups    map[string]map[int]bool // device groups to review, with the shards to review them in
	reviewing bool                    // a goroutine reviews groups
}

// hear keeps news. It is called before the host is told.
func (n *news) hear(now tandem.Now, q protocol.Question) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.core.Hear(now, q)
}

// opened returns the news that the agents of newly opened shards may have missed.
func (n *news) opened(now tandem.Now, shards []int) []protocol.Effect {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.core.Opened(now, shards)
}

func (n *news) joined(c *Cluster, p protocol.Peer) {
	n.mu.Lock()
	effects := n.core.Joined(c.now(), p)
	n.mu.Unlock()
	for _, e := range effects {
		c.general(e)
	}
}

// recall makes the agents of some shards follow news that they may have missed. It reviews
// a group in all shards that have arrived meanwhile at once, because listing its devices
// takes a while, and shards arrive in many small batches.
func (c *Cluster) recall(effects []protocol.Effect) {
	for _, e := range effects {
		e, ok := e.(protocol.Recall)
		if !ok {
			continue
		}
		if q, ok := e.Question.(*protocol.Deployed); ok {
			c.news.queue(q.Group, e.Shards)
			continue
		}
		c.reviewIn(e.Question, nil)
	}
	if !c.news.begin() {
		return
	}
	for {
		select {
		case <-c.ended:
			return
		case <-time.After(reviewRest):
		}
		group, in := c.news.next()
		if in == nil {
			return
		}
		c.reviewIn(&protocol.Deployed{Group: group}, in)
	}
}

// reviewRest is the wait before a review of a group, so that more shards can arrive.
const reviewRest = time.Second

// reviewIn reviews the agents of some shards; nil means all shards. No one hears of a failure
// who could order it again.
func (c *Cluster) reviewIn(q protocol.Question, in map[int]bool) {
	ctx := c.runNow().ctx // the store limits the time of each query
	var of func(tandem.AgentID) bool
	if in != nil {
		of = func(id tandem.AgentID) bool { return in[c.shardOf(id)] }
	}
	const failed = "agents that came here may run code that has been replaced; it is compared again every second"
	c.insist(ctx, failed, func() error { return c.review(ctx, q, of) })
}

func (n *news) queue(group string, shards []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.groups == nil {
		n.groups = map[string]map[int]bool{}
	}
	if n.groups[group] == nil {
		n.groups[group] = map[int]bool{}
	}
	for _, s := range shards {
		n.groups[group][s] = true
	}
}

// begin reports whether there are groups to review and no goroutine reviews them. If so,
// the caller must review them until next returns none.
func (n *news) begin() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.reviewing || len(n.groups) == 0 {
		return false
	}
	n.reviewing = true
	return true
}

// next removes and returns a group to review, with its shards; nil when there is none.
func (n *news) next() (group string, in map[int]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for group, in := range n.groups {
		delete(n.groups, group)
		return group, in
	}
	n.reviewing = false
	return "", nil
}

// review makes some of this node's agents follow news, unless they already have.
func (c *Cluster) review(ctx context.Context, q protocol.Question, of func(tandem.AgentID) bool) error {
	switch q := q.(type) {
	case *protocol.Deployed:
		return c.Host.ReviewGroup(ctx, q.Group, of)
	case *protocol.Assigned:
		return c.Host.Review(ctx, q.Device, of)
	case *protocol.Deleted:
		c.Host.Deleted(q.Device)
	}
	return nil
}

// tellAll tells every node some news. It returns the error of one of them. It ignores
// nodes that have left meanwhile, because they have no agents.
func (c *Cluster) tellAll(ctx context.Context, q protocol.Question) error {
	c.setUp()
	c.news.mu.Lock()
	nodes := c.news.core.Say(c.now(), q, c.table())
	c.news.mu.Unlock()
	if len(nodes) == 0 {
		return errNotJoined
	}
	answers := make(chan error, len(nodes))
	for _, node := range nodes {
		go func() {
			answers <- c.guard(node, func() error {
				_, err := c.question(ctx, protocol.Target{Node: node}, q, protocol.AskWait)
				return err
			})
		}()
	}
	var failed error
	for range nodes {
		if err := <-answers; err != nil && tandem.KindOf(err) != tandem.NotFound {
			failed = err
		}
	}
	return failed
}

// Deployed tells all nodes that a device group has a new deployment; "" restarts its agents
// all the same.
func (c *Cluster) Deployed(ctx context.Context, group, deployment string) error {
	return c.tellAll(ctx, &protocol.Deployed{Group: group, Deployment: deployment})
}

// Assigned tells all nodes that a device was created or assigned to another device
// group.
func (c *Cluster) Assigned(ctx context.Context, id tandem.DeviceID) error {
	d, err := c.Store.Device(ctx, id)
	if err != nil {
		return err
	}
	return c.tellAll(ctx, &protocol.Assigned{Device: id, Shard: c.shardOf(d.Agent)})
}

// Deleted tells all nodes that a device was deleted.
func (c *Cluster) Deleted(id tandem.DeviceID) {
	if err := c.tellAll(context.Background(), &protocol.Deleted{Device: id}); err != nil {
		c.logger.Warn("not all nodes know that a device has been deleted", "device", id, "err", err)
	}
}

// askOwner asks the node that owns a device's agent.
func (c *Cluster) askOwner(ctx context.Context, id tandem.DeviceID, q protocol.Question) (protocol.Finish, error) {
	c.setUp()
	d, err := c.Store.Device(ctx, id)
	if err != nil {
		return protocol.Finish{}, err
	}
	return c.question(ctx, protocol.Target{Agent: d.Agent}, q, protocol.AskWait)
}

// RestartAgent restarts a device's agent.
func (c *Cluster) RestartAgent(ctx context.Context, id tandem.DeviceID) error {
	_, err := c.askOwner(ctx, id, &protocol.RestartAgent{Device: id})
	return err
}

// RestartDevice asks a device to restart its code.
func (c *Cluster) RestartDevice(ctx context.Context, id tandem.DeviceID) error {
	_, err := c.askOwner(ctx, id, &protocol.RestartDevice{Device: id})
	return err
}

// Online reports whether a device has a link. It returns false, too, when the owner
// does not answer.
func (c *Cluster) Online(id tandem.DeviceID) bool {
	f, err := c.askOwner(context.Background(), id, &protocol.Online{Device: id})
	return err == nil && f.Yes
}

// Runs reports whether a device's agent runs.
func (c *Cluster) Runs(id tandem.DeviceID) bool {
	f, err := c.askOwner(context.Background(), id, &protocol.Runs{Device: id})
	return err == nil && f.Yes
}

// DrainNode makes a node give its agents to others, and returns when it has begun;
// Status shows the progress. The node gets no agents until it is started again or
// UndrainNode is called.
func (c *Cluster) DrainNode(ctx context.Context, node string) error {
	c.setUp()
	t := c.table()
	if t.Node(node) == nil {
		return errNoNode(node)
	}
	if !t.TakersFor(node) {
		return tandem.Errorf(tandem.Conflict, "no other node can take the agents of %s; start one first", node)
	}
	return c.askDrain(ctx, node, false)
}

// UndrainNode lets a drained node get agents again.
func (c *Cluster) UndrainNode(ctx context.Context, node string) error {
	c.setUp()
	return c.askDrain(ctx, node, true)
}

func (c *Cluster) askDrain(ctx context.Context, node string, undo bool) error {
	_, err := c.question(ctx, protocol.Target{Node: node}, &protocol.Drain{Undo: undo}, protocol.AskWait)
	if tandem.KindOf(err) == tandem.NotFound {
		return errNoNode(node)
	}
	return err
}

func errNoNode(node string) error {
	return tandem.Errorf(tandem.NotFound, "the cluster has no node %q; tandem cluster status lists them", node)
}

// takeAsk takes a question of another node. It does not wait for the answer.
func (c *Cluster) takeAsk(from protocol.Peer, m *protocol.Ask) {
	if !c.served.begin(from.Node) {
		c.over.Add(tandem.OverNodeCalls, 1)
		if m.ID != 0 {
			c.say(from, &protocol.Told{ID: m.ID, Failure: failureOf(errServed)})
		}
		return
	}
	go func() {
		defer c.served.end(from.Node)
		c.guarded(from.Node, func() { c.answerAsk(from, m) })
	}()
}

// answerAsk answers a question of another node.
func (c *Cluster) answerAsk(from protocol.Peer, m *protocol.Ask) {
	ctx, cancel := context.WithTimeout(context.Background(), protocol.AskWait)
	defer cancel()
	told := &protocol.Told{ID: m.ID}
	done, err := c.served.turn(ctx, from.Node)
	if err != nil {
		c.over.Add(tandem.OverNodeCalls, 1)
	} else {
		defer done()
		err = c.guard(from.Node, func() error { told = c.answer(ctx, from, m); return nil })
	}
	if err != nil {
		told.Failure = failureOf(err)
	}
	if m.ID != 0 {
		c.say(from, told)
	}
}

// answer answers a question about this node's agents.
func (c *Cluster) answer(ctx context.Context, from protocol.Peer, m *protocol.Ask) *protocol.Told {
	told := &protocol.Told{ID: m.ID}
	if protocol.IsNews(m.Question) {
		c.news.hear(c.now(), m.Question)
	}
	if m.Again {
		c.reviewIn(m.Question, nil)
		return told
	}
	var err error
	switch q := m.Question.(type) {
	case *protocol.History, *protocol.Follow, *protocol.Unfollow:
		told.Lines, err = c.answerLog(ctx, from, q)
	case *protocol.Drain:
		c.member.step(func(v *protocol.Member, now tandem.Now) (out []protocol.Effect) {
			if !q.Undo {
				return v.Drain(now, false)
			}
			out, err = v.Undrain(now)
			return out
		})
	case *protocol.Deployed:
		err = c.Host.Deployed(ctx, q.Group, q.Deployment)
	case *protocol.Assigned:
		err = c.Host.Assigned(ctx, q.Device)
	case *protocol.Deleted:
		c.Host.Deleted(q.Device)
	case *protocol.Online:
		told.Yes = c.Host.Online(q.Device)
	case *protocol.Runs:
		told.Yes = c.Host.Runs(q.Device)
	case *protocol.RestartAgent:
		err = c.Host.RestartAgent(ctx, q.Device)
	case *protocol.RestartDevice:
		err = c.Host.RestartDevice(ctx, q.Device)
	}
	told.Failure = failureOf(err)
	return told
}
