package server

import (
	"context"
	"errors"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/life"
)

// alone takes the place of cluster.Cluster on a node without a cluster. All agents are
// on this node's host, so answers never have to follow an agent to another node.
type alone struct{ *host.Host }

// Request passes an HTTP request to an agent and returns its answer.
func (a alone) Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	resp, err := a.Host.Request(ctx, tandem.Origin{}, id, r)
	if errors.Is(err, life.ErrElsewhere) { // its pair is being made again after a fault
		resp, err = a.Host.Request(ctx, tandem.Origin{}, id, r)
	}
	return resp, err
}
