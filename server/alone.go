package server

import (
	"context"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
)

// alone takes the place of cluster.Cluster on a node without a cluster. All agents are
// on this node's host, so answers never have to follow an agent to another node.
type alone struct{ *host.Host }

// Request passes an HTTP request to an agent and returns its answer.
func (a alone) Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	return a.Host.Request(ctx, tandem.Origin{}, id, r)
}
