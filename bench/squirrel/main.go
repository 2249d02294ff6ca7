// Command squirrel compares the language with others: the same small programs in Squirrel
// on Tandem, and in Lua and JavaScript on named peers.
//
//	go run ./squirrel -tandem ../bin/tandem
//
// The peers are PUC Lua (the lua5.4 in the path), and gopher-lua and goja, which are built
// from the module in peers, so that Tandem's own module does not depend on them. Every
// program runs on Tandem and on a peer in turn, several times. The figure is the CPU time
// of the whole process. The ratio is computed for each pair of runs, and the table shows
// the median with the least and the greatest, because the machine may be busy with other
// work. Below 1 Tandem is faster. All peers must print the same output.
//
// It prints a table and, as its last line, the same figures as one JSON object.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "squirrel:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("squirrel", flag.ContinueOnError)
	tandem := flags.String("tandem", "../bin/tandem", "the tandem binary to measure")
	dir := flags.String("dir", "squirrel", "directory of the programs and peers")
	pairs := flags.Int("pairs", 5, "runs of each program on each peer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *pairs < 1 {
		return errors.New("-pairs must be at least 1")
	}
	programs, err := filepath.Glob(filepath.Join(*dir, "programs", "*.nut"))
	if err != nil {
		return err
	}
	if len(programs) == 0 {
		return fmt.Errorf("no programs in %s: run this in the directory bench, or give -dir", *dir)
	}
	bin, err := os.MkdirTemp("", "bench-squirrel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	peers, notes, err := findPeers(ctx, *dir, bin)
	if err != nil {
		return err
	}
	r := report{notes: notes, pairs: *pairs}
	us := engine{name: "tandem", command: []string{*tandem, "run"}, ext: ".nut"}
	for _, program := range programs {
		base := strings.TrimSuffix(program, ".nut")
		for _, peer := range peers {
			figure, err := measure(ctx, us, peer, base, *pairs)
			if err != nil {
				return err
			}
			r.add(filepath.Base(base), peer.name, figure)
		}
	}
	return r.write(os.Stdout)
}

// engine runs programs of one language.
type engine struct {
	name    string
	command []string // the file is the last argument
	ext     string   // of its programs
}

// findPeers builds the peers in Go and looks for installed ones.
func findPeers(ctx context.Context, dir, bin string) (peers []engine, notes []string, err error) {
	if lua, err := exec.LookPath("lua5.4"); err == nil {
		peers = append(peers, engine{"lua5.4", []string{lua}, ".lua"})
	} else {
		notes = append(notes, "lua5.4 is not installed")
	}
	for _, peer := range []engine{{name: "gopherlua", ext: ".lua"}, {name: "goja", ext: ".js"}} {
		peer.command = []string{filepath.Join(bin, peer.name)}
		build := exec.CommandContext(ctx, "go", "build", "-o", peer.command[0], "./"+peer.name)
		build.Dir = filepath.Join(dir, "peers")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, nil, fmt.Errorf("building %s: %w\n%s", peer.name, err, out)
		}
		peers = append(peers, peer)
	}
	return peers, notes, nil
}

// figure is the result of a program with a peer.
type figure struct {
	tandem, peer     time.Duration // medians of the CPU times
	ratio, low, high float64
}

// measure runs a program on Tandem and a peer in turn.
func measure(ctx context.Context, us, peer engine, base string, pairs int) (figure, error) {
	var ours, theirs []time.Duration
	var ratios []float64
	for range pairs {
		a, said, err := us.run(ctx, base)
		if err != nil {
			return figure{}, err
		}
		b, answer, err := peer.run(ctx, base)
		if err != nil {
			return figure{}, err
		}
		if said != answer {
			return figure{}, fmt.Errorf("%s: %s prints %q, tandem %q", base, peer.name, answer, said)
		}
		ours = append(ours, a)
		theirs = append(theirs, b)
		ratios = append(ratios, a.Seconds()/b.Seconds())
	}
	return figure{median(ours), median(theirs), median(ratios), slices.Min(ratios), slices.Max(ratios)}, nil
}

// run returns the CPU time of a whole process, and what it printed.
func (e engine) run(ctx context.Context, base string) (time.Duration, string, error) {
	cmd := exec.CommandContext(ctx, e.command[0], append(e.command[1:], base+e.ext)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, "", fmt.Errorf("%s on %s: %w", base, e.name, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), strings.TrimSpace(string(out)), nil
}

// median returns the upper median, and changes the order of list.
func median[T time.Duration | float64](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}
