// Command powercut checks that acknowledged saves and posts survive a power cut, with
// SQLite and with PostgreSQL, and measures the cost:
//
//	go run ./powercut -tandem ../bin/tandem -rounds 5
//
// Killing a process proves little, because its writes are in the kernel's page cache. Here
// the files are on ext4 on a loop device on a virtual disk, which loses its power: from
// one instant on it acknowledges no flush and keeps no write, and of the writes that were
// not flushed it keeps an arbitrary part. The processes on it are killed and its file
// system is unmounted. Then the disk is mounted again, everything is started on it, and
// each save and each post that an agent had acknowledged before that instant must be
// there.
//
// A control shows that the test can fail: PostgreSQL with fsync=off must lose acknowledged
// saves. The cost is measured on the real disk, in the directory TMPDIR: for SQLite in a
// file system that passes flushes on, and in one that does not; for PostgreSQL with fsync
// on and off.
//
// With -device it cuts the power of a device instead, which is a process that posts numbers and
// keeps some, with a link in half of the rounds: what its agent hears must be in order, without a
// gap, and no less than the device has said to be posted.
//
// It needs root, Linux with FUSE and loop devices, and Debian's packages e2fsprogs, mount
// and postgresql. A round takes a few seconds. -seed decides when power is cut and which
// writes are kept, but not the timing of the processes. The last line is one JSON object.
// All started processes are stopped and all mounts removed, also after a failure and
// SIGINT.
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

	"github.com/tandem-iot/tandem/bench/volume"
)

// report is the last line.
type report struct {
	Seed    uint64 `json:"seed"`
	Rounds  int    `json:"rounds"` // for each store
	Cuts    int    `json:"cuts"`
	Saves   int    `json:"saves"` // acknowledged saves, which must be there after the cut
	Posts   int    `json:"posts"` // likewise; posts of earlier rounds are checked again
	Lost    int    `json:"lost"`  // missing saves and posts
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
	rounds := flags.Int("rounds", 5, "power cuts of each store, and the most of the control")
	device := flags.Bool("device", false, "cut the power of a device instead, in each round")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the power cuts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || flags.NArg() > 0 {
		return errors.New("-rounds must be positive, and no other arguments are allowed")
	}
	if err := volume.Needs(); err != nil {
		return err
	}
	if err := volume.Apart(); err != nil {
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
	if *device {
		if err := deviceCuts(ctx, binary, *rounds, random); err != nil {
			return fmt.Errorf("seed %d: %w", *seed, err)
		}
		return nil
	}
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

// cut runs all rounds of a machine. The disk keeps its content from round to round.
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
		r.Cuts++
		r.Saves += t.Saves
		r.Posts += t.Posts
		r.Lost += t.Lost
		if t.Lost > 0 {
			return fmt.Errorf("%s: %d acknowledged saves or posts are lost", w.name, t.Lost)
		}
	}
	return nil
}

// control runs rounds of new machines that should lose something, until one has. A
// database that is too damaged to read does not count.
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
		c.Cuts++
		c.Saves += t.Saves
		c.Posts += t.Posts
		c.Lost += t.Lost
		if err == nil && t.Lost > 0 {
			fmt.Printf("%s has lost %d acknowledged saves or posts, as the control must\n", w.name, t.Lost)
			return nil
		}
	}
	return fmt.Errorf("the control has lost nothing in %d power cuts, so the test proves nothing", r.Control.Cuts)
}
