package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/impunit"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/squirrel/syntax"
	"github.com/tandem-iot/tandem/store"
)

type testCmd struct {
	Dir      string            `arg:"" optional:"" default:"." help:"${help_test_dir}"`
	Tests    string            `placeholder:"FILE[:CASE][::METHOD]" help:"${help_test_tests}"`
	JUnit    string            `name:"junit" placeholder:"FILE" help:"Also write the results as JUnit's XML."`
	Coverage string            `placeholder:"FILE" help:"${help_test_coverage}"`
	Real     bool              `help:"${help_test_real}"`
	Watch    bool              `help:"Run the tests again when a file is saved, until Ctrl-C."`
	Limit    *string           `placeholder:"SPAN" help:"${help_test_limit}"`
	Seed     uint64            `placeholder:"N" default:"1" help:"Of what is random in the tests' worlds (${default})."`
	Module   string            `placeholder:"TYPE" help:"${help_module}"`
	Include  map[string]string `placeholder:"PREFIX=DIR" help:"${help_test_include}"`
	Library  map[string]string `placeholder:"NAME:VERSION=FILE" help:"${help_test_library}"`
}

// tests is a run of tests.
type tests struct {
	*testCmd
	s          *streams
	json       bool
	limit      time.Duration                                           // 0: that of package impunit
	only, rest string                                                  // of Tests: the file, and what follows it
	find       func(context.Context, tandem.LibraryID) (string, error) // nil: see library
}

func (c *testCmd) Run(ctx context.Context, s *streams) error {
	t := &tests{testCmd: c, s: s, json: s.json}
	if err := t.check(); err != nil {
		return err
	}
	t.only, t.rest, _ = strings.Cut(c.Tests, ":")
	if !c.Watch {
		return t.run(ctx)
	}
	for {
		known := t.stamps() // a file that is saved meanwhile has them run again
		if err := t.run(ctx); err != nil && !errors.Is(err, errSilent) && ctx.Err() == nil {
			s.report(tandem.KindOf(err).String(), err.Error(), err)
		}
		if !t.changed(ctx, known) {
			return nil
		}
		if !s.json && !s.quiet {
			fmt.Fprintf(s.out, "\n")
		}
	}
}

// check says what is wrong with the options, before tests run for nothing.
func (t *tests) check() (err error) {
	if t.Limit != nil {
		if t.limit, err = rehearsal.ParseSpan(*t.Limit); err != nil || t.limit <= 0 {
			return tandem.Errorf(tandem.Invalid,
				"--limit %s: give a span of time, such as \"3 weeks\", of 30 years at most", *t.Limit)
		}
	}
	if t.Real && t.Coverage != "" {
		return tandem.Errorf(tandem.Invalid, "--coverage counts lines in virtual time: leave out --real")
	}
	if t.Module != "" && !device.KnownModule(t.Module) {
		return tandem.Errorf(tandem.Invalid, "--module %s: there is no such type; use one of %s", t.Module,
			strings.Join(device.Modules(), ", "))
	}
	for _, prefix := range slices.Sorted(maps.Keys(t.Include)) {
		if dir := t.Include[prefix]; !isDirectory(dir) {
			return tandem.Errorf(tandem.NotFound, "--include %s=%s: there is no directory %s", prefix, dir, dir)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Library)) {
		if err := checkLibrary(name, t.Library[name]); err != nil {
			return err
		}
	}
	return errors.Join(checkOutput("--junit", t.JUnit), checkOutput("--coverage", t.Coverage))
}

func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// run runs the tests once.
func (t *tests) run(ctx context.Context) error {
	p, err := impunit.Find(t.Dir, t.library)
	if err != nil {
		return err
	}
	p.Include = t.Include
	began, ran := time.Now(), false
	var results []impunit.Result
	o := impunit.Options{Seed: t.Seed, Limit: t.limit, Module: t.Module, Real: t.Real}
	if t.Coverage != "" {
		o.Coverage = &impunit.Coverage{}
	}
	o.Case, o.Method, _ = strings.Cut(strings.TrimPrefix(t.rest, ":"), "::")
	if strings.HasPrefix(t.rest, ":") {
		o.Case, o.Method = "", strings.TrimPrefix(t.rest, ":")
	}
	out := t.s.out
	if t.json || t.s.quiet {
		out = io.Discard
	}
	o.Ended = func(x *impunit.Test) { impunit.WriteTest(out, x) }
	for _, f := range p.Files {
		if !t.wants(f.Path) {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		ran = true
		fmt.Fprintln(out, f.Path)
		r := p.Run(ctx, f, o)
		if r.Err != nil {
			fmt.Fprintf(out, "  FAIL  %s\n", strings.ReplaceAll(notRun(r.Err), "\n", "\n        "))
		}
		results = append(results, r)
	}
	told, err := t.stories(ctx, out)
	results = append(results, told...)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	case !ran && len(told) == 0:
		return t.noTests()
	}
	return t.finish(results, o.Coverage, time.Since(began))
}

// addToNode is how people are told to add a library to a node.
var addToNode = regexp.MustCompile(`add it with: tandem library add (\S+) FILE`)

// notRun says why a file's tests cannot be run.
func notRun(err error) string {
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return addToNode.ReplaceAllString(notCompilable(err), "give its source with --library $1=FILE")
	}
	return err.Error()
}

// wants reports whether a file is among those that were asked for.
func (t *tests) wants(file string) bool {
	if t.only == "" {
		return true
	}
	rel, err := filepath.Rel(t.Dir, file)
	return err == nil && rel == filepath.Clean(t.only) || filepath.Clean(file) == filepath.Clean(t.only) ||
		filepath.Base(file) == t.only
}

// finish reports all results, and fails when a test has.
func (t *tests) finish(results []impunit.Result, covered *impunit.Coverage, took time.Duration) error {
	var count, assertions, failures int
	var virtual time.Duration
	for i := range results {
		n, a, f := results[i].Counts()
		if results[i].Err != nil {
			f++
		}
		count += n
		assertions += a
		failures += f
		virtual += results[i].Virtual
	}
	switch {
	case t.json:
		if err := impunit.WriteJSON(t.s.out, results); err != nil {
			return err
		}
	case !t.s.quiet:
		fmt.Fprintf(t.s.out, "Tests: %d, Assertions: %d, Failures: %d (%s in %s)\n", count, assertions, failures,
			impunit.Span(virtual), impunit.Span(took))
	}
	if t.JUnit != "" {
		err := written(t.JUnit, func(w io.Writer) error { return impunit.WriteJUnit(w, results) })
		if err != nil {
			return err
		}
	}
	if covered != nil {
		if err := written(t.Coverage, covered.WritePage); err != nil {
			return err
		}
		if !t.json && !t.s.quiet {
			t.tellCoverage(covered)
		}
	}
	switch {
	case failures > 0:
		return errSilent
	case count == 0:
		return tandem.Errorf(tandem.NotFound, "no test has run: tests are methods whose names begin with \"test\", of "+
			"classes that extend ImpTestCase")
	}
	return nil
}

// written writes a file.
func written(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func (t *tests) tellCoverage(c *impunit.Coverage) {
	for _, name := range c.Files() {
		lines, reached := c.Count(name)
		fmt.Fprintf(t.s.out, "%3d %%  %s, %d of %d lines\n", impunit.Percent(lines, reached), name, reached, lines)
	}
	fmt.Fprintf(t.s.out, "See %s.\n", t.Coverage)
}

// library returns the source of a library: of an option, or of the node of tandem dev.
func (t *tests) library(ctx context.Context, id tandem.LibraryID) (string, error) {
	if file, ok := t.Library[id.String()]; ok {
		code, err := os.ReadFile(file)
		return string(code), err
	}
	if t.find != nil {
		return t.find(ctx, id)
	}
	file := filepath.Join(t.Dir, ".tandem", "node", "tandem.db")
	if _, err := os.Stat(file); err != nil {
		return "", tandem.Errorf(tandem.NotFound, "there is no library %s", id)
	}
	return store.LibraryIn(ctx, file, id)
}

// changed waits until the files of the project are others than those known. It returns false when
// ctx has ended.
func (t *tests) changed(ctx context.Context, known string) bool {
	last := known
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now := t.stamps()
		if now == last && now != known {
			return true
		}
		last = now
	}
}

// stamps distinguishes versions of the project's files without reading them.
func (t *tests) stamps() string {
	var b strings.Builder
	p, err := impunit.Find(t.Dir, t.library)
	if err != nil {
		return err.Error()
	}
	stories, err := t.storyFiles()
	if err != nil {
		return err.Error()
	}
	for _, name := range append(p.Watched(), stories...) {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintln(&b, name, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}
