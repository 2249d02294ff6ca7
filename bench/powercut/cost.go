package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/bench/volume"
	"github.com/tandem-iot/tandem/internal/child"
	"github.com/tandem-iot/tandem/internal/pgtest"
)

// Saves are counted in turns, with flushes and without, so that other work of the machine
// affects both alike.
const (
	turns = 8
	crowd = 500 * time.Millisecond // length of a turn with all callers
	alone = 300 * time.Millisecond // length of a turn with one caller
)

const imageSize = 128 << 20 // bytes of the file that SQLite's cost is measured in

// cost is the cost of a save on this machine's disk.
type cost struct {
	Store   string  `json:"store"`
	Durable bool    `json:"durable"`     // flushes are real
	Rate    int     `json:"saves_per_s"` // with all callers
	P50     float64 `json:"p50_ms"`      // with one
	P99     float64 `json:"p99_ms"`
}

// rig is a node whose saves are counted.
type rig struct {
	base string // the directory of its files
	volume.Mount
	pg   *pgtest.Server
	load *load

	saves int
	spent time.Duration
	times []time.Duration // of single saves
}

// costs measures both stores with and without flushes.
func costs(ctx context.Context, tandem string) (list []cost, err error) {
	for _, store := range []string{"SQLite", "PostgreSQL"} {
		with, without, err := compare(ctx, tandem, store)
		if err != nil {
			return nil, fmt.Errorf("the cost of %s: %w", store, err)
		}
		fmt.Printf(
			"%s: durability costs %.2f ms of a save (p50 %.2f ms with, %.2f without; p99 %.2f and %.2f), and %.0f %% "+
				"of the saves a second of %d callers (%d with, %d without)\n",
			store, with.P50-without.P50, with.P50, without.P50, with.P99, without.P99,
			100*(1-float64(with.Rate)/float64(without.Rate)), agents*savers, with.Rate, without.Rate)
		list = append(list, with, without)
	}
	return list, nil
}

// compare measures a store with flushes and without.
func compare(ctx context.Context, tandem, store string) (with, without cost, err error) {
	var rigs []*rig
	for _, durable := range []bool{true, false} {
		base, err := pgtest.MakeDir()
		if err != nil {
			return with, without, err
		}
		r := &rig{base: base, Mount: volume.Mount{Dir: filepath.Join(base, "files")}}
		defer func() { err = errors.Join(err, r.close()) }()
		if err := r.start(ctx, tandem, store, durable); err != nil {
			return with, without, err
		}
		rigs = append(rigs, r)
	}
	for range turns {
		for _, r := range rigs {
			if err := r.turn(ctx); err != nil {
				return with, without, fmt.Errorf("%w; the node runs: %v; its log:\n%s", err, r.load.node.Runs(), r.load.node.Tail())
			}
		}
	}
	with, without = rigs[0].cost(), rigs[1].cost()
	with.Store = store
	without.Store = store
	with.Durable = true
	return with, without, nil
}

// start starts the node, on a file system of its own for SQLite, which passes
// flushes on or not.
func (r *rig) start(ctx context.Context, tandem, store string, durable bool) error {
	// PostgreSQL does not run as root.
	err := errors.Join(os.Chmod(r.base, 0o755), os.Mkdir(r.Dir, 0o755))
	url := ""
	switch {
	case err != nil:
		return err
	case store == "PostgreSQL":
		r.pg, url, err = startPostgres(ctx, filepath.Join(r.base, "postgres"), durable)
	default:
		// Write the whole file, so that a flush of it only flushes the disk, without a
		// change of the file system that contains it.
		image, options := filepath.Join(r.base, "image"), "noatime,barrier=0"
		if durable {
			options = "noatime,barrier=1"
		}
		if err = os.WriteFile(image, make([]byte, imageSize), 0o600); err == nil {
			_, err = child.Output(ctx, "sync", image)
		}
		if err == nil {
			err = r.Attach(ctx, image, true, options)
		}
	}
	if err != nil {
		return err
	}
	n, err := node.NewMachine(tandem, filepath.Join(r.Dir, "node"), filepath.Join(r.base, "log"), url)
	if err != nil {
		return err
	}
	r.load = newLoad(n, nil)
	if err := n.Up(ctx); err != nil {
		return err
	}
	ids, err := deploy(ctx, n, r.base)
	if err != nil {
		return err
	}
	r.load = newLoad(n, ids)
	_, err = r.load.check(ctx) // wait until the agents run
	return err
}

// turn counts saves for a while.
func (r *rig) turn(ctx context.Context) error {
	limited, stop := context.WithTimeout(ctx, crowd)
	defer stop()
	began := time.Now()
	if err := errors.Join(r.load.run(limited, false), ctx.Err()); err != nil {
		return err
	}
	r.spent += time.Since(began)
	for _, s := range r.load.subjects {
		r.saves += s.acked
		s.acked = 0
	}
	for began, i := time.Now(), 0; time.Since(began) < alone; i++ {
		at := time.Now()
		if err := r.load.save(ctx, r.load.subjects[i%agents]); err != nil {
			return err
		}
		r.times = append(r.times, time.Since(at))
		r.load.subjects[i%agents].acked = 0 // not part of the rate
	}
	return nil
}

func (r *rig) cost() cost {
	slices.Sort(r.times)
	at := func(percent int) float64 { return float64(r.times[len(r.times)*percent/100].Microseconds()) / 1000 }
	return cost{Rate: int(float64(r.saves) / r.spent.Seconds()), P50: at(50), P99: at(99)}
}

func (r *rig) close() error {
	if r.load != nil {
		r.load.node.Kill()
	}
	var err error
	if r.pg != nil {
		err = r.pg.Stop(false)
	}
	return errors.Join(err, r.Detach(), os.RemoveAll(r.base))
}
