package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
)

// trial is one run of attacks on a site.
type trial struct {
	options
	*site
	users   []*quiet
	watched *watch // the quiet pair
	rows    []*running
}

// running is an attack on a site.
type running struct {
	attack
	culprit pair
	watched *watch
	target  target
	process *attacker
	notedAt []int64 // how long the nodes' logs were when the attack began
	verdict verdict
}

const (
	patience = 5 * time.Second  // for the restart of a culprit
	longest  = 30 * time.Second // until the restart is given up
	naming   = 15 * time.Second // after the attack's phase, for a log to name the culprit
	slowest  = 3 * time.Minute  // instead of these, where times do not count
)

// limit is how long the trial waits for something that takes so long at most.
func (o options) limit(d time.Duration) time.Duration {
	if o.short {
		return slowest
	}
	return d
}

// attempt makes attacks at the same time on a site.
func attempt(ctx context.Context, o options, s *site, rows []attack) (list []verdict, err error) {
	t := &trial{options: o, site: s, users: []*quiet{s.quietAgent(), s.quietDevice(), s.quietUser()}}
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	if t.watched, err = s.follow(running, s.quiet); err != nil {
		return nil, err
	}
	for _, a := range rows {
		r, err := t.prepare(running, a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		t.rows = append(t.rows, r)
	}
	for _, q := range t.users {
		wg.Go(func() { q.run(running) })
	}
	if err := t.quietPhase(ctx); err != nil {
		return nil, err
	}
	t.attackPhase(ctx)
	t.calm(ctx)
	stop()
	for _, r := range t.rows {
		r.verdict.judge(o, r.attack)
		list = append(list, r.verdict)
	}
	return list, ctx.Err()
}

// prepare makes the culprit's pair, which does no harm yet.
func (t *trial) prepare(ctx context.Context, a attack) (r *running, err error) {
	r = &running{attack: a, verdict: verdict{Name: a.name, Kind: a.kind, On: a.on}}
	if r.culprit, err = t.pair(ctx, a.name, harmlessCode); err != nil {
		return nil, err
	}
	for range a.agents - 1 {
		if _, err := t.device(ctx, r.culprit.Group, a.name); err != nil {
			return nil, err
		}
	}
	if r.watched, err = t.follow(ctx, r.culprit); err != nil {
		return nil, err
	}
	r.noted = strings.ReplaceAll(a.noted, "{{ID}}", r.culprit.ID)
	serve, err := node.FreeAddr()
	if err != nil {
		return nil, err
	}
	r.target = target{
		addresses: t.at().addr, Secure: t.kind == secure, Culprit: r.culprit, Serve: serve, Key: t.key,
		Database: t.db, Tandem: t.tandem, Dir: t.dir,
	}
	if t.kind == clustered {
		r.target.Peer = t.nodes[1].addr
	}
	return r, nil
}

// quietPhase measures the quiet users without an attack. They have worked a little before,
// because first requests are slow.
func (t *trial) quietPhase(ctx context.Context) error {
	length := t.each
	if t.short {
		length = 200 * time.Millisecond
	}
	if err := client.Pause(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	for _, q := range t.users {
		q.take()
	}
	if err := client.Pause(ctx, length); err != nil {
		return err
	}
	t.awaitServed(ctx)
	for i, q := range t.users {
		s, failures, errs := q.take()
		if failures > 0 || len(s.Took) == 0 {
			return fmt.Errorf("the quiet %s fails without an attack: %d failures %q", q.name, failures, errs)
		}
		for _, r := range t.rows {
			r.verdict.Users[i] = figures{Name: q.name, Quiet: s.MS(99)}
		}
	}
	return nil
}

// attackPhase makes the attacks, restarts the culprits, and gathers what happened.
func (t *trial) attackPhase(ctx context.Context) {
	before, err := t.metrics(ctx, t.at())
	for _, r := range t.rows {
		for _, m := range t.nodes {
			at := int64(len(m.noted(0)))
			if t.short {
				at = 0 // a node writes such a line once a minute, which may have been for a batch before
			}
			r.notedAt = append(r.notedAt, at)
		}
		r.verdict.trouble(err)
		r.verdict.trouble(t.begin(ctx, r))
	}
	memory := newGauge(t.nodes)
	began, used := time.Now(), t.cpu()
	client.Pause(ctx, t.each) // ignore the error: the caller looks at ctx
	t.awaitServed(ctx)
	t.awaitNames(ctx)
	var wg sync.WaitGroup
	for _, r := range t.rows {
		wg.Go(func() { r.verdict.Restart = t.operate(ctx, r) })
	}
	wg.Wait()
	cores := (t.cpu() - used).Seconds() / time.Since(began).Seconds()
	after, err := t.metrics(ctx, t.at())
	var acts []acted
	for _, r := range t.rows {
		if r.process != nil {
			acts = append(acts, acted{r, r.process.stop()})
		}
	}
	for _, a := range acts {
		a.r.verdict.Attacker = a.used
	}
	peak := memory.stop()
	for i, q := range t.users {
		s, failures, errs := q.take()
		for _, r := range t.rows {
			u := &r.verdict.Users[i]
			u.Attacked = s.MS(99)
			u.Served = len(s.Took)
			u.Failures = failures
			u.Errors = errs
		}
	}
	for _, r := range t.rows {
		v := &r.verdict
		v.trouble(err)
		v.Memory = peak
		v.Cores = cores
		v.Heap = int(after["go_memstats_heap_inuse_bytes"]) >> 20
		v.Limits = limits(before, after)
		t.look(r)
	}
}

// acted is what the attacker of a row did.
type acted struct {
	r *running
	used
}

// calm makes the culprits harmless, where the site is used again.
func (t *trial) calm(ctx context.Context) {
	for _, r := range t.rows {
		if t.short && r.code != "" {
			r.verdict.trouble(t.run(ctx, r, harmlessCode))
		}
	}
}

// cpu is the processor time that the nodes have used.
func (t *trial) cpu() (sum time.Duration) {
	for _, m := range t.nodes {
		sum += m.CPU()
	}
	return sum
}

// begin begins an attack.
func (t *trial) begin(ctx context.Context, r *running) (err error) {
	if r.load != nil {
		if r.process, err = launch(r.attack, &r.target); err != nil {
			return err
		}
	}
	if r.code == "" {
		return nil
	}
	return t.run(ctx, r, r.source(&r.target))
}

// run makes the culprit run a program.
func (t *trial) run(ctx context.Context, r *running, code string) error {
	if err := t.deploy(ctx, r.culprit, code); err != nil {
		return err
	}
	return t.api.Call(ctx, t.web(), "POST", "/devicegroups/"+r.culprit.Group+"/restart", "", nil)
}

// operate restarts the culprit by the API, and returns how long it took until its next
// incarnation began; 0 means that it has not within longest. One that waits after a crash begins for
// the reason of the crash.
func (t *trial) operate(ctx context.Context, r *running) time.Duration {
	const restarted = "^status Agent (re)?started"
	already := len(r.watched.matching(restarted))
	began := time.Now()
	if err := t.restart(ctx, r.culprit); err != nil {
		r.verdict.trouble(fmt.Errorf("the operator's restart: %w", err))
		return 0
	}
	end := time.After(t.limit(longest))
	for {
		if len(r.watched.matching(restarted)) > already {
			return time.Since(began)
		}
		select {
		case <-r.watched.more:
		case <-end:
			return 0
		case <-ctx.Done():
			return 0
		}
	}
}

// awaitServed waits until each of the users has been served or has failed, where times do not
// count: a machine that is slow may not have come to it yet.
func (t *trial) awaitServed(ctx context.Context) {
	deadline := time.Now().Add(slowest)
	for _, q := range t.users {
		for t.short && !q.busy() && time.Now().Before(deadline) && ctx.Err() == nil {
			client.Pause(ctx, 50*time.Millisecond) // ignore the error, as above
		}
	}
}

// awaitNames waits until a log names each culprit, at most as long as the log may take.
func (t *trial) awaitNames(ctx context.Context) {
	deadline := time.Now().Add(t.limit(naming))
	for _, r := range t.rows {
		for !r.harmless && time.Now().Before(deadline) && ctx.Err() == nil {
			if line, _ := t.named(r); line != "" {
				break
			}
			client.Pause(ctx, 50*time.Millisecond) // ignore the error, as above
		}
	}
}

// named finds the line of a log that names the culprit.
func (t *trial) named(r *running) (line, by string) {
	if r.said != "" {
		if lines := r.watched.matching(r.said); len(lines) > 0 {
			return first(lines[0]), "its log"
		}
	}
	if r.noted == "" {
		return "", ""
	}
	re := regexp.MustCompile(r.noted)
	for i, m := range t.nodes {
		for line := range strings.Lines(m.noted(r.notedAt[i])) {
			if re.MatchString(line) {
				return first(line), "the node's log"
			}
		}
	}
	return "", ""
}

// first is the beginning of a line.
func first(line string) string {
	line = strings.TrimSpace(strings.ReplaceAll(line, "\n", " "))
	return line[:min(len(line), 200)]
}

// look finds what the logs say of an attack, and whether anything else restarted.
func (t *trial) look(r *running) {
	v := &r.verdict
	v.Named, v.NamedBy = t.named(r)
	for _, m := range t.nodes {
		if !m.Runs() {
			v.Ended = append(v.Ended, m.Name)
			v.trouble(fmt.Errorf("the end of its log: %s", m.Tail()))
		}
	}
	if v.Named == "" || v.Restart == 0 {
		all := r.watched.matching("")
		v.Said = all[max(0, len(all)-10):]
	}
	v.Restarts = len(r.watched.matching("^status Agent (restarted|stopped)"))
	v.Innocent = t.watched.matching("^status (Agent (restarted|stopped)|Device disconnected)|^agent.error")
}

// gauge samples the memory of nodes.
type gauge struct {
	end  chan struct{}
	peak chan int
}

func newGauge(nodes []*member) *gauge {
	g := &gauge{end: make(chan struct{}), peak: make(chan int)}
	go func() {
		peak := 0
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, m := range nodes {
				peak = max(peak, m.anonymous())
			}
			select {
			case <-tick.C:
			case <-g.end:
				g.peak <- peak
				return
			}
		}
	}()
	return g
}

// stop returns the largest memory of a node since newGauge.
func (g *gauge) stop() int {
	close(g.end)
	return <-g.peak
}

// limits returns the limits that were met between two readings of the metrics.
func limits(before, after map[string]float64) map[string]int {
	met := map[string]int{}
	for name, value := range after {
		label, ok := strings.CutPrefix(name, `tandem_over_limit_total{limit="`)
		if n := value - before[name]; ok && n > 0 {
			met[strings.TrimSuffix(label, `"}`)] = int(n)
		}
	}
	return met
}
