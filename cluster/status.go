package cluster

import (
	"time"
)

// Status is the state of the cluster, as a node knows it.
type Status struct {
	Nodes  []NodeStatus `json:"nodes"`
	Shards int          `json:"shards"`
	Orphan int          `json:"orphans"` // shards without an owner
}

// NodeStatus is a node as the cluster sees it.
type NodeStatus struct {
	ID       string    `json:"id"`
	URL      string    `json:"url"`
	MQTT     string    `json:"mqtt"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Alive    bool      `json:"alive"`
	Draining bool      `json:"draining"`
	Agents   int       `json:"agents"`
	Load     float64   `json:"load"`   // the part of its processors that it uses, 0 to 1
	Weight   float64   `json:"weight"` // its share of the shards is in proportion to it
	Shards   int       `json:"shards"`
	Leaving  int       `json:"moving"` // shards on their way to another node
}

// Status returns the state of the cluster, with its nodes ordered by id.
func (c *Cluster) Status() Status {
	c.setUp()
	t := c.table()
	if t == nil {
		return Status{}
	}
	st := Status{Shards: len(t.Routes)}
	index := map[string]int{}
	for i, n := range t.Nodes {
		index[n.ID] = i
		st.Nodes = append(st.Nodes, NodeStatus{
			ID: n.ID, URL: n.URL, MQTT: n.MQTT, Version: n.Version, Started: n.Started, Alive: n.Alive,
			Draining: n.Draining, Agents: n.Agents, Load: n.Load, Weight: n.Weight,
		})
	}
	for _, r := range t.Routes {
		i, ok := index[r.Owner]
		if !ok {
			st.Orphan++
			continue
		}
		st.Nodes[i].Shards++
		if r.Target != "" && r.Target != r.Owner {
			st.Nodes[i].Leaving++
		}
	}
	return st
}
