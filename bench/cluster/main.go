// Command cluster measures and tests a cluster of real nodes on loopback, with a real
// PostgreSQL server:
//
//	go run ./cluster -tandem ../bin/tandem            figures
//	go run ./cluster -tandem ../bin/tandem upgrade    a rolling upgrade under load
//	go run ./cluster -tandem ../bin/tandem chaos -for 30m
//
// The figures are a table and, as the last line, the same as one JSON object.
// Chaos kills, pauses, drains and restarts nodes and the database in an order that -seed
// decides, checks every answer against all earlier ones, and ends with a line of counts; a
// failure prints the seed and the history.
//
// It needs PostgreSQL's programs, as in Debian's package postgresql. Everything stays on
// loopback and is limited in time and number, and all started processes are stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	tandem string
	agents int
	length time.Duration
	seed   uint64
	faults string
	net    string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.StringVar(&o.tandem, "tandem", "../bin/tandem", "the tandem binary")
	flags.IntVar(&o.agents, "agents", 3000, "number of agents; a third of them moves")
	flags.DurationVar(&o.length, "for", time.Minute, "length of chaos")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of chaos")
	flags.StringVar(&o.faults, "faults", "", "faults of chaos, separated by commas; by default all that are possible")
	flags.StringVar(&o.net, "net", "auto",
		"on: make each node a host on a network of its own, which can be cut; needs root, Linux, and Debian's "+
			"iproute2; off: not; auto: if it can be")
	if err := flags.Parse(args); err != nil {
		return err
	}
	what := flags.Arg(0)
	if flags.NArg() > 1 {
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
	}
	if o.agents < 1 || o.length <= 0 {
		return errors.New("-agents and -for must be positive")
	}
	l, err := newLab(ctx, o.tandem)
	if err == nil && what == "chaos" {
		err = l.network(o.net)
	}
	if err == nil {
		switch what {
		case "":
			err = measure(ctx, l, o)
		case "upgrade":
			err = upgrade(ctx, l, o)
		case "chaos":
			err = chaos(ctx, l, o)
		default:
			err = fmt.Errorf("there is no command %q: use none, upgrade or chaos", what)
		}
	}
	if l != nil {
		if l.failed = err != nil; l.failed {
			fmt.Fprintln(os.Stderr, "the nodes' directories are kept:", l.dirs())
		}
		err = errors.Join(err, l.close())
	}
	return err
}
