package central

import (
	"context"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster"
)

// Cluster is the operator's view of all nodes.
type Cluster interface {
	Status() cluster.Status
	DrainNode(ctx context.Context, node string) error
	UndrainNode(ctx context.Context, node string) error
}

func (c *call) cluster() (Cluster, error) {
	if c.Cluster == nil {
		return nil, tandem.Errorf(tandem.NotFound, "this node is alone: it was started without --database")
	}
	return c.Cluster, nil
}

func (c *call) getCluster() error {
	all, err := c.cluster()
	if err != nil {
		return err
	}
	return c.send(200, map[string]any{"data": object{Type: "cluster", ID: "cluster", Attributes: all.Status()}})
}

func (c *call) drainNode() error {
	all, err := c.cluster()
	if err != nil {
		return err
	}
	if err := c.act(c.arg(2)); err != nil {
		return err
	}
	if err := all.DrainNode(c.ctx, c.arg(2)); err != nil {
		return err
	}
	return c.noContent()
}

func (c *call) undrainNode() error {
	all, err := c.cluster()
	if err != nil {
		return err
	}
	if err := c.act(c.arg(2)); err != nil {
		return err
	}
	if err := all.UndrainNode(c.ctx, c.arg(2)); err != nil {
		return err
	}
	return c.noContent()
}
