package server

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandem-iot/tandem/admit"
)

// health answers /health: 200 while the node serves, 503 when it should get no requests.
// It needs no login and little work, and is answered when nothing else is. Each problem is
// a line of the answer.
type health struct {
	stopping atomic.Bool
	checks   []check
}

// check finds a problem of a part, "" if there is none, and whether the node cannot do its
// work because of it.
type check struct {
	name string
	find func() (problem string, fatal bool)
}

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	state, problems := "ok", ""
	for _, c := range h.checks {
		problem, fatal := c.find()
		if problem != "" {
			problems += fmt.Sprintf("%s: %s\n", c.name, problem)
		}
		if fatal {
			state = "failing"
		}
	}
	if h.stopping.Load() {
		state = "stopping"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if state != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(state + "\n" + problems)) // an error means that the client has disconnected
}

// newHealth returns the checks of the parts. The reasons are in the node's log, because
// everybody may ask.
func (n *node) newHealth() *health {
	return &health{checks: []check{
		{"memory", func() (string, bool) {
			if p := admit.Pressure(n.admission.pressure.Load()); p != admit.Calm {
				return p.String(), false
			}
			return "", false
		}},
		{"store", func() (string, bool) {
			state := n.store.Health()
			switch {
			case state.Failing != nil:
				return "it does not take writes", true
			case state.Damaged > 0:
				return fmt.Sprintf("%d records are damaged", state.Damaged), false
			}
			return "", false
		}},
		{"log", func() (string, bool) {
			if n.log.Health() != nil {
				return "it fails; log lines are lost", false // agents run all the same
			}
			return "", false
		}},
	}}
}

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
