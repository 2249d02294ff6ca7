package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster"
)

type clusterCmd struct {
	Status  clusterStatusCmd  `cmd:"" help:"Show the nodes of the cluster, with their shards, agents and moves."`
	Drain   clusterDrainCmd   `cmd:"" help:"${help_drain}"`
	Undrain clusterUndrainCmd `cmd:"" help:"Let a drained node get agents again."`
}

type clusterStatusCmd struct {
	nodeFlags
	JSON bool `name:"json" help:"Print the status as JSON."`
}

func (c *clusterStatusCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	st, err := api.cluster(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(st)
	}
	return printStatus(s.out, st)
}

func printStatus(w io.Writer, st cluster.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tLOAD\tSHARDS\tMOVING\tAGENTS\tVERSION\tUP\tHTTP\tMQTT")
	for _, n := range st.Nodes {
		state := "ok"
		switch {
		case !n.Alive:
			state = "out of reach"
		case n.Draining && n.Shards == 0:
			state = "drained"
		case n.Draining:
			state = "draining"
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f %%\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n",
			n.ID, state, 100*n.Load, n.Shards, n.Leaving, n.Agents, n.Version,
			time.Since(n.Started).Round(time.Second), n.URL, n.MQTT)
	}
	if st.Orphan > 0 {
		fmt.Fprintf(t, "(none)\t\t\t%d\n", st.Orphan)
	}
	return t.Flush()
}

type clusterDrainCmd struct {
	nodeFlags
	Timeout time.Duration `placeholder:"DURATION" default:"2m" help:"How long to wait (${default})."`
	Node    string        `arg:"" help:"Name of the node."`
}

// drainLook is the time between two reads of the status during a drain.
const drainLook = 200 * time.Millisecond

func (c *clusterDrainCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	if err := api.do(ctx, "POST", "/cluster/nodes/"+url.PathEscape(c.Node)+"/drain", nil, nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	for {
		st, err := api.cluster(ctx)
		if err != nil {
			return err
		}
		left, there := 0, false
		for _, n := range st.Nodes {
			if n.ID == c.Node {
				left, there = n.Shards, true
			}
		}
		if !there || left == 0 {
			fmt.Fprintf(s.err, "%s has no more agents\n", c.Node)
			return nil
		}
		select {
		case <-ctx.Done():
			return tandem.Errorf(tandem.Unavailable,
				"%s still has %d shards; look at tandem cluster status, and at the node's log", c.Node, left)
		case <-time.After(drainLook):
		}
	}
}

type clusterUndrainCmd struct {
	nodeFlags
	Node string `arg:"" help:"Name of the node."`
}

func (c *clusterUndrainCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	if err := api.do(ctx, "POST", "/cluster/nodes/"+url.PathEscape(c.Node)+"/undrain", nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%s gets agents again\n", c.Node)
	return nil
}

func (c *client) cluster(ctx context.Context) (cluster.Status, error) {
	var out struct {
		Data struct {
			Attributes cluster.Status `json:"attributes"`
		} `json:"data"`
	}
	err := c.do(ctx, "GET", "/cluster", nil, &out)
	return out.Data.Attributes, err
}
