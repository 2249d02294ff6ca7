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

// check finds a problem, "" if there is none.
type check struct {
	name string
	find func() (problem string)
}

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status, text := http.StatusOK, "ok\n"
	if h.stopping.Load() {
		status, text = http.StatusServiceUnavailable, "stopping\n"
	}
	for _, c := range h.checks {
		if problem := c.find(); problem != "" {
			text += fmt.Sprintf("%s: %s\n", c.name, problem)
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // an error means that the client has disconnected
}

// newHealth returns the checks of the parts.
func (n *node) newHealth() *health {
	return &health{checks: []check{{"memory", func() string {
		if p := admit.Pressure(n.admission.pressure.Load()); p != admit.Calm {
			return p.String()
		}
		return ""
	}}}}
}
