package trial

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

//go:embed trial.nut
var prelude string

// Names in a project.
const (
	agentFile  = "agent.nut"
	deviceFile = "device.nut"
	// Assertions is the file with what must hold.
	Assertions = "rehearse.nut"
)

// preludeName is the file that places in the prelude name.
const preludeName = "rehearsal"

// Project is a pair, and what must hold for it.
type Project struct {
	Dir    string
	Module string // the device's type of module

	pair    *rehearsal.Pair
	tester  *compile.Program
	asserts bool // there is a file with assertions
	sleeps  bool // the device's code sleeps deeply
}

// Library finds the source of a library, or returns an error of kind NotFound.
type Library func(context.Context, tandem.LibraryID) (string, error)

// Open compiles the pair of a directory. An error of its code is a *syntax.Error.
func Open(ctx context.Context, dir string, find Library) (*Project, error) {
	p := &Project{Dir: dir}
	agent, err := p.read(agentFile)
	if err != nil {
		return nil, err
	}
	device, err := p.read(deviceFile)
	if err != nil {
		return nil, err
	}
	if agent == nil && device == nil {
		return nil, tandem.Errorf(tandem.NotFound, "there is no pair in %s: it is in the files agent.nut and device.nut", dir)
	}
	asserted, err := p.read(Assertions)
	if err != nil {
		return nil, err
	}
	p.asserts = asserted != nil
	return p, p.compile(ctx, rehearsal.Code{Agent: string(agent), Device: string(device)}, string(asserted), find)
}

// Of returns the project of a pair whose source is given, for tests.
func Of(code rehearsal.Code, asserted string) (*Project, error) {
	p := &Project{asserts: asserted != ""}
	return p, p.compile(context.Background(), code, asserted, noLibrary)
}

func noLibrary(_ context.Context, id tandem.LibraryID) (string, error) {
	return "", tandem.Errorf(tandem.NotFound, "there is no library %s", id)
}

func (p *Project) compile(ctx context.Context, code rehearsal.Code, asserted string, find Library) (err error) {
	for _, side := range []struct {
		text *string
		name string
		side tandem.Side
	}{{&code.Agent, agentFile, tandem.AgentSide}, {&code.Device, deviceFile, tandem.DeviceSide}} {
		if *side.text == "" {
			continue
		}
		named := fmt.Sprintf("#line 1 %q\n%s", side.name, *side.text)
		if *side.text, err = imp.Include(ctx, side.side, named, find); err != nil {
			return err
		}
	}
	if p.pair, err = rehearsal.Compile(code); err != nil {
		return err
	}
	p.sleeps = strings.Contains(code.Device, "sleepfor") || strings.Contains(code.Device, "sleepuntil")
	text := fmt.Sprintf("#line 1 %q\n%s\n#line 1 %q\n%s", preludeName, prelude, Assertions, asserted)
	if text, err = imp.Include(ctx, tandem.AgentSide, text, find); err != nil {
		return err
	}
	p.tester, err = imp.Compile(tandem.AgentSide, []byte(text), nil)
	return err
}

// read returns a file of the project, nil when there is none.
func (p *Project) read(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(p.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
