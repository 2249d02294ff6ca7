// Command libraries tries Tandem with the libraries that Electric Imp published,
// as their users would: `tandem library add` puts each into a real node,
// programs ask for it with #require, and a real device runs beside the agent.
//
//	go run ./libraries -tandem ../bin/tandem -libs DIR
//
// It does three things with them. Each library is loaded by an agent, a device,
// or both. Then each that is in squirrel/*.nut does its work, against other code
// on the other side or a local HTTP server that stands in for the service that it
// talks to. Last, the libraries' own tests run, those of their repositories
// that need no account of anybody's and no hardware: they are written for the
// vendor's test runner, of which squirrel/case.nut is what they use.
//
// The libraries are other people's and no part of this repository. DIR has
// each repository of the manifest (manifest.go) under its name, at the tag given
// there; what is missing is told, with the command that brings it.
//
// The report says what failed and why. Failures that the manifest knows are no
// fault of the node's; with any other, the exit status is 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "libraries:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("libraries", flag.ContinueOnError)
	tandem := flags.String("tandem", "../bin/tandem", "the tandem binary")
	libs := flags.String("libs", "", "directory with the repositories")
	only := flags.String("only", "", "run only programs whose name has this in it")
	labs := flags.Int("labs", 6, "nodes, with a device each, that share the programs; most of these wait most of the time")
	verbose := flags.Bool("v", false, "print the log of every program")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *libs == "" {
		return errors.New("say where the repositories are: -libs DIR")
	}
	if err := present(*libs); err != nil {
		return err
	}
	programs, err := everything(*libs)
	if err != nil {
		return err
	}
	programs = slices.DeleteFunc(programs, func(p *program) bool { return !strings.Contains(p.name, *only) })
	work := make(chan *program, len(programs))
	for _, p := range programs {
		if p.skipped == "" {
			work <- p
		}
	}
	close(work)
	group, ctx := errgroup.WithContext(ctx)
	for range *labs {
		group.Go(func() error { return tryAll(ctx, *tandem, *libs, *verbose, work) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var r report
	for _, p := range programs {
		r.add(p)
	}
	r.print(os.Stdout)
	return r.err()
}

// tryAll tries programs in a lab of its own until there are no more.
func tryAll(ctx context.Context, tandem, libs string, verbose bool, work <-chan *program) (err error) {
	l, err := newLab(ctx, tandem, verbose)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, repo := range manifest {
		for _, lib := range repo.libraries {
			if err := l.command(ctx, "library", "add", lib.id, filepath.Join(libs, repo.name, lib.file)); err != nil {
				return err
			}
		}
	}
	for p := range work {
		if p.outcomes, err = l.try(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// present tells which repositories are missing.
func present(dir string) error {
	var missing []string
	for _, repo := range manifest {
		if _, err := os.Stat(filepath.Join(dir, repo.name)); err != nil {
			missing = append(missing, fmt.Sprintf("git clone -q --depth 1 --branch %s https://github.com/electricimp/%s %s", repo.tag, repo.name, filepath.Join(dir, repo.name)))
		}
	}
	if missing != nil {
		return fmt.Errorf("repositories are missing; bring them with\n%s", strings.Join(missing, "\n"))
	}
	return nil
}
