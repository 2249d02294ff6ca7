package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/impunit"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/squirrel/syntax"
	"github.com/tandem-iot/tandem/trial"
)

type rehearseCmd struct {
	Dir      string            `arg:"" optional:"" default:"." help:"${help_rehearse_dir}"`
	Seed     string            `placeholder:"SEED" help:"${help_rehearse_seed}"`
	Seeds    uint64            `placeholder:"N" default:"1000" help:"${help_rehearse_seeds}"`
	First    uint64            `placeholder:"N" default:"1" help:"The first of these seeds (${default})."`
	Length   string            `placeholder:"SPAN" default:"10 minutes" help:"${help_rehearse_length}"`
	Coverage string            `placeholder:"FILE" help:"${help_rehearse_coverage}"`
	Keep     string            `placeholder:"FILE" help:"${help_rehearse_keep}"`
	Module   string            `placeholder:"TYPE" help:"${help_module}"`
	Library  map[string]string `placeholder:"NAME:VERSION=FILE" help:"${help_test_library}"`
}

func (c *rehearseCmd) Run(ctx context.Context, s *streams) error {
	length, err := c.check()
	if err != nil {
		return err
	}
	find := (&tests{testCmd: &testCmd{Dir: c.Dir, Library: c.Library}}).library
	p, err := trial.Open(ctx, c.Dir, find)
	if err != nil {
		return notOpened(err)
	}
	p.Module = c.Module
	began := time.Now()
	search, err := trial.NewSearcher(p, trial.Options{Length: length, Seeds: int(min(c.Seeds, 1<<40)), First: c.First})
	if err != nil {
		return err
	}
	r, err := c.search(ctx, search)
	if err != nil {
		return err
	}
	story := ""
	if f := r.Finding; f != nil {
		var text bytes.Buffer
		if err := search.WriteFinding(&text, f); err != nil {
			return err
		}
		if f.Name != "" {
			fmt.Fprintf(&text, "replay: tandem rehearse%s --seed %s\n", c.again(), f.Name)
		}
		story = text.String()
		io.WriteString(s.out, story)
	}
	if c.Seed != "" && r.Finding == nil {
		fmt.Fprintf(s.out, "Nothing is wrong in the story of seed %s.\n", c.Seed)
	}
	if c.Seed == "" {
		singles, seeds := counted(r.Singles, "single fault"), counted(r.Mixtures, "seed")
		summary := fmt.Sprintf("%s, %s: %s.", singles, seeds, outcome(r))
		if err := c.report(s, r, summary, story); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s (%s in %s)\n", summary, impunit.Span(search.Virtual()), impunit.Span(time.Since(began)))
	}
	return c.keep(s, r)
}

// counted returns a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func outcome(r *trial.Result) string {
	if r.Finding != nil {
		return "something is wrong"
	}
	return "nothing is wrong"
}

// again is what a replay needs on its command line beside the seed.
func (c *rehearseCmd) again() string {
	text := ""
	if c.Dir != "." {
		text += " " + c.Dir
	}
	if c.Length != defaultLength {
		text += fmt.Sprintf(" --length %q", c.Length)
	}
	return text
}

const defaultLength = "10 minutes"

// check says what is wrong with the options, before stories are played for nothing.
func (c *rehearseCmd) check() (length time.Duration, err error) {
	if length, err = rehearsal.ParseSpan(c.Length); err != nil || length < 5*time.Minute || length > 30*24*time.Hour {
		return 0, tandem.Errorf(tandem.Invalid,
			"--length %s: give a span of time such as \"10 minutes\", from 5 minutes to 30 days", c.Length)
	}
	switch {
	case !isDirectory(c.Dir):
		return 0, tandem.Errorf(tandem.NotFound, "there is no directory %s", c.Dir)
	case c.Module != "" && !device.KnownModule(c.Module):
		return 0, tandem.Errorf(tandem.Invalid, "--module %s: there is no such type; use one of %s", c.Module,
			strings.Join(device.Modules(), ", "))
	case c.Keep != "" && !strings.HasSuffix(c.Keep, trial.Suffix):
		return 0, tandem.Errorf(tandem.Invalid, "--keep %s: tandem test takes stories from files NAME%s", c.Keep,
			trial.Suffix)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Library)) {
		if err := checkLibrary(name, c.Library[name]); err != nil {
			return 0, err
		}
	}
	for _, flag := range []struct{ name, file string }{{"--coverage", c.Coverage}, {"--keep", c.Keep}} {
		if err := checkOutput(flag.name, flag.file); err != nil {
			return 0, err
		}
	}
	return length, nil
}

// checkLibrary says what is wrong with the value of --library.
func checkLibrary(name, file string) error {
	if _, err := tandem.ParseLibraryID(name); err != nil {
		return fmt.Errorf("--library: %w", err)
	}
	if _, err := os.ReadFile(file); err != nil {
		return fmt.Errorf("--library %s: %w", name, err)
	}
	return nil
}

// checkOutput says why a file cannot be written; "" is none.
func checkOutput(flag, file string) error {
	switch {
	case file == "":
	case isDirectory(file):
		return tandem.Errorf(tandem.Invalid, "%s: %s is a directory, not a file", flag, file)
	case !isDirectory(filepath.Dir(file)):
		return tandem.Errorf(tandem.NotFound, "%s %s: there is no directory %s", flag, file, filepath.Dir(file))
	}
	return nil
}

// notOpened says why a pair cannot be rehearsed.
func notOpened(err error) error {
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return tandem.Errorf(tandem.Invalid, "%s", notRun(err))
	}
	return err
}

// search plays the story of --seed, or searches.
func (c *rehearseCmd) search(ctx context.Context, search *trial.Searcher) (*trial.Result, error) {
	if c.Seed == "" {
		r, err := search.Search(ctx)
		if ctx.Err() != nil {
			return nil, errors.New("interrupted")
		}
		return r, err
	}
	story, err := search.Named(c.Seed)
	if err != nil {
		return nil, fmt.Errorf("--seed %s: %w", c.Seed, err)
	}
	r := &trial.Result{}
	breach, err := search.Play(story)
	if err == nil && breach != nil {
		r.Finding, err = search.Shrink(ctx, c.Seed, story, breach)
	}
	return r, err
}

// report shows what was covered.
func (c *rehearseCmd) report(s *streams, r *trial.Result, summary, story string) error {
	if r.Finding == nil {
		if err := r.Cover.WriteText(s.out); err != nil {
			return err
		}
	}
	if c.Coverage == "" {
		return nil
	}
	return written(c.Coverage, func(w io.Writer) error { return r.Cover.WritePage(w, summary, story) })
}

// keep writes the story that was found into a file. The command fails if one was found.
func (c *rehearseCmd) keep(s *streams, r *trial.Result) error {
	f := r.Finding
	if f == nil {
		return nil
	}
	if c.Keep != "" {
		kept := trial.Written{Story: f.Story, Broken: f.Breach.Check}
		if err := written(c.Keep, kept.Write); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "The story is in %s: tandem test plays it from now on.\n", c.Keep)
	}
	return errSilent
}
