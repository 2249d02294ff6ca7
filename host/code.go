package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/syntax"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// program is what the devices of a group run, compiled once for all of them.
// It is looked up when the first agent starts, and again after Deployed.
type program struct {
	once       sync.Once
	err        error
	deployment record.Deployment
	env        imp.Environment
	agent      *compile.Program
	agentErr   error  // it does not compile
	validate   bool   // agents' requests verify servers unless they say otherwise
	device     string // code with its libraries
	deviceSHA  string // of device
}

// programOf returns a group's program. The error says NotFound when the group
// has no deployment.
func (h *Host) programOf(ctx context.Context, group string) (*program, error) {
	if group == "" {
		return nil, tandem.Errorf(tandem.NotFound, "the device is in no device group")
	}
	h.mu.Lock()
	p := h.programs[group]
	if p == nil {
		p = &program{}
		h.programs[group] = p
	}
	h.mu.Unlock()
	p.once.Do(func() { p.err = p.load(ctx, h.Store, group) })
	if p.err != nil {
		h.forgetProgram(group, p)
	}
	return p, p.err
}

// forgetProgram has a group's program looked up anew; p nil means whichever
// it is.
func (h *Host) forgetProgram(group string, p *program) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p == nil || h.programs[group] == p {
		delete(h.programs, group)
	}
}

func (p *program) load(ctx context.Context, s *store.Store, group string) error {
	g, err := s.Group(ctx, group)
	if err != nil {
		return err
	}
	if g.Current == "" {
		return tandem.Errorf(tandem.NotFound, "device group %s has no deployment", g.Name)
	}
	product, err := s.Product(ctx, g.Product)
	if err != nil {
		return err
	}
	if p.deployment, err = s.Deployment(ctx, g.Current); err != nil {
		return err
	}
	p.validate = g.ValidateTLS
	p.env = environment(product, g, p.deployment)
	if err := p.compile(ctx, s); err != nil {
		return err
	}
	p.deployment.AgentCode, p.deployment.DeviceCode = "", "" // the sources are not needed any more
	return nil
}

// compile includes the libraries on both sides and compiles the agent's. A
// device compiles its own, and can say what is wrong with it.
func (p *program) compile(ctx context.Context, s *store.Store) error {
	d := &p.deployment
	code, err := imp.Include(ctx, tandem.AgentSide, d.AgentCode, s.LibraryCode)
	var bad *syntax.Error
	switch {
	case errors.As(err, &bad):
		p.agentErr = err
	case err != nil:
		return err
	default:
		p.agent, p.agentErr = imp.Compile(tandem.AgentSide, []byte(code), p.env)
	}
	p.device, p.deviceSHA = d.DeviceCode, d.DeviceSHA
	code, err = imp.Include(ctx, tandem.DeviceSide, d.DeviceCode, s.LibraryCode)
	switch {
	case errors.As(err, &bad):
	case err != nil:
		return err
	case code != d.DeviceCode:
		sum := sha256.Sum256([]byte(code))
		p.device, p.deviceSHA = code, hex.EncodeToString(sum[:])
	}
	return nil
}

// environment is what a program sees as the enum __EI.
func environment(product record.Product, g record.Group, d record.Deployment) imp.Environment {
	return imp.Environment{
		"PRODUCT_ID": product.ID, "PRODUCT_NAME": product.Name,
		"DEVICEGROUP_ID": g.ID, "DEVICEGROUP_NAME": g.Name, "DEVICEGROUP_TYPE": g.Type,
		"DEPLOYMENT_ID": d.ID, "DEPLOYMENT_SHA": d.SHA, "DEPLOYMENT_CREATED_AT": d.Created.UTC().Format(time.RFC3339Nano),
	}
}

// program returns what the pair's sides are to run.
func (p *pair) program(ctx context.Context) (*program, error) {
	p.mu.Lock()
	group, known := p.group, p.grouped
	p.mu.Unlock()
	if !known {
		d, err := p.host.Store.Device(ctx, p.device)
		if err != nil {
			return nil, err
		}
		group = d.Group
		p.mu.Lock()
		p.group, p.grouped = group, true
		p.mu.Unlock()
	}
	return p.host.programOf(ctx, group)
}
