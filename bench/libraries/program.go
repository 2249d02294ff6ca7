package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed squirrel
var ours embed.FS

// program is the code of a pair: tests on one side, and perhaps a partner for them on the
// other.
type program struct {
	name    string
	side    string               // where the tests are: agent or device
	sources map[string]*assembly // by side; nil: nothing runs there
	timeout int                  // seconds for each test
	known   map[string]string    // see repository
	skipped string               // why it is not run

	outcomes []outcome
}

// source returns a side's code. from is the number of the first test to run.
func (p *program) source(side string, session string, from int, service string) (string, error) {
	a := p.sources[side]
	if a == nil {
		return "// nothing runs here\n", nil
	}
	var b strings.Builder
	for _, id := range a.requires {
		fmt.Fprintf(&b, "#require %q\n", id)
	}
	fmt.Fprintf(&b, "const SERVICE = %q;\n", service)
	if side == p.side {
		runner, err := ours.ReadFile("squirrel/case.nut")
		if err != nil {
			return "", err
		}
		delay := 0
		if len(p.sources) > 1 {
			delay = 3 // the partner must get its code first
		}
		fmt.Fprintf(&b,
			"const SESSION = %q; const FROM = %d; const TIMEOUT = %d; const DELAY = %d;\n#line 1 \"case.nut\"\n%s",
			session, from, p.timeout, delay, runner)
	}
	return b.String() + a.text.String(), nil
}

// everything returns all programs, beginning with those that only load a library.
func everything(dir string) ([]*program, error) {
	list := loading()
	work, err := works()
	if err != nil {
		return nil, err
	}
	list = append(list, work...)
	for i := range manifest {
		tests, err := tests(dir, &manifest[i])
		if err != nil {
			return nil, err
		}
		list = append(list, tests...)
	}
	return list, nil
}

// loading returns a program for each library and each side where it works.
func loading() (list []*program) {
	for _, repo := range manifest {
		for _, lib := range repo.libraries {
			for _, side := range []string{"agent", "device"} {
				if lib.side != "" && lib.side != side {
					continue
				}
				a := &assembly{}
				a.require("Promise.lib.nut:4.0.0")
				if lib.needs != "" {
					a.require(lib.needs)
				}
				a.require(lib.id)
				a.text.WriteString("class Load extends ImpTestCase { function testLoads() {} }\n")
				list = append(list, &program{
					name:    "load/" + lib.id + "/" + side,
					side:    side,
					sources: map[string]*assembly{side: a},
					timeout: 30,
				})
			}
		}
	}
	return list
}

// works returns our own programs.
func works() (list []*program, err error) {
	files, err := fs.Glob(ours, "squirrel/*.*.nut")
	if err != nil {
		return nil, err
	}
	byName := map[string]*program{}
	for _, file := range files {
		text, err := ours.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name, rest, _ := strings.Cut(path.Base(file), ".")
		side := strings.TrimSuffix(rest, ".nut")
		p := byName[name]
		if p == nil {
			p = &program{name: "work/" + name, sources: map[string]*assembly{}, timeout: 30}
			byName[name] = p
			list = append(list, p)
		}
		a := &assembly{}
		a.require("Promise.lib.nut:4.0.0")
		if err := a.add(path.Base(file), string(text)); err != nil {
			return nil, err
		}
		p.sources[side] = a
		if strings.Contains(string(text), "extends ImpTestCase") {
			p.side = side
		}
	}
	return list, nil
}

// tests returns the programs of a repository's own tests.
func tests(dir string, repo *repository) (list []*program, err error) {
	root := filepath.Join(dir, repo.name)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".test.nut") {
			return err
		}
		p, err := test(root, repo, name)
		if err == nil {
			list = append(list, p)
		}
		return err
	})
	return list, err
}

func test(root string, repo *repository, name string) (*program, error) {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	p := &program{
		name:    "test/" + repo.name + "/" + rel,
		sources: map[string]*assembly{},
		timeout: repo.timeout,
		known:   repo.known,
		side:    "agent",
	}
	if p.timeout == 0 {
		p.timeout = 30
	}
	stem := strings.TrimSuffix(name, ".test.nut")
	other := "device"
	switch {
	case strings.HasSuffix(stem, ".device"):
		p.side, other = "device", "agent"
	case !strings.HasSuffix(stem, ".agent") && repo.side != "":
		p.side, other = repo.side, "agent"
	}
	partner := strings.TrimSuffix(stem, "."+p.side) + "." + other + ".nut"
	for side, file := range map[string]string{p.side: name, other: partner} {
		if _, err := os.Stat(file); err != nil {
			continue
		}
		a := &assembly{root: root, values: repo.values}
		a.require("Promise.lib.nut:4.0.0")
		for _, first := range map[string][]string{"agent": repo.agent, "device": repo.device}[side] {
			if strings.Contains(first, ":") {
				a.require(first)
			} else if err := a.file(filepath.Join(root, first)); err != nil {
				return nil, err
			}
		}
		if err := a.file(file); err != nil {
			return nil, err
		}
		p.sources[side] = a
		if a.needs != "" {
			p.skipped = "needs an account or a setting: " + a.needs
		}
	}
	for part, reason := range repo.skips {
		if strings.Contains(p.name, part) {
			p.skipped = reason
		}
	}
	return p, nil
}

// assembly assembles a side's code, like the preprocessor that the vendor's tests are
// written for.
type assembly struct {
	root     string // of the repository
	requires []string
	text     strings.Builder
	values   map[string]string
	needs    string // variables without a value
	depth    int
}

func (a *assembly) require(id string) {
	if !slices.Contains(a.requires, id) {
		a.requires = append(a.requires, id)
	}
}

func (a *assembly) file(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return a.add(name, string(text))
}

var (
	includeLine  = regexp.MustCompile(`^\s*@include\s+(?:once\s+)?(__PATH__\s*\+\s*)?"([^"]+)"\s*;?\s*$`)
	requireLine  = regexp.MustCompile(`^\s*#require\s+"([^"]+)"\s*$`)
	variable     = regexp.MustCompile(`@\{(\w+)\}`)
	maxInclusion = 20
)

// add adds a source: libraries that it requires go to the top, and included files replace
// their directives.
func (a *assembly) add(name, text string) error {
	if a.depth++; a.depth > maxInclusion {
		return fmt.Errorf("%s is included too deeply", name)
	}
	defer func() { a.depth-- }()
	base := filepath.Base(name)
	fmt.Fprintf(&a.text, "\n#line 1 %q\n", base)
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if m := requireLine.FindStringSubmatch(line); m != nil {
			a.require(m[1])
			line = ""
		}
		if m := includeLine.FindStringSubmatch(line); m != nil {
			if err := a.include(filepath.Dir(name), m[1] != "", m[2]); err != nil {
				return fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
			fmt.Fprintf(&a.text, "\n#line %d %q\n", i+2, base)
			continue
		}
		line = variable.ReplaceAllStringFunc(line, func(v string) string {
			name := v[2 : len(v)-1]
			value, known := a.values[name]
			switch {
			case name == "__FILE__":
				return base
			case !known && !strings.Contains(a.needs, name):
				a.needs = strings.TrimSpace(a.needs + " " + name)
			}
			return value
		})
		a.text.WriteString(line + "\n")
	}
	return nil
}

// include includes a file. Libraries of the manifest are required instead.
func (a *assembly) include(dir string, here bool, what string) error {
	what, _, _ = strings.Cut(what, "@") // a version, which the manifest decides
	for _, prefix := range []string{"github:electricimp/", "https://raw.githubusercontent.com/electricimp/"} {
		if rest, remote := strings.CutPrefix(what, prefix); remote {
			name, file, _ := strings.Cut(rest, "/")
			if id := libraryAt(name, path.Base(file)); id != "" {
				a.require(id)
				return nil
			}
			return fmt.Errorf("%s is not in the manifest", what)
		}
	}
	file := filepath.Join(a.root, what)
	if here {
		file = filepath.Join(dir, what)
	}
	if rel, err := filepath.Rel(a.root, file); err == nil {
		if id := libraryAt(filepath.Base(a.root), rel); id != "" {
			a.require(id)
			return nil
		}
	}
	return a.file(file)
}

// libraryAt returns the library in a file of a repository.
func libraryAt(repo, file string) string {
	for _, r := range manifest {
		for _, l := range r.libraries {
			if r.name == repo && l.file == file {
				return l.id
			}
		}
	}
	return ""
}
