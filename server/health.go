package server

import (
	"fmt"
	"net/http"
	"sync/atomic"

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

// newHealth returns the checks of the parts.
func (n *node) newHealth() *health {
	return &health{checks: []check{{"memory", func() (string, bool) {
		if p := admit.Pressure(n.admission.pressure.Load()); p != admit.Calm {
			return p.String(), false
		}
		return "", false
	}}}}
}
