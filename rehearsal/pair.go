package rehearsal

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Code is what both sides run, with the libraries that it requires.
type Code struct {
	Agent, Device string // a Device of "" leaves the world without a device
	Env           imp.Environment
	Mark          bool // for Pair.Marks
}

// Pair is the code of both sides, compiled for any number of worlds.
type Pair struct {
	HasDevice bool
	program   life.Program
	device    *compile.Program
}

// Compile compiles a pair. Its error is a *syntax.Error.
func Compile(code Code) (*Pair, error) {
	p := &Pair{HasDevice: code.Device != ""}
	opts := compile.Options{Mark: code.Mark}
	agent, err := imp.CompileWith(tandem.AgentSide, []byte(code.Agent), code.Env, opts)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(code.Device))
	p.program = life.Program{
		Agent: agent, Device: code.Device, DeviceSHA: hex.EncodeToString(sum[:]), Env: code.Env,
	}
	if p.HasDevice {
		p.device, err = imp.CompileWith(tandem.DeviceSide, []byte(code.Device), code.Env, opts)
	}
	return p, err
}

// Marks calls fn for each statement of both sides: where it begins, and whether a world has executed it.
func (p *Pair) Marks(fn func(side tandem.Side, file string, line int, reached bool)) {
	p.program.Agent.Marks(func(file string, line int, reached bool) { fn(tandem.AgentSide, file, line, reached) })
	if p.device != nil {
		p.device.Marks(func(file string, line int, reached bool) { fn(tandem.DeviceSide, file, line, reached) })
	}
}

// compile is what the device's core compiles with.
func (p *Pair) compile(text string, env map[string]string) (*compile.Program, error) {
	if text == p.program.Device && maps.Equal(env, p.program.Env) {
		return p.device, nil
	}
	return imp.Compile(tandem.DeviceSide, []byte(text), env)
}
