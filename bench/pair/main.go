// Command pair compares Tandem with named peers that do the same work, in one run on one
// machine:
//
//	go run ./pair -tandem ../bin/tandem
//
// It prints a table and, as its last line, the same figures as one JSON object. The peers
// are a plain net/http server, the same with a shared log and group commit, and the
// mosquitto broker between two clients. Every load runs in turn with its peer's, several
// times, and the result is the median run, because the machine may be busy with other
// work; ratios are more reliable than absolute figures.
//
//	go run ./pair -tandem ../bin/tandem agents -for 1m
//
// loads a node with 10,000 pairs instead. Each second each device sends its agent a
// message, the agent saves, and it makes an HTTP request. The rate does not change when
// the node falls behind. At the end the node is killed, and its saved tables are compared
// with the acknowledgements and with the requests that arrived: nothing may be missing.
//
//	go run ./pair -tandem ../bin/tandem flood -n 1
//
// measures a quiet device beside devices that send as fast as they can.
//
// Everything stays on loopback and is limited in time and number, and all started
// processes are stopped.
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

// plan has the sizes of the measurement.
type plan struct {
	tandem   string        // the binary
	agents   int           // number of idle agents
	conns    int           // number of idle device connections
	pairs    int           // number of pairs in the larger loads
	inFlight int           // HTTP requests at a time
	each     time.Duration // length of one run of one load
	rounds   int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pair:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] { // roles of child processes
		case "http-peer":
			return serveHTTP(ctx, os.Stdout)
		case "mqtt-peer":
			var n int
			if _, err := fmt.Sscan(args[2], &n); err != nil {
				return err
			}
			return echoMQTT(ctx, os.Stdout, args[1], n)
		}
	}
	var p plan
	flags := flag.NewFlagSet("pair", flag.ContinueOnError)
	flags.StringVar(&p.tandem, "tandem", "../bin/tandem", "the tandem binary to measure")
	flags.IntVar(&p.agents, "agents", 10_000, "idle agents")
	flags.IntVar(&p.conns, "conns", 10_000, "idle device connections")
	flags.IntVar(&p.pairs, "pairs", 1_000, "pairs in the larger loads")
	flags.IntVar(&p.inFlight, "c", 64, "HTTP requests in flight")
	flags.DurationVar(&p.each, "each", 3*time.Second, "length of one run of one load")
	flags.IntVar(&p.rounds, "rounds", 3, "runs of each load")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if p.agents < p.pairs || p.agents < 1 || p.rounds < 1 {
		return errors.New("-agents must be at least -pairs, and all numbers positive")
	}
	// Two descriptors of this process for each connection, and some more.
	if most := descriptors() - 500; p.conns > most {
		p.conns = most
	}
	var r report
	measure := p.measure
	switch flags.Arg(0) {
	case "agents":
		b, err := newBusy(p, flags.Args()[1:])
		if err != nil {
			return err
		}
		measure = b.measure
	case "flood":
		f, err := newFlood(p, flags.Args()[1:])
		if err != nil {
			return err
		}
		measure = f.measure
	}
	if err := measure(ctx, &r); err != nil {
		return err
	}
	return r.write(os.Stdout)
}

// measure runs all measurements. The order matters: agents are cold only once, and memory
// is measured before loads have increased it.
func (p plan) measure(ctx context.Context, r *report) error {
	dir, err := os.MkdirTemp("", "tandem-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := p.prepare(ctx, dir)
	if err != nil {
		return fmt.Errorf("preparing the data: %w", err)
	}
	if err := f.start(ctx, p.tandem); err != nil {
		return err
	}
	defer f.process.stop()
	for _, step := range []func(context.Context, *fleet, *report) error{
		p.cold, p.idleAgents, p.idleConnections, p.http, p.mqtt,
	} {
		if err := step(ctx, f, r); err != nil {
			return err
		}
	}
	return nil
}
