package cluster

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// When the database has gone back in time, the nodes' memory is newer than it. Each node saves
// what it has of its agents again before it drops them and rejoins; see the DESIGN of package
// store.

// askAgain is the time between two questions of the database whether it went back.
const askAgain = time.Second

// dropAgents drops the node's agents, whose session is over. If the database went back in time
// it saves them first.
func (c *Cluster) dropAgents() {
	ctx := context.Background() // the store limits the time of each query
	back, err := c.Store.WentBack(ctx)
	for ; err != nil && tandem.KindOf(err) == tandem.Unavailable && !c.ending(); back, err = c.Store.WentBack(ctx) {
		c.logger.Warn("cannot ask the database yet why this node's session is over", "err", err)
		c.rest(askAgain)
	}
	switch {
	case err != nil:
		c.fail(err)
		c.Host.Abandon()
	case back:
		c.saveAgain(ctx)
	default:
		c.Host.Abandon()
	}
}

// ending reports whether Run is about to return.
func (c *Cluster) ending() bool {
	c.runs.mu.Lock()
	defer c.runs.mu.Unlock()
	return c.runs.over
}

func (c *Cluster) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
}

// saveAgain saves what the host has of its agents, and drops them.
func (c *Cluster) saveAgain(ctx context.Context) {
	deployed := c.Host.Deployments()
	saved, lost := 0, 0
	c.Host.Rescue(func(list []record.Rescue) {
		orphans, err := c.Store.Rescue(ctx, list)
		for try := 1; err != nil && tandem.KindOf(err) == tandem.Unavailable && try < rescueTries; try++ {
			c.rest(askAgain)
			orphans, err = c.Store.Rescue(ctx, list)
		}
		if err != nil {
			lost += len(list)
			for _, r := range list {
				c.logger.Error("the newest state of an agent cannot be saved again after the database went back in time",
					"agent", r.Agent.ID, "device", r.Device, "err", err)
			}
			return
		}
		saved += len(list)
		for _, r := range orphans {
			c.logger.Error("the database lacks the device of an agent since it went back in time; enroll the device again",
				"agent", r.Agent.ID, "device", r.Device)
		}
	})
	if err := c.Store.Rescued(ctx); err != nil {
		c.logger.Warn("the other nodes wait longer than necessary for this one's agents", "err", err)
	}
	c.logger.Warn("the newest state of this node's agents was saved again", "agents", saved, "not_saved", lost)
	c.missing(ctx, deployed)
}

// rescueTries limits how often agents are tried to be saved again; after that it is too late.
const rescueTries = 12

// missing names the deployments that the database has lost.
func (c *Cluster) missing(ctx context.Context, deployed map[string]string) {
	for group, id := range deployed {
		if _, err := c.Store.Deployment(ctx, id); tandem.KindOf(err) == tandem.NotFound {
			c.logger.Error("the database lacks a deployment since it went back in time; deploy the code again",
				"device_group", group, "deployment", id)
		}
	}
}
