// Mutate measures which faults the tests of a package notice: it makes one small
// change of the code at a time, runs the tests against it, and prints the changes
// that no test has noticed.
//
//	go run ./internal/mutate -pkg ./squirrel -n 40 -seed 1 -test ./squirrel/...
//
// The changed file is given to the go command as an overlay, so the source tree is
// never changed and several trees can be measured at the same time. One test process
// runs at a time, with limits of time, memory and processors. The same seed picks the
// same changes of the same source.
//
// The file ignore.txt lists changes that tests need not notice, each with the reason;
// see readIgnored.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the values of the flags.
type options struct {
	packages string        // patterns, separated by spaces
	tests    string        // more packages to test, the same way
	count    int           // mutations of each package that compile
	seed     uint64        // selects the mutations
	at       string        // only mutations at this place
	retry    string        // only the survivors in this former output
	timeout  time.Duration // of one test process
	procs    int           // GOMAXPROCS of a test process
	ignore   string        // name of the ignore list
	list     bool          // print the mutations and do not try them
}

func main() {
	var o options
	flag.StringVar(&o.packages, "pkg", "", "packages to mutate, as patterns separated by spaces")
	flag.StringVar(&o.tests, "test", "", "packages to test after the mutated one, the same way")
	flag.IntVar(&o.count, "n", 40, "mutations to try in each package")
	flag.Uint64Var(&o.seed, "seed", 1, "selects the mutations: the same seed selects the same ones")
	flag.StringVar(&o.at, "at", "", "try every mutation at a place instead: file.go or file.go:line")
	flag.StringVar(&o.retry, "retry", "", "try only the survivors that a former run has printed into this file")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "of the tests of one package; a timeout counts as noticed")
	flag.IntVar(&o.procs, "procs", 1, "processors that a test process may use")
	flag.StringVar(&o.ignore, "ignore", "internal/mutate/ignore.txt", "mutations that tests need not notice, with reasons")
	flag.BoolVar(&o.list, "list", false, "print the mutations and do not try them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// run measures every package of o and prints a table of the results.
func run(ctx context.Context, out io.Writer, o options) error {
	if o.packages == "" {
		return fmt.Errorf("no package to mutate; name it with -pkg, for example -pkg ./squirrel")
	}
	pkgs, err := load(ctx, strings.Fields(o.packages))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(o.ignore)
	if err != nil {
		return fmt.Errorf("read the ignore list: %w", err)
	}
	list, err := readIgnored(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.ignore, err)
	}
	var tests []string
	if o.tests != "" {
		found, err := load(ctx, strings.Fields(o.tests))
		if err != nil {
			return err
		}
		for _, p := range found {
			tests = append(tests, p.Dir)
		}
	}
	r, err := newRunner(o)
	if err != nil {
		return err
	}
	defer r.close()
	var rows []tally
	for _, p := range pkgs {
		row, err := measure(ctx, out, r, p, list, tests)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if !o.list {
		printTable(out, rows)
	}
	return nil
}

// measure tries the mutations of one package.
func measure(ctx context.Context, out io.Writer, r *runner, p pkg, list []ignored, tests []string) (tally, error) {
	o, row := r.options, tally{name: p.Name()}
	all, err := p.mutations()
	if err != nil {
		return row, err
	}
	all, row.ignored = without(all, list)
	picked := pick(all, o.seed)
	limit := o.count
	if o.at != "" {
		picked, limit = atPlace(all, o.at), len(all)
	}
	if o.retry != "" {
		output, err := os.ReadFile(o.retry)
		if err != nil {
			return row, err
		}
		picked, limit = survivors(all, string(output)), len(all)
	}
	if o.list {
		for _, m := range picked[:min(limit, len(picked))] {
			fmt.Fprintf(out, "%s\n", m)
		}
		return row, nil
	}
	dirs := []string{p.Dir}
	for _, dir := range tests {
		if dir != p.Dir {
			dirs = append(dirs, dir)
		}
	}
	if len(picked) == 0 {
		return row, nil
	}
	for _, dir := range dirs {
		if v, output, err := r.test(ctx, dir, nil); err != nil || v != survived {
			return row, cmp.Or(err, fmt.Errorf("the tests of %s fail without a mutation:\n%s", dir, output))
		}
	}
	for _, m := range picked {
		if row.tried() >= limit {
			break
		}
		v, err := r.try(ctx, dirs, m)
		if err != nil {
			return row, err
		}
		row.add(v)
		if v == survived {
			printSurvivor(out, m)
		}
	}
	return row, nil
}

// survivors returns the mutations in the output of a former run, even if their lines
// have moved.
func survivors(all []mutation, output string) (found []mutation) {
	printed := map[[3]string]bool{}
	lines := strings.Split(output, "\n")
	for i := 1; i+1 < len(lines); i++ {
		code, ok := strings.CutPrefix(lines[i+1], removed)
		if text, mutation := strings.CutPrefix(lines[i], "\t"); ok && mutation {
			printed[[3]string{lines[i-1], text, code}] = true
		}
	}
	for _, m := range all {
		before, _ := changedLines(m)
		first, _, _ := strings.Cut(before, "\n")
		if printed[[3]string{m.Func, m.text(), strings.TrimSpace(first)}] {
			found = append(found, m)
		}
	}
	return found
}

// atPlace returns the mutations at file.go or file.go:line. The path of the file may
// begin at any directory above it.
func atPlace(all []mutation, place string) (found []mutation) {
	place = strings.TrimPrefix(place, "./")
	for _, m := range all {
		file := m.File
		if strings.Contains(place, ":") {
			file = fmt.Sprintf("%s:%d", m.File, m.Line)
		}
		if strings.HasSuffix("/"+file, "/"+place) {
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(a, b mutation) int { return cmp.Compare(a.Line, b.Line) })
	return found
}
