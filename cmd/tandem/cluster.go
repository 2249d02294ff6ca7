package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

type clusterCmd struct {
	Status  clusterStatusCmd  `cmd:"" help:"Show the nodes of the cluster, with their shards, agents and moves."`
	Drain   clusterDrainCmd   `cmd:"" help:"${help_drain}"`
	Undrain clusterUndrainCmd `cmd:"" help:"Let a drained node get agents again."`
}

type clusterStatusCmd struct{ nodeFlags }

func (c *clusterStatusCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	st, err := n.Cluster(ctx)
	switch {
	case err != nil:
		return err
	case s.json:
		return encode(s.out, st)
	case s.quiet:
		for _, x := range st.Nodes {
			fmt.Fprintln(s.out, x.ID)
		}
		return nil
	}
	return printStatus(s.out, st)
}

func printStatus(w io.Writer, st client.Cluster) error {
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
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	if err := n.Drain(ctx, c.Node); err != nil {
		return err
	}
	var bar *progress
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	for {
		st, err := n.Cluster(ctx)
		if err != nil {
			return err
		}
		left, there := 0, false
		for _, x := range st.Nodes {
			if x.ID == c.Node {
				left, there = x.Shards, true
			}
		}
		if !there || left == 0 {
			bar.end()
			s.say("%s has no more agents", c.Node)
			return s.result(map[string]string{"id": c.Node}, "")
		}
		if bar == nil {
			bar = s.progress("Moving shards", left)
		}
		bar.show(bar.total-left, time.Now())
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
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	if err := n.Undrain(ctx, c.Node); err != nil {
		return err
	}
	s.say("%s gets agents again", c.Node)
	return s.result(map[string]string{"id": c.Node}, "")
}
