package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/tandem-iot/tandem/hlc"

	"github.com/tandem-iot/tandem/bench/client"
)

// figures are the results. Times are in milliseconds.
type figures struct {
	Agents     int     `json:"agents"`
	OwnP50     float64 `json:"request_own_node_p50_ms"`
	OwnP99     float64 `json:"request_own_node_p99_ms"`
	OtherP50   float64 `json:"request_other_node_p50_ms"`
	OtherP99   float64 `json:"request_other_node_p99_ms"`
	BlackP50   float64 `json:"move_blackout_p50_ms"`
	BlackP99   float64 `json:"move_blackout_p99_ms"`
	Moved      int     `json:"moved"`
	MovesPerS  float64 `json:"moves_per_s"`
	MoveFailed int64   `json:"move_failed_requests"`
	LostP50    float64 `json:"node_lost_answers_after_p50_ms"`
	LostMax    float64 `json:"node_lost_answers_after_max_ms"`
	SavesPG    float64 `json:"saves_per_s_postgresql"`
	SavesAlone float64 `json:"saves_per_s_sqlite"`
	CausalNs   float64 `json:"causal_ns_per_message"`
	ClockNs    float64 `json:"time_now_ns"`
	RequestCPU float64 `json:"request_cpu_us"` // of all nodes, for each
	SaveCPU    float64 `json:"save_cpu_us"`
	MoveCPU    float64 `json:"move_cpu_us"` // for each agent, while no caller asks them
	Peer       string  `json:"peer"`
}

// watched is the number of agents that get requests without a pause while they move.
const watched = 32

func measure(ctx context.Context, l *lab, o options) error {
	f := figures{
		Agents: o.agents,
		Peer: "workerd cluster (experimental), as measured elsewhere: 500-850 ms, one failed request per busy " +
			"client, memory lost; 18 s of errors after kill -9",
	}
	d, err := threeNodes(ctx, l, o.agents)
	if err != nil {
		return err
	}
	parts := []func(context.Context, *lab, *load, *figures) error{latency, saves, moves, quietMoves, loss, alone}
	for _, part := range parts {
		if err := part(ctx, l, d, &f); err != nil {
			return err
		}
	}
	causality(&f)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "request to an agent on the node asked\t%.2f ms p50\t%.2f ms p99\n", f.OwnP50, f.OwnP99)
	fmt.Fprintf(t, "request to an agent on another node\t%.2f ms p50\t%.2f ms p99\t%.2f of the first\n",
		f.OtherP50, f.OtherP99, f.OtherP50/f.OwnP50)
	fmt.Fprintf(t,
		"blackout of a live move, %d of %d agents moving\t%.1f ms p50\t%.1f ms p99\t%d requests failed\n", f.Moved,
		f.Agents, f.BlackP50, f.BlackP99, f.MoveFailed)
	fmt.Fprintf(t, "agents moved per second\t%.0f\n", f.MovesPerS)
	fmt.Fprintf(t, "the nodes' processor time\t%.0f µs a request\t%.0f µs a save\t%.0f µs an agent that moves\n",
		f.RequestCPU, f.SaveCPU, f.MoveCPU)
	fmt.Fprintf(t, "kill -9 of a node: its agents answer after\t%.0f ms p50\t%.0f ms at most\n", f.LostP50, f.LostMax)
	fmt.Fprintf(t, "saves per second over HTTP\t%.0f PostgreSQL, 3 nodes\t%.0f SQLite, 1 node\n", f.SavesPG, f.SavesAlone)
	fmt.Fprintf(t, "causal order of the logs\t%.0f ns a message\t%.1f of time.Now()\t%.3f %% of a request\n",
		f.CausalNs, f.CausalNs/f.ClockNs, f.CausalNs/f.OwnP50/1e4)
	if err := t.Flush(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

func quantile(list []time.Duration, q float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	slices.Sort(list)
	return list[int(q*float64(len(list)-1))].Seconds() * 1000
}

// causality measures the cost of the logs' causal order: a sender takes a stamp and
// encodes it, and a receiver decodes and observes it.
func causality(f *figures) {
	const rounds = 1 << 20
	var sender, receiver hlc.Clock
	began := time.Now()
	for range rounds {
		stamp, err := hlc.Parse(sender.Now().String())
		if err != nil || !receiver.Observe(stamp) {
			panic("a stamp of this moment is not believed")
		}
	}
	f.CausalNs = float64(time.Since(began).Nanoseconds()) / rounds
	began = time.Now()
	last := began
	for range rounds {
		last = time.Now()
	}
	f.ClockNs = float64(last.Sub(began).Nanoseconds()) / rounds
}

// cpu returns the processor time that the nodes have used.
func (l *lab) cpu() (sum time.Duration) {
	for _, n := range l.nodes {
		sum += n.CPU()
	}
	return sum
}

// each returns the n-th part of a time in microseconds.
func each(d time.Duration, n int) float64 { return float64(d.Nanoseconds()) / float64(n) / 1000 }

// latency makes requests to one agent after the other through each node.
func latency(ctx context.Context, l *lab, d *load, f *figures) error {
	own, other := &series{}, &series{}
	owners, err := l.owners(ctx, d)
	if err != nil {
		return err
	}
	const asked = 3000
	used := l.cpu()
	for i := range asked {
		s := d.subjects[i%len(d.subjects)]
		at := l.nodes[i/len(d.subjects)%3]
		into := other
		if owners[s] == at.Name {
			into = own
		}
		began := time.Now()
		if _, err := l.ask(ctx, at, s, http.MethodGet); err != nil {
			return err
		}
		into.add(time.Since(began))
	}
	f.RequestCPU = each(l.cpu()-used, asked)
	f.OwnP50, f.OwnP99 = quantile(own.list, 0.5), quantile(own.list, 0.99)
	f.OtherP50, f.OtherP99 = quantile(other.list, 0.5), quantile(other.list, 0.99)
	return nil
}

// saves makes all agents save as fast as 64 callers make requests.
func saves(ctx context.Context, l *lab, d *load, f *figures) (err error) {
	used := l.cpu()
	n, rate, err := d.saveRate(ctx)
	f.SavesPG, f.SaveCPU = rate, each(l.cpu()-used, n)
	return err
}

// saveRate returns how many saves there were, and how many a second.
func (d *load) saveRate(ctx context.Context) (saved int, rate float64, err error) {
	const length, callers = 5 * time.Second, 64
	var n atomic.Int64
	var failed atomic.Value
	var work sync.WaitGroup
	began := time.Now()
	for c := range callers {
		work.Go(func() {
			for i := c; time.Since(began) < length && failed.Load() == nil; i += callers {
				at := d.doors[i%len(d.doors)]
				if _, _, err := d.lab.step(ctx, at, d.subjects[i%len(d.subjects)], http.MethodPost); err != nil {
					failed.Store(err)
				}
				n.Add(1)
			}
		})
	}
	work.Wait()
	if err, ok := failed.Load().(error); ok {
		return 0, 0, err
	}
	return int(n.Load()), float64(n.Load()) / time.Since(began).Seconds(), nil
}

// moves drains a node while some of its agents get requests without a pause; the longest
// wait for an answer is the agent's blackout.
func moves(ctx context.Context, l *lab, d *load, f *figures) error {
	owners, err := l.owners(ctx, d)
	if err != nil {
		return err
	}
	leaver, at := l.nodes[2], l.nodes[0]
	var leaving []*subject
	for _, s := range d.subjects {
		if owners[s] == leaver.Name {
			leaving = append(leaving, s)
		}
	}
	f.Moved = len(leaving)
	worst := make([]time.Duration, min(watched, len(leaving)))
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var failed atomic.Int64
	var work sync.WaitGroup
	for i := range worst {
		work.Go(func() {
			for asking.Err() == nil {
				began := time.Now()
				if _, broken, err := l.step(asking, at, leaving[i], http.MethodGet); (err != nil || broken != nil) &&
					asking.Err() == nil {
					failed.Add(1)
				}
				if asking.Err() == nil {
					worst[i] = max(worst[i], time.Since(began))
				}
				<-time.After(5 * time.Millisecond)
			}
		})
	}
	<-time.After(500 * time.Millisecond)
	began := time.Now()
	if err := l.empty(ctx, at, leaver); err != nil {
		return err
	}
	took := time.Since(began)
	stop()
	work.Wait()
	f.BlackP50, f.BlackP99 = quantile(worst, 0.5), quantile(worst, 0.99)
	f.MovesPerS, f.MoveFailed = float64(len(leaving))/took.Seconds(), failed.Load()
	return l.refresh(ctx, at, leaver)
}

// quietMoves drains a node whose agents have nothing else to do, for what a move costs.
func quietMoves(ctx context.Context, l *lab, d *load, f *figures) error {
	leaver, at := l.nodes[2], l.nodes[0]
	leaving, before := 0, -1
	for end := time.Now().Add(30 * time.Second); leaving == 0 || leaving != before; { // until the plan is carried out
		if time.Now().After(end) {
			return fmt.Errorf("%s does not get its agents back: it has %d", leaver.Name, leaving)
		}
		<-time.After(time.Second)
		owners, err := l.owners(ctx, d)
		if err != nil {
			return err
		}
		leaving, before = 0, leaving
		for _, name := range owners {
			if name == leaver.Name {
				leaving++
			}
		}
	}
	used := l.cpu()
	if err := l.empty(ctx, at, leaver); err != nil {
		return err
	}
	f.MoveCPU = each(l.cpu()-used, leaving)
	return l.refresh(ctx, at, leaver)
}

// empty drains a node, and waits until its agents have moved.
func (l *lab) empty(ctx context.Context, at, leaver *proc) error {
	if err := l.drain(ctx, at, leaver); err != nil {
		return err
	}
	return l.emptied(ctx, at, leaver)
}

// drain has a node's agents move to others.
func (l *lab) drain(ctx context.Context, at, leaver *proc) error {
	return l.api(ctx, at, "POST", "/cluster/nodes/"+leaver.Name+"/drain", "", nil)
}

// refresh stops a node that is empty, and starts it again.
func (l *lab) refresh(ctx context.Context, at, n *proc) error {
	if err := n.Stop(); err != nil {
		return err
	}
	if err := l.start(ctx, n, false); err != nil {
		return err
	}
	return l.settled(ctx, at, 3)
}

// loss kills a node and makes requests to its agents until each has answered.
func loss(ctx context.Context, l *lab, d *load, f *figures) error {
	owners, err := l.owners(ctx, d)
	if err != nil {
		return err
	}
	dead, at := l.nodes[1], l.nodes[0]
	after := &series{}
	began := time.Now()
	dead.Kill()
	var work sync.WaitGroup
	room := make(chan struct{}, 64)
	for _, s := range d.subjects {
		if owners[s] != dead.Name {
			continue
		}
		room <- struct{}{}
		work.Go(func() {
			defer func() { <-room }()
			for ctx.Err() == nil {
				if _, _, err := l.step(ctx, at, s, http.MethodGet); err == nil {
					after.add(time.Since(began))
					return
				}
				<-time.After(20 * time.Millisecond)
			}
		})
	}
	work.Wait()
	f.LostP50, f.LostMax = quantile(after.list, 0.5), quantile(after.list, 1)
	return nil
}

// alone measures a node with SQLite.
func alone(ctx context.Context, l *lab, d *load, f *figures) error {
	for _, n := range l.nodes {
		n.Kill()
	}
	l.client = client.API{HTTP: l.http}
	n, err := l.add(ctx, true)
	if err != nil {
		return err
	}
	subjects, err := l.agents(ctx, n, len(d.subjects))
	if err != nil {
		return err
	}
	_, f.SavesAlone, err = newLoad(l, subjects, []*proc{n}).saveRate(ctx)
	return err
}
