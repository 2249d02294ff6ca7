package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/impunit"
	"github.com/tandem-iot/tandem/trial"
)

// stories plays the stories in the directory that tandem rehearse has kept.
func (t *tests) stories(ctx context.Context, out io.Writer) (results []impunit.Result, err error) {
	names, err := t.storyFiles()
	for _, name := range names {
		if !t.wants(name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintln(out, name)
		r := impunit.Result{File: name, Where: impunit.Beside}
		if r.Err = t.story(ctx, &r); r.Err != nil {
			fmt.Fprintf(out, "  FAIL  %s\n", strings.ReplaceAll(notRun(r.Err), "\n", "\n        "))
		}
		for i := range r.Tests {
			impunit.WriteTest(out, &r.Tests[i])
		}
		results = append(results, r)
	}
	return results, err
}

// storyFiles returns the files with stories in the directory and below it.
func (t *tests) storyFiles() (names []string, err error) {
	err = filepath.WalkDir(t.Dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != t.Dir && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, trial.Suffix):
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// story plays a story as a test: the pair is that of its directory.
func (t *tests) story(ctx context.Context, r *impunit.Result) error {
	file, err := os.Open(r.File)
	if err != nil {
		return err
	}
	defer file.Close()
	kept, err := trial.Read(file, r.File)
	if err != nil {
		return err
	}
	p, err := trial.Open(ctx, filepath.Dir(r.File), t.library)
	if err != nil {
		return err
	}
	p.Module = t.Module
	search, err := trial.NewSearcher(p, trial.Options{Length: kept.Length})
	if err != nil {
		return err
	}
	breach, err := search.Play(kept.Story)
	if err != nil {
		return err
	}
	test := impunit.Test{Case: "story", Method: kept.Broken, Counts: true, Assertions: 1, Took: kept.Length}
	if breach != nil {
		var text strings.Builder
		found := trial.Finding{Name: r.File, Story: kept.Story, Breach: *breach}
		if err := search.WriteFinding(&text, &found); err != nil {
			return err
		}
		test.Took = breach.At
		test.Failure = &impunit.Failure{Text: strings.TrimRight(text.String(), "\n")}
	}
	r.Tests = append(r.Tests, test)
	r.Virtual = search.Virtual()
	return nil
}

// noTests is the error when there is nothing to run.
func (t *tests) noTests() error {
	if t.only != "" {
		return tandem.Errorf(tandem.NotFound, "there is no file %s with tests in %s", t.only, dirName(t.Dir))
	}
	return tandem.Errorf(tandem.NotFound, "no tests in %s: they are in files NAME.test.nut, NAME.agent.test.nut and "+
		"NAME.device.test.nut", dirName(t.Dir))
}
