package impunit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Where says which program a file's tests are part of.
type Where string

// The programs.
const (
	OnAgent  Where = "agent"
	OnDevice Where = "device"
	Beside   Where = "test" // neither side: a program of its own
)

// File is a file of tests.
type File struct {
	Path    string // as people name it
	Where   Where
	partner string // of a test on a side: the file with the other side's part; "" for none
	agent   string // the code under test; "" for none
	device  string
}

// Project is the code of a pair with its tests.
type Project struct {
	Dir   string
	Files []File
	// Include has directories for the beginnings of what tests include, such as github:electricimp.
	Include map[string]string

	find    func(context.Context, tandem.LibraryID) (string, error)
	timeout float64 // seconds for a test, when it does not wait for the time; 0: none
	stop    bool    // at the first test that fails
	values  map[string]string
}

// Names in a project.
const (
	agentName   = "agent.nut"
	deviceName  = "device.nut"
	testSuffix  = ".test.nut"
	projectName = ".impt.test"
)

// imptConfig is what we read of the configuration of impt's tests.
type imptConfig struct {
	AgentFile, DeviceFile any // a name; false for none
	Timeout               float64
	StopOnFail            bool
	TestFiles             any // a pattern, or a list
	BuilderConfig         struct {
		Variables map[string]any
	}
}

// Find returns the tests in a directory and below it. find returns the source of a library, or an
// error of kind NotFound.
func Find(dir string, find func(context.Context, tandem.LibraryID) (string, error)) (*Project, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, tandem.Errorf(tandem.NotFound, "there is no directory %s", dir)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, tandem.Errorf(tandem.Invalid, "%s is no directory; name that with the code, and a file by --tests", dir)
	}
	p := &Project{Dir: dir, find: find}
	text, err := os.ReadFile(filepath.Join(dir, projectName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, p.findOwn()
	case err != nil:
		return nil, err
	}
	var cfg imptConfig
	if err := json.Unmarshal(text, &cfg); err != nil {
		return nil, tandem.Errorf(tandem.Invalid, "%s is no JSON: %v", filepath.Join(dir, projectName), err)
	}
	return p, p.findImpt(&cfg)
}

// findOwn finds tests beside their code: that of the nearest directory, upwards to the project's.
func (p *Project) findOwn() error {
	return filepath.WalkDir(p.Dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != p.Dir && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, testSuffix):
			return nil
		}
		f := File{Path: name, Where: Beside}
		stem := strings.TrimSuffix(name, testSuffix)
		for _, side := range []Where{OnAgent, OnDevice} {
			if rest, ok := strings.CutSuffix(stem, "."+string(side)); ok {
				f.Where = side
				f.partner = partnerOf(rest, side)
			}
		}
		home := p.homeOf(filepath.Dir(name))
		f.agent, f.device = existing(home, agentName), existing(home, deviceName)
		p.Files = append(p.Files, f)
		return nil
	})
}

// homeOf returns the nearest directory with code, from dir upwards to the project's.
func (p *Project) homeOf(dir string) string {
	for {
		if existing(dir, agentName) != "" || existing(dir, deviceName) != "" {
			return dir
		}
		up := filepath.Dir(dir)
		if dir == filepath.Clean(p.Dir) || up == dir {
			return p.Dir
		}
		dir = up
	}
}

func existing(dir, name string) string {
	if name == "" {
		return ""
	}
	file := filepath.Join(dir, name)
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		return ""
	}
	return file
}

// partnerOf returns the file with the other side's part of a test; "" when there is none.
func partnerOf(stem string, side Where) string {
	other := OnDevice
	if side == OnDevice {
		other = OnAgent
	}
	return existing(filepath.Dir(stem), filepath.Base(stem)+"."+string(other)+".nut")
}

// agentWord is how impt knows a test for the agent by the name of its file.
var agentWord = regexp.MustCompile(`(?i)\bagent\b`)

// findImpt finds the tests of one of impt's projects.
func (p *Project) findImpt(cfg *imptConfig) error {
	p.timeout, p.stop = cfg.Timeout, cfg.StopOnFail
	if p.timeout == 0 {
		p.timeout = 30
	}
	p.values = map[string]string{}
	for name, x := range cfg.BuilderConfig.Variables {
		p.values[name] = fmt.Sprint(x)
	}
	var code [2]string
	for i, x := range []any{cfg.AgentFile, cfg.DeviceFile} {
		name, _ := x.(string)
		if code[i] = existing(p.Dir, name); name != "" && code[i] == "" {
			return tandem.Errorf(tandem.NotFound, "%s names %s, which does not exist", projectName, name)
		}
	}
	names, err := p.matching(patterns(cfg.TestFiles))
	for _, name := range names {
		rel, _ := filepath.Rel(p.Dir, name)
		f := File{Path: name, Where: OnDevice, agent: code[0], device: code[1]}
		if agentWord.MatchString(rel) {
			f.Where = OnAgent
		}
		stem := strings.TrimSuffix(name, testSuffix)
		f.partner = partnerOf(strings.TrimSuffix(stem, "."+string(f.Where)), f.Where)
		p.Files = append(p.Files, f)
	}
	return err
}

// patterns returns impt's patterns of files of tests.
func patterns(x any) (list []string) {
	switch x := x.(type) {
	case string:
		return []string{x}
	case []any:
		for _, one := range x {
			list = append(list, fmt.Sprint(one))
		}
		return list
	}
	return []string{"*.test.nut", "tests/**/*.test.nut"}
}

// matching returns the files below the project's directory that match one of the patterns.
func (p *Project) matching(patterns []string) (names []string, err error) {
	var all []*regexp.Regexp
	for _, pattern := range patterns {
		all = append(all, globOf(pattern))
	}
	err = filepath.WalkDir(p.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(p.Dir, name)
		if slices.ContainsFunc(all, func(r *regexp.Regexp) bool { return r.MatchString(filepath.ToSlash(rel)) }) {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// globOf returns a pattern with *, ** and ? as a regular expression.
func globOf(pattern string) *regexp.Regexp {
	s := regexp.QuoteMeta(filepath.ToSlash(filepath.Clean(pattern)))
	s = strings.ReplaceAll(s, `\*\*/`, `(.*/)?`)
	s = strings.ReplaceAll(s, `\*`, `[^/]*`)
	s = strings.ReplaceAll(s, `\?`, `[^/]`)
	return regexp.MustCompile("^" + s + "$")
}

// Watched returns the files of which the tests consist.
func (p *Project) Watched() (names []string) {
	for _, f := range p.Files {
		for _, name := range []string{f.Path, f.partner, f.agent, f.device} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return append(names, filepath.Join(p.Dir, projectName))
}
