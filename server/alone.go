package server

import (
	"context"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
)

// alone stands where a node of a cluster has its cluster.Cluster: all agents are
// on this node's host, so answers never have to follow an agent.
type alone struct{ *host.Host }

// Request gives an agent an HTTP request and returns its answer.
func (a alone) Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	return a.Host.Request(ctx, tandem.Origin{}, id, r)
}
