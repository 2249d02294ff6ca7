package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load makes requests to agents, to each by one caller at a time, through the nodes that
// are in the load balancer.
type load struct {
	lab      *lab
	subjects []*subject
	faults   bool // requests may fail

	pairs  []*subject // the subjects with running devices
	fleet  *fleet
	posted int64 // by the pairs
	lines  int64 // number of compared pairs of log lines

	mu       sync.RWMutex
	doors    []*proc
	history  []string  // faults so far
	restarts time.Time // until this time agents may restart

	asked, saved, failed, restarted atomic.Int64
	broken                          chan error
	stop                            context.CancelFunc
	work                            sync.WaitGroup
}

func newLoad(l *lab, subjects []*subject, doors []*proc) *load {
	return &load{lab: l, subjects: subjects, doors: doors, broken: make(chan error, 1)}
}

// begin starts callers.
func (d *load) begin(ctx context.Context, callers int) {
	ctx, d.stop = context.WithCancel(ctx)
	for c := range callers {
		d.work.Go(func() {
			random := rand.New(rand.NewPCG(uint64(c), 1))
			for i := c; ctx.Err() == nil; i += callers {
				d.once(ctx, d.subjects[i%len(d.subjects)], random)
			}
		})
	}
}

func (d *load) end() {
	d.stop()
	d.work.Wait()
}

func (d *load) door(random *rand.Rand) *proc {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(d.doors) == 0 {
		return nil
	}
	return d.doors[random.IntN(len(d.doors))]
}

// open and close put nodes into the load balancer and take them out.
func (d *load) open(n *proc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doors = append(d.doors[:len(d.doors):len(d.doors)], n)
}

func (d *load) close(n *proc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var rest []*proc
	for _, x := range d.doors {
		if x != n {
			rest = append(rest, x)
		}
	}
	d.doors = rest
}

func (d *load) did(what string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line := time.Now().Format("15:04:05.000 ") + fmt.Sprintf(what, args...)
	d.history = append(d.history, line)
	fmt.Println(line)
}

func (d *load) once(ctx context.Context, s *subject, random *rand.Rand) {
	method := http.MethodGet
	if random.IntN(4) == 0 {
		method = http.MethodPost
	}
	n := d.door(random)
	if n == nil {
		<-time.After(10 * time.Millisecond)
		return
	}
	before := s.at()
	restarted, broken, err := d.lab.step(ctx, n, s, method)
	switch {
	case ctx.Err() != nil:
	case broken != nil:
		lines, logErr := d.lab.logOf(ctx, n, s)
		d.fail(errors.Join(broken, fmt.Errorf("the log of its device %s:\n%s", s.device, strings.Join(lines, "\n")), logErr))
	case err != nil:
		d.failed.Add(1)
		if !d.faults {
			d.fail(err)
		}
		<-time.After(5 * time.Millisecond)
	default:
		d.asked.Add(1)
		if method == http.MethodPost {
			d.saved.Add(1)
		}
		if restarted {
			d.restarted.Add(1)
			if !d.explained(before) {
				d.fail(fmt.Errorf("agent %s restarted, and no fault explains it", s.id))
			}
		}
	}
}

func (d *load) fail(err error) {
	select {
	case d.broken <- err:
	default: // an earlier failure is kept
	}
}

// failure returns the first violation, with the history of the cluster.
func (d *load) failure() error {
	select {
	case err := <-d.broken:
		return d.withStory(err)
	default:
		return nil
	}
}

// withStory adds the nodes' last log lines, and the faults so far.
func (d *load) withStory(err error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := []error{err}
	list = append(list, d.lab.logs()...)
	for _, line := range d.history[max(0, len(d.history)-20):] {
		list = append(list, errors.New("  "+line))
	}
	return errors.Join(list...)
}

// mayRestart allows agents to restart until a time.
func (d *load) mayRestart(until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.restarts = until
}

// explained reports whether an agent that answered at a time may have restarted since.
func (d *load) explained(since time.Time) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.restarts.After(since)
}

// upgrade restarts each of three nodes under load, one after the other.
func upgrade(ctx context.Context, l *lab, o options) error {
	d, err := threeNodes(ctx, l, o.agents)
	if err != nil {
		return err
	}
	d.begin(ctx, 32)
	defer d.end()
	began := time.Now()
	for _, n := range d.lab.nodes {
		d.did("%s is taken out of the load balancer and stopped", n.Name)
		d.close(n)
		if err := n.Stop(); err != nil {
			return err
		}
		d.did("%s starts again", n.Name)
		if err := l.start(ctx, n, false); err != nil {
			return err
		}
		d.open(n)
		if err := l.settled(ctx, n, 3); err != nil {
			return err
		}
		d.did("%s has its share of the agents", n.Name)
		if err := d.failure(); err != nil {
			return err
		}
	}
	d.end()
	fmt.Printf("upgraded 3 nodes with %d agents in %.1f s: %d requests, %d saves, %d failed, %d restarts\n",
		len(d.subjects), time.Since(began).Seconds(), d.asked.Load(), d.saved.Load(), d.failed.Load(), d.restarted.Load())
	return d.failure()
}

// threeNodes starts three nodes with agents, and waits until all agents have started.
func threeNodes(ctx context.Context, l *lab, agents int) (*load, error) {
	for range 3 {
		if _, err := l.add(ctx, false); err != nil {
			return nil, err
		}
	}
	if err := l.settled(ctx, l.nodes[0], 3); err != nil {
		return nil, err
	}
	subjects, err := l.agents(ctx, l.nodes[0], agents)
	if err != nil {
		return nil, err
	}
	d := newLoad(l, subjects, l.nodes)
	for i, s := range d.subjects {
		if _, _, err := l.step(ctx, l.nodes[i%3], s, http.MethodGet); err != nil {
			return nil, err
		}
	}
	return d, nil
}
