// Command libraries tests Tandem with the libraries that Electric Imp published, as their
// users would use them: `tandem library add` adds each to a real node, programs require it
// with #require, and a real device runs beside the agent.
//
//	go run ./libraries -tandem ../bin/tandem -libs DIR
//
// There are three kinds of tests. First, an agent, a device or both load each library.
// Then the programs in squirrel/*.nut use libraries, with code on the other side or with a
// local HTTP server in place of the library's service. Last, the libraries' own tests run,
// except those that need an account or hardware. They are written for the vendor's test
// runner; squirrel/case.nut has the parts of it that they use.
//
// The libraries are not part of this repository. DIR must contain each repository of the
// manifest (manifest.go) under its name, at the tag given there; for missing ones the
// command prints how to clone them.
//
// The report lists the failures and their reasons. Failures in the manifest are no fault
// of the node; with any other failure the exit status is 1.
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
	libs := flags.String("libs", "", "directory of the repositories")
	only := flags.String("only", "", "run only programs whose name contains this")
	labs := flags.Int("labs", 6, "number of nodes, with a device each, that share the programs")
	verbose := flags.Bool("v", false, "print the log of every program")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *libs == "" {
		return errors.New("name the directory of the repositories: -libs DIR")
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

// tryAll runs programs in a lab of its own until there are no more.
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

// present returns an error when repositories are missing.
func present(dir string) error {
	var missing []string
	for _, repo := range manifest {
		if _, err := os.Stat(filepath.Join(dir, repo.name)); err != nil {
			missing = append(missing,
				fmt.Sprintf("git clone -q --depth 1 --branch %s https://github.com/electricimp/%s %s", repo.tag,
					repo.name, filepath.Join(dir, repo.name)))
		}
	}
	if missing != nil {
		return fmt.Errorf("repositories are missing; clone them with\n%s", strings.Join(missing, "\n"))
	}
	return nil
}
