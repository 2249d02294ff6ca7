package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store"

	"github.com/tandem-iot/tandem/bench/client"
)

// busyCode saves for each message before it is acknowledged, and makes a request each
// interval between the messages begin and stop.
const busyCode = `
t <- { heard = 0, asked = 0, answered = 0, unsaved = 0 };
every <- 0;
function call() {
    if (every == 0) return;
    imp.wakeup(every, call);
    t.asked++;
    http.get(SERVER).sendasync(function(r) {
        if (r.statuscode == 200) t.answered++; else server.error(r.statuscode + " " + r.body);
    });
}
function save() { if (server.save(t) != 0) t.unsaved++; }
device.on("begin", function(x) { every = x[0]; imp.wakeup(x[1], call); save(); });
device.on("tick", function(x) { t.heard++; save(); });
device.on("stop", function(x) { every = 0; });
device.on("report", function(x) { save(); });
`

// busy is a load on all agents at once.
type busy struct {
	plan
	length   time.Duration
	rate     float64 // of each agent, of each of the three kinds, per second
	postgres bool
}

func newBusy(p plan, args []string) (*busy, error) {
	b := &busy{plan: p}
	flags := flag.NewFlagSet("pair agents", flag.ContinueOnError)
	flags.IntVar(&b.agents, "n", p.agents, "number of agents, each with its device")
	flags.DurationVar(&b.length, "for", time.Minute, "length of the load")
	flags.Float64Var(&b.rate, "rate", 1, "messages, saves and requests of each agent per second; at most 2")
	flags.BoolVar(&b.postgres, "postgres", false, "start and use a PostgreSQL server instead of SQLite")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if b.rate <= 0 || b.rate > 2 || b.agents < 1 || b.length < time.Second {
		return nil, fmt.Errorf("-rate must be above 0 and at most 2, -n at least 1, -for at least 1s")
	}
	if most := descriptors() - 1000; b.agents > most {
		return nil, fmt.Errorf("%d agents need as many file descriptors, and the limit is %d", b.agents, most)
	}
	return b, nil
}

func (b *busy) measure(ctx context.Context, r *report) (err error) {
	dir, err := os.MkdirTemp("", "tandem-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	open := func() (*store.Store, error) { return store.Open(ctx, filepath.Join(dir, "tandem.db")) }
	args := []string{"--egress", "127.0.0.0/8"}
	if b.postgres {
		// A directory of its own, because PostgreSQL does not run as root and could not
		// reach one inside root's.
		home, err := pgtest.MakeDir()
		if err != nil {
			return err
		}
		defer os.RemoveAll(home)
		pg, err := pgtest.StartServer(home, 0)
		if err != nil {
			return err
		}
		defer pg.Quit()
		url, err := pg.Create(ctx)
		if err != nil {
			return err
		}
		open = func() (*store.Store, error) { return store.OpenPostgres(ctx, url) }
		args = append(args, "--database", url, "--cluster", "127.0.0.1:0")
	}
	t, err := newTarget()
	if err != nil {
		return err
	}
	defer t.close()
	s, err := open()
	if err != nil {
		return err
	}
	f, err := populate(ctx, s, dir, fmt.Sprintf("const SERVER = %q;\n%s", t.url(), busyCode), b.agents)
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("preparing the data: %w", err)
	}
	if err := f.start(ctx, b.tandem, args...); err != nil {
		return err
	}
	d, err := b.load(ctx, f, t, r)
	f.process.kill() // a save is on disk, or it does not count
	if err != nil {
		return err
	}
	if s, err = open(); err != nil {
		return err
	}
	defer s.Close()
	return b.check(ctx, s, f, t, d, r)
}

// totals are the sums of the agents' counters.
type totals struct {
	Heard, Asked, Answered, Unsaved int64
}

// check compares the saved tables with the counts of the devices and the server.
func (b *busy) check(ctx context.Context, s *store.Store, f *fleet, t *target, d *drivers, r *report) error {
	var sum totals
	for _, dev := range f.devices {
		rec, err := s.Record(ctx, dev.Agent)
		if err != nil {
			return err
		}
		if rec.Saved == nil {
			return fmt.Errorf("agent %s has saved nothing", dev.Agent)
		}
		text, err := codec.TranscodeJSON(rec.Saved)
		if err != nil {
			return err
		}
		var one totals
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		sum.Heard += one.Heard
		sum.Asked += one.Asked
		sum.Answered += one.Answered
		sum.Unsaved += one.Unsaved
	}
	sent := d.sent.Load()
	acked := d.acked.Load()
	seen := t.calls.Load()
	r.add(
		row{name: "messages_sent", what: "messages sent by devices", value: float64(sent)},
		row{name: "messages_acknowledged", what: "… acknowledged", value: float64(acked)},
		row{name: "messages_saved", what: "… in the tables saved, after the node was killed", value: float64(sum.Heard)},
		row{name: "requests_made", what: "requests made by agents", value: float64(sum.Asked)},
		row{name: "requests_seen", what: "… seen by the server", value: float64(seen)},
		row{name: "requests_answered", what: "… whose answer came back to the agent", value: float64(sum.Answered)},
		row{name: "saves_failed", what: "saves that failed", value: float64(sum.Unsaved)},
		row{name: "messages_lost", what: "messages lost", value: float64(sent - sum.Heard)},
		row{name: "requests_lost", what: "requests lost", value: float64(sum.Asked - sum.Answered)},
	)
	if sent != acked || acked != sum.Heard || sum.Asked != seen || seen != sum.Answered || sum.Unsaved != 0 {
		r.note("NOT EXACT: sent, acknowledged and saved must be equal, and made, seen and answered")
	}
	return nil
}

// load connects the devices, runs the load, and makes the agents report.
func (b *busy) load(ctx context.Context, f *fleet, t *target, r *report) (*drivers, error) {
	began := time.Now()
	target := f.mqtt("devices", b.agents)
	conns, err := target.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer hangUp(conns)
	r.add(row{
		name:  "connect_s",
		what:  fmt.Sprintf("until %d devices were connected", b.agents),
		unit:  "s",
		value: time.Since(began).Seconds(),
	})
	d := newDrivers(conns)
	defer d.stop()
	interval := time.Duration(float64(time.Second) / b.rate)
	begin := func(i int) []byte {
		return fmt.Appendf(nil, "[%.3f, %.4f]", interval.Seconds(), interval.Seconds()*float64(i)/float64(b.agents))
	}
	began = time.Now()
	if err := d.all(ctx, "agent/begin", begin); err != nil {
		return nil, err
	}
	r.add(row{
		name:  "boot_s",
		what:  "until their agents had started and saved",
		unit:  "s",
		value: time.Since(began).Seconds(),
	})
	d.sent.Store(0)
	d.acked.Store(0)
	if err := b.steady(ctx, f, t, d, interval, r); err != nil {
		return nil, err
	}
	none := func(int) []byte { return []byte("0") }
	sent, acked := d.sent.Load(), d.acked.Load()
	if err := d.all(ctx, "agent/stop", none); err != nil {
		return nil, err
	}
	// Requests under way are answered before the agents report.
	for last := int64(-1); t.calls.Load() != last; {
		last = t.calls.Load()
		if err := client.Pause(ctx, 2*time.Second); err != nil {
			return nil, err
		}
	}
	if err := d.all(ctx, "agent/report", none); err != nil {
		return nil, err
	}
	d.sent.Store(sent)
	d.acked.Store(acked)
	return d, d.err()
}

// steady is the load itself. Every ten seconds it notes the node's figures.
func (b *busy) steady(ctx context.Context, f *fleet, t *target, d *drivers, interval time.Duration, r *report) error {
	var held atomic.Int64
	d.sampling.Store(true)
	calls := t.calls.Load()
	cpu := f.process.cpu()
	began := time.Now()
	paced := make(chan error, 1)
	go func() { paced <- d.pace(ctx, interval, b.length, &held) }()
	every := max(b.length/6, time.Second)
	lastCPU := cpu
	lastAcked := int64(0)
	lastCalls := calls
	lastAt := began
	for next := began.Add(every); ; next = next.Add(every) {
		var err error
		running := true
		select {
		case err = <-paced:
			running = false
		case <-time.After(time.Until(next)):
		}
		now := time.Now()
		used := f.process.cpu()
		acked := d.acked.Load()
		seen := t.calls.Load()
		size, _ := f.process.status("VmRSS")
		s := now.Sub(lastAt).Seconds()
		if s > every.Seconds()/2 {
			r.note("at %2.0f s: memory %4.0f MiB, processor %.2f cores, %.0f messages/s acknowledged, %.0f requests/s",
				now.Sub(began).Seconds(),
				size/(1<<20), (used-lastCPU).Seconds()/s, float64(acked-lastAcked)/s, float64(seen-lastCalls)/s)
		}
		lastCPU = used
		lastAcked = acked
		lastCalls = seen
		lastAt = now
		if running {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	d.sampling.Store(false)
	elapsed := time.Since(began)
	acked := d.acked.Load()
	seen := t.calls.Load() - calls
	used := f.process.cpu() - cpu
	if err := d.settle(ctx); err != nil {
		return err
	}
	took := client.NewSample(elapsed, d.latencies()...)
	took.CPU = used
	seconds, nominal := elapsed.Seconds(), float64(b.agents)*b.rate
	r.add(
		row{name: "asked_per_s", what: "nominal messages, saves and requests, each", unit: "/s", value: nominal},
		row{name: "messages_per_s", what: "messages handled and saved", unit: "/s", value: float64(acked) / seconds},
		row{name: "requests_per_s", what: "requests that reached the server", unit: "/s", value: float64(seen) / seconds},
		row{name: "held_back", what: "messages held back: 8 were unacknowledged", value: float64(held.Load())},
		row{name: "ack_p50_ms", what: "message sent to saved and acknowledged, p50", unit: "ms", value: took.MS(50)},
		row{name: "ack_p99_ms", what: "… p99", unit: "ms", value: took.MS(99)},
		row{name: "cpu_cores", what: "the node's processor time", unit: "cores", value: took.CPU.Seconds() / seconds},
		row{name: "cpu_each_us", what: "… for a message, its save, and a request", unit: "µs", value: took.CPUEach()},
	)
	return nil
}
