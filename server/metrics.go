package server

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/ingress"
	"github.com/tandem-iot/tandem/meter"
)

// metrics returns the handler of /metrics. It requires a login key of the operator, even
// from this machine, because all requests through a proxy here come from this machine.
func (n *node) metrics(agents *ingress.Handler) http.Handler {
	registry := prometheus.NewRegistry()
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	registry.MustRegister(collectors.NewGoCollector(), process, figures{n, agents})
	page := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "this needs the header \"Authorization: Bearer KEY\" with a login key of the operator, "+
				"such as the one in "+AccessFile, http.StatusUnauthorized)
			return
		}
		switch err := n.central.Operates(r, key); {
		case tandem.KindOf(err) == tandem.Unauthorized:
			http.Error(w, err.Error(), http.StatusUnauthorized)
		case tandem.KindOf(err) == tandem.Limit:
			http.Error(w, err.Error(), http.StatusTooManyRequests)
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

// figures are the metrics of the parts of a node. None has a label for an agent or a
// device, because there may be a million; the log names them.
type figures struct {
	n      *node
	agents *ingress.Handler
}

// Describe describes nothing in advance, which the library allows.
func (f figures) Describe(chan<- *prometheus.Desc) {}

// Collect reads all figures.
func (f figures) Collect(ch chan<- prometheus.Metric) {
	p := page{ch}
	p.by(prometheus.GaugeValue, "build_info", "The version, as a label.", "version", map[string]int64{f.n.Version: 1})
	f.collectAgents(p)
	f.collectAdmission(p)
	f.collectCluster(p)
	f.collectHealth(p)
	web := f.agents.Activity()
	p.by(prometheus.CounterValue, "http_requests_total",
		"Requests to agents' addresses, by class of the status; gone: the client disconnected before the answer.",
		"class", web.Requests)
	p.histogram("http_request_seconds", "Time from a request's header to the end of the answer.", web.Took)
	p.by(prometheus.CounterValue, "fetches_total",
		"Agents' outgoing HTTP requests that have ended, by outcome.", "outcome", f.n.fetcher.Outcomes())
	p.one(prometheus.GaugeValue, "devices_connected", "Devices that have a connection to this node.",
		f.n.gateway.Devices())
	p.one(prometheus.CounterValue, "link_faults_total",
		"Faults of the server (panics) that ended a device's connection; the log has the stack of each.",
		int(f.n.gateway.Faults()))
	took, writes := f.n.store.Commits()
	p.histogram("store_commit_seconds", "Time of each transaction that writes.", took)
	p.histogram("store_commit_writes", "Writes that shared a transaction.", writes)
	log := f.n.log.Activity()
	p.one(prometheus.CounterValue, "log_lines_total", "Log lines written.", int(log.Written))
	p.by(prometheus.CounterValue, "log_lines_dropped_total",
		"Log lines dropped: throttled, because a device had too many, "+
			"or lost, because the log store did not take them.", "cause",
		map[string]int64{"throttled": int64(log.Throttled), "lost": int64(log.Lost)})
}

// collectAgents reads the figures about what agents do.
func (f figures) collectAgents(p page) {
	a := f.n.host.Activity()
	p.by(prometheus.GaugeValue, "agents", "Agents in memory: live as machines, frozen as bytes.",
		"state", map[string]int64{"live": a.Live, "frozen": a.Frozen})
	p.one(prometheus.CounterValue, "agent_events_total", "Events given to agents.", int(a.Events))
	p.by(prometheus.CounterValue, "agent_restarts_total", "Agents that have restarted, by reason.", "reason", a.Restarts)
	p.by(prometheus.CounterValue, "agent_moves_total",
		"Agents that were moved to this node with their state, by reason.", "reason", a.Moves)
	p.by(prometheus.CounterValue, "messages_total", "Messages between devices and agents.",
		"direction", map[string]int64{"to_agent": a.ToAgent, "to_device": a.ToDevice})
	p.histogram("save_seconds", "Time until a server.save was on disk.", a.Saves)
	p.one(prometheus.CounterValue, "saves_failed_total", "Calls of server.save that returned an error code.",
		int(a.Unsaved))
	p.one(prometheus.CounterValue, "agent_faults_total",
		"Faults of the server (panics) that ended an agent's incarnation; the log has the stack of each.", int(a.Faults))
	p.by(prometheus.CounterValue, "over_limit_total",
		"How often a limit was reached; docs/limits.md explains each.", "limit", f.over(a.Over))
}

// over adds up the counts of all parts that have limits, including counts of zero.
func (f figures) over(host map[string]int64) map[string]int64 {
	log, fetches := f.n.log.Activity(), f.n.fetcher.Outcomes()
	all := map[string]int64{
		tandem.OverLogRate: int64(log.Throttled), tandem.OverLogLine: int64(log.Cut),
		tandem.OverNodeFetches: f.n.fetcher.Waited(), tandem.OverFetchResponse: fetches["too_large"],
		tandem.OverFetchTime: fetches["timeout"], tandem.OverFetchMemory: f.n.fetcher.WaitedForMemory(),
		tandem.OverBrokers: f.n.fetcher.BrokersRefused(),
	}
	for _, counts := range []map[string]int64{
		host, f.agents.Activity().Over, f.n.gateway.Over(), f.n.overAdmission(), f.n.central.Over(), f.n.overNodes(),
	} {
		for limit, n := range counts {
			all[limit] += n
		}
	}
	for _, limit := range tandem.Over {
		all[limit] += 0
	}
	return all
}

// page is the destination of the figures.
type page struct{ ch chan<- prometheus.Metric }

func (p page) one(kind prometheus.ValueType, name, help string, value int) {
	p.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("tandem_"+name, help, nil, nil), kind, float64(value))
}

func (p page) by(kind prometheus.ValueType, name, help, label string, values map[string]int64) {
	desc := prometheus.NewDesc("tandem_"+name, help, []string{label}, nil)
	for text, value := range values {
		p.ch <- prometheus.MustNewConstMetric(desc, kind, float64(value), text)
	}
}

func (p page) histogram(name, help string, h meter.Histogram) {
	p.ch <- prometheus.MustNewConstHistogram(prometheus.NewDesc("tandem_"+name, help, nil, nil), h.Count, h.Sum, h.Buckets)
}
