package impunit

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

//go:embed impunit.nut
var framework string

// frameworkName is the file that places in the framework name. They are not shown.
const frameworkName = "impunit"

// source is the text of a program, put together of files.
type source struct {
	p     *Project
	text  strings.Builder
	depth int
}

func (p *Project) newSource() *source {
	s := &source{p: p}
	fmt.Fprintf(&s.text, "#line 1 %q\n%s", frameworkName, framework)
	return s
}

// file adds a file with what its directives include; "" adds nothing. Tests are added as the body
// of a function, so that their local variables are not those of the code under test.
func (s *source) file(name string, test bool) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if test {
		s.text.WriteString("\n;(function() {")
	}
	err = s.add(name, string(text))
	if test {
		s.text.WriteString("\n}).call(getroottable());")
	}
	return err
}

// The directives that tests of libraries use, of the preprocessor that impt calls Builder.
var (
	includeLine = regexp.MustCompile(`^\s*@include\s+(?:once\s+)?(__PATH__\s*\+\s*)?["']([^"']+)["']\s*;?\s*$`)
	variable    = regexp.MustCompile(`@\{(\w+)\}`)
)

const maxIncluded = 64

func (s *source) add(name, text string) error {
	if s.depth++; s.depth > maxIncluded {
		return tandem.Errorf(tandem.Limit, "%s is included by itself", name)
	}
	defer func() { s.depth-- }()
	fmt.Fprintf(&s.text, "\n#line 1 %q\n", filepath.ToSlash(name))
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\xef\xbb\xbf"), "\r\n", "\n")
	for i, line := range strings.Split(text, "\n") {
		if m := includeLine.FindStringSubmatch(line); m != nil {
			file := s.included(name, m[1] != "", m[2])
			inner, err := os.ReadFile(file)
			if err != nil {
				return tandem.Errorf(tandem.NotFound, "%s:%d: %s is not on this machine: see --include", name, i+1, m[2])
			}
			if err := s.add(file, string(inner)); err != nil {
				return err
			}
			fmt.Fprintf(&s.text, "\n#line %d %q\n", i+2, filepath.ToSlash(name))
			continue
		}
		s.text.WriteString(variable.ReplaceAllStringFunc(line, s.value))
		s.text.WriteByte('\n')
	}
	return nil
}

// included returns the file that a directive in a file names. here says that it is sought beside that
// file alone.
func (s *source) included(name string, here bool, what string) string {
	for prefix, dir := range s.p.Include {
		if rest, ok := strings.CutPrefix(what, prefix); ok {
			rest, _, _ = strings.Cut(rest, "@") // a version, which who has put the file there has chosen
			return filepath.Join(dir, rest)
		}
	}
	if !here && existing(filepath.Dir(name), what) == "" {
		return filepath.Join(s.p.Dir, what)
	}
	return filepath.Join(filepath.Dir(name), what)
}

// value returns the value of a variable of Builder: of the project, or of the environment.
func (s *source) value(v string) string {
	name := v[2 : len(v)-1]
	if x, ok := s.p.values[name]; ok {
		return x
	}
	return os.Getenv(name)
}

// program returns the text with the libraries that it requires.
func (s *source) program(side tandem.Side) (string, error) {
	return imp.Include(context.Background(), side, s.text.String(), s.library)
}

// library finds a library. Promise, which tests require, is there without one.
func (s *source) library(ctx context.Context, id tandem.LibraryID) (string, error) {
	code, err := s.p.find(ctx, id)
	if tandem.KindOf(err) == tandem.NotFound && strings.HasPrefix(strings.ToLower(id.Name), "promise.") {
		return "// Promise is part of the tests.\n", nil
	}
	return code, err
}

// classes finds the names of classes in the order in which a file has them.
var classes = regexp.MustCompile(`(?m)^\s*(?:class\s+([A-Za-z_]\w*)|([A-Za-z_]\w*)\s*<-\s*class\b)`)

func classesOf(text string) (names []string) {
	for _, m := range classes.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1]+m[2])
	}
	return names
}
