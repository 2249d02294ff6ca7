package server

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
)

// seenFile is the name of the file in the directory of a cluster's node that holds what the node
// has seen of the database.
const seenFile = "database.seen"

// watchStore has the store say what it finds in the node's log. A node of a cluster also remembers
// what it sees of the database, whose going back in time it then notices.
func (n *node) watchStore(ctx context.Context) error {
	n.store.LogTo(n.logger)
	if n.Cluster == nil {
		return nil // the store has done it
	}
	return n.store.Remember(ctx, filepath.Join(n.Dir, seenFile))
}

// health serves /health, for load balancers and people: 200 while the node can do its work, and
// a line for each part that fails. It needs no login, so the reasons are in the node's log.
func (n *node) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	state := n.store.Health()
	switch {
	case state.Failing != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "the store does not take writes")
	case n.log.Health() == nil && state.Damaged == 0:
		fmt.Fprintln(w, "ok")
	}
	if n.log.Health() != nil {
		fmt.Fprintln(w, "the log store fails; log lines are lost") // agents run all the same
	}
	if state.Damaged > 0 {
		fmt.Fprintf(w, "%d records are damaged\n", state.Damaged)
	}
}

// collectHealth reads the figures about what fails.
func (f figures) collectHealth(p page) {
	state := f.n.store.Health()
	p.one(prometheus.GaugeValue, "store_failing", "1 while the store does not take writes.", one(state.Failing != nil))
	p.one(prometheus.GaugeValue, "store_damaged", "Records that were found damaged since the start.", state.Damaged)
	p.one(prometheus.CounterValue, "store_went_back_total",
		"How often the database was found in an earlier state than before.", int(state.WentBack))
	p.one(prometheus.GaugeValue, "log_failing", "1 while the log store loses lines.", one(f.n.log.Health() != nil))
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
