package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/squirrel/syntax"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// program is the code of a device group, compiled once for all of its agents. It is
// loaded when the first agent starts, and again when one starts after a change of the group
// or a new deployment.
type program struct {
	life.Program
	group      record.Group // as it was read
	once       sync.Once
	err        error
	deployment atomic.Pointer[string] // nil before it is loaded
}

// programOf returns a group's program. The error has kind NotFound when the group
// has no deployment.
func (h *Host) programOf(ctx context.Context, group string) (*program, error) {
	if group == "" {
		return nil, tandem.Errorf(tandem.NotFound, "the device is in no device group")
	}
	g, err := h.Store.Group(ctx, group)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	p := h.programs[group]
	if p == nil || p.group != g {
		p = &program{group: g}
		h.programs[group] = p
	}
	h.mu.Unlock()
	p.once.Do(func() { p.err = p.load(ctx, h.Store) })
	if p.err != nil {
		h.forgetProgram(group, p)
	}
	return p, p.err
}

// forgetProgram makes the host load a group's program again when it is needed next, if
// its current program is p; a nil p means any.
func (h *Host) forgetProgram(group string, p *program) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p == nil || h.programs[group] == p {
		delete(h.programs, group)
	}
}

func (p *program) load(ctx context.Context, s *store.Store) error {
	g := p.group
	if g.Current == "" {
		return tandem.Errorf(tandem.NotFound, "device group %s has no deployment", g.Name)
	}
	product, err := s.Product(ctx, g.Product)
	if err != nil {
		return err
	}
	d, err := s.Deployment(ctx, g.Current)
	if err != nil {
		return err
	}
	p.deployment.Store(&d.ID)
	p.Validate, p.Env = g.ValidateTLS, environment(product, g, d)
	return p.compile(ctx, s, d)
}

// compile includes the libraries on both sides and compiles the agent's code. A
// device compiles its own code, and reports errors itself.
func (p *program) compile(ctx context.Context, s *store.Store, d record.Deployment) error {
	code, err := imp.Include(ctx, tandem.AgentSide, d.AgentCode, s.LibraryCode)
	var bad *syntax.Error
	switch {
	case errors.As(err, &bad):
		p.AgentErr = err
	case err != nil:
		return err
	default:
		p.Agent, p.AgentErr = imp.Compile(tandem.AgentSide, []byte(code), p.Env)
	}
	p.Device, p.DeviceSHA = d.DeviceCode, d.DeviceSHA
	code, err = imp.Include(ctx, tandem.DeviceSide, d.DeviceCode, s.LibraryCode)
	switch {
	case errors.As(err, &bad):
	case err != nil:
		return err
	case code != d.DeviceCode:
		sum := sha256.Sum256([]byte(code))
		p.Device, p.DeviceSHA = code, hex.EncodeToString(sum[:])
	}
	p.Env = imp.Environment(p.Env).For(p.Device)
	return nil
}

// environment returns the values of the enums __EI and __VARS.
func environment(product record.Product, g record.Group, d record.Deployment) imp.Environment {
	env := imp.Environment{
		"PRODUCT_ID": product.ID, "PRODUCT_NAME": product.Name,
		"DEVICEGROUP_ID": g.ID, "DEVICEGROUP_NAME": g.Name, "DEVICEGROUP_TYPE": g.Type,
		"DEPLOYMENT_ID": d.ID, "DEPLOYMENT_SHA": d.SHA, "DEPLOYMENT_CREATED_AT": d.Created.UTC().Format(time.RFC3339Nano),
	}
	maps.Copy(env, imp.Variables(g.Env))
	return env
}
