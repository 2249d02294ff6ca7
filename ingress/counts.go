package ingress

import (
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/meter"
)

// counts are the counters of a handler.
type counts struct {
	classes [10]atomic.Int64 // by the first digit of the status; 0: the client had disconnected
	took    meter.Times
	over    meter.Labelled
}

func (c *counts) answered(status int, took time.Duration) {
	c.classes[status/100].Add(1)
	if status > 0 {
		c.took.Observe(took)
	}
}

// Activity has the counts since the start.
type Activity struct {
	Requests map[string]int64 // by class: 2xx and so on, or gone for clients that disconnected before the answer
	Took     meter.Histogram  // of answered requests, from the end of the header
	Over     map[string]int64 // how often each limit of this package was reached
}

// Activity returns the counts since the start.
func (h *Handler) Activity() Activity {
	a := Activity{Requests: map[string]int64{}, Took: h.counts.took.Read(), Over: h.counts.over.All()}
	for i, name := range [...]string{"gone", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		a.Requests[name] = h.counts.classes[i].Load()
	}
	return a
}
