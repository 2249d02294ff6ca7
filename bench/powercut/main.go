// Command powercut checks that what a node has acknowledged survives a power cut,
// with SQLite and with PostgreSQL, and measures what that costs:
//
//	go run ./powercut -tandem ../bin/tandem -rounds 5
//
// A killed process proves little: what it has written is in the kernel's page
// cache, and the kernel lives. Here the files are on ext4 on a loop device on a
// virtual disk, whose cache loses its power: from one instant on it acknowledges
// no flush and keeps nothing more, and of what was not flushed it keeps what it
// likes. The machine's processes are killed and its file system is thrown away.
// Then the disk is mounted again, everything starts on it, and each save and each
// post that an agent had acknowledged before that instant must be there.
//
// A control shows that this can fail: PostgreSQL with fsync=off must lose
// acknowledged saves. The cost is measured on the disk of the machine itself, that
// of the directory TMPDIR: for SQLite in a file system that passes flushes on, and
// in one that does not; for PostgreSQL with fsync on and off.
//
// It needs root, Linux with FUSE and loop devices, and Debian's packages
// e2fsprogs, mount and postgresql. A round takes a few seconds. -seed decides
// when power is cut and what is left then, not what the processes do meanwhile.
// The last line is one JSON object. What it starts and mounts it ends and
// unmounts, also after a failure and SIGINT.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// report is the last line.
type report struct {
	Seed    uint64 `json:"seed"`
	Rounds  int    `json:"rounds"` // of each store
	Cuts    int    `json:"cuts"`
	Saves   int    `json:"saves"` // acknowledged, and looked for after the cut
	Posts   int    `json:"posts"` // likewise; those of earlier rounds are looked for again
	Lost    int    `json:"lost"`  // of both
	Control struct {
		Cuts  int `json:"cuts"`
		Saves int `json:"saves"`
		Posts int `json:"posts"`
		Lost  int `json:"lost"`
	} `json:"control"`
	Costs []cost `json:"costs"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "powercut:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("powercut", flag.ContinueOnError)
	tandem := flags.String("tandem", "../bin/tandem", "the tandem binary")
	rounds := flags.Int("rounds", 5, "power cuts of each store, and at most of the control")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "of the moments and of what is left")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || flags.NArg() > 0 {
		return errors.New("-rounds must be positive, and there are no arguments")
	}
	if err := needs(); err != nil {
		return err
	}
	if err := apart(); err != nil {
		return err
	}
	binary, err := filepath.Abs(*tandem)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute+time.Duration(*rounds)*time.Minute)
	defer cancel()
	r := report{Seed: *seed, Rounds: *rounds}
	random := rand.New(rand.NewPCG(*seed, 0))
	fmt.Println("seed", *seed)
	if err := r.all(ctx, binary, random); err != nil {
		return fmt.Errorf("seed %d: %w", *seed, err)
	}
	line, err := json.Marshal(r)
	if err == nil {
		fmt.Println(string(line))
	}
	return err
}

func (r *report) all(ctx context.Context, tandem string, random *rand.Rand) (err error) {
	sqlite := func() (*world, error) { return newSQLite(ctx, tandem, random) }
	postgres := func() (*world, error) { return newPostgres(ctx, tandem, random, true) }
	for _, make := range []func() (*world, error){sqlite, postgres} {
		if err := r.cut(ctx, make); err != nil {
			return err
		}
	}
	if err := r.control(ctx, func() (*world, error) { return newPostgres(ctx, tandem, random, false) }); err != nil {
		return err
	}
	r.Costs, err = costs(ctx, tandem)
	return err
}

// cut has all rounds of a machine. The disk keeps what they leave behind.
func (r *report) cut(ctx context.Context, make func() (*world, error)) (err error) {
	w, err := make()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for range r.Rounds {
		t, err := w.round(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		r.Cuts, r.Saves, r.Posts, r.Lost = r.Cuts+1, r.Saves+t.Saves, r.Posts+t.Posts, r.Lost+t.Lost
		if t.Lost > 0 {
			return fmt.Errorf("%s: %d acknowledged saves or posts are lost", w.name, t.Lost)
		}
	}
	return nil
}

// control has rounds of machines that are to lose something, each a new one,
// until one has. A database that is too broken to tell does not count.
func (r *report) control(ctx context.Context, make func() (*world, error)) error {
	for range r.Rounds {
		w, err := make()
		if err != nil {
			return err
		}
		t, err := w.round(ctx)
		if err != nil && ctx.Err() == nil {
			fmt.Printf("%s: cannot tell what is lost: %v\n", w.name, err)
		}
		if err := errors.Join(ctx.Err(), w.close()); err != nil {
			return err
		}
		c := &r.Control
		c.Cuts, c.Saves, c.Posts, c.Lost = c.Cuts+1, c.Saves+t.Saves, c.Posts+t.Posts, c.Lost+t.Lost
		if err == nil && t.Lost > 0 {
			fmt.Printf("%s has lost %d acknowledged saves or posts, as the control must\n", w.name, t.Lost)
			return nil
		}
	}
	return fmt.Errorf("the control has lost nothing in %d power cuts: this test shows nothing", r.Control.Cuts)
}
