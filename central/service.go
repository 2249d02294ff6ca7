// Package central is the control plane: all that a person can do with a fleet, as
// methods of Service, and over HTTP as the impCentral API v5 (Service.Handler),
// which existing clients of that API can use.
//
// Every command and every page goes through here. A Service checks its input,
// writes it to the store, and tells the host about the change, in that order, so
// that every change it has confirmed is durable.
package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/ingress"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/meter"
	"github.com/tandem-iot/tandem/squirrel/syntax"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// Host runs the agents. It is a node's own host, or the cluster, which reaches the
// hosts of all nodes.
type Host interface {
	// Online reports whether a device has a connection, Runs whether its agent runs.
	Online(id tandem.DeviceID) bool
	Runs(id tandem.DeviceID) bool
	// Deployed, Assigned and Deleted report a change in the store: the code of a
	// group, the group of a device, or the end of a device. Agents that have started with
	// the deployment do not restart; "" restarts all of the group.
	Deployed(ctx context.Context, group, deployment string) error
	Assigned(ctx context.Context, id tandem.DeviceID) error
	Deleted(id tandem.DeviceID)
	RestartAgent(ctx context.Context, id tandem.DeviceID) error
	RestartDevice(ctx context.Context, id tandem.DeviceID) error
}

// Service is the control plane of a node.
type Service struct {
	Store   *store.Store
	Host    Host
	Log     *logbook.Logbook
	URL     string // of the HTTP listener, without a final slash
	Local   string // its URL on this machine, if URL is that of a proxy
	Agents  ingress.Site
	Cluster Cluster // nil: the node is alone
	// Proxies are those whose word about their clients is believed.
	Proxies ingress.Proxies
	// Logins slows down those who guess keys; nil: it has its own.
	Logins     *admit.Logins
	DeviceAuth DeviceAuth // what devices must show; "": a key or a certificate
	// Room is how many bytes bodies of requests may take; 0: 128 MB.
	Room int64
	// Rate is how many requests an account can make in each second; 0: 200.
	Rate int
	// Fetcher makes the requests of webhooks; nil: they are not made.
	Fetcher Fetcher

	streams streams
	rates   rates
	places  places
	hooks   chan struct{}  // holds a token when there is something to deliver
	over    meter.Labelled // how often each limit was reached
	once    sync.Once
	pool    *admit.Pool[string] // bytes of bodies, by account
	// working has a place for each piece of long work under way, on half of the processors:
	// compilations, and the decoding of large bodies.
	working chan struct{}
	changed chan struct{}             // holds a token when credentials have changed here
	issuer  atomic.Pointer[authority] // nil: not needed yet
}

// Code is the source of both sides of a pair.
type Code struct{ Agent, Device string }

// Problem is a place where code does not compile. Line and Column count from 1.
type Problem struct {
	Side         tandem.Side
	File         string // "": the side's own code; else a library, or the file of a #line directive
	Line, Column int
	Text         string

	Plain   string         // Text in plain words; "" where it is plain
	Excerpt syntax.Excerpt // for people
}

// CompileError reports that code to be deployed does not compile.
type CompileError struct{ Problems []Problem }

func (e *CompileError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s code, ", p.Side)
		if p.File != "" {
			fmt.Fprintf(&b, "%s, ", p.File)
		}
		fmt.Fprintf(&b, "line %d, column %d: %s", p.Line, p.Column, p.Text)
	}
	return b.String()
}

// begin waits for a place to work for long, which finish gives back.
func (s *Service) begin(ctx context.Context) error {
	s.setUp()
	select {
	case s.working <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Service) finish() { <-s.working }

// check compiles both sides with their libraries. It returns a *CompileError if one
// of them does not compile.
func (s *Service) check(ctx context.Context, c Code, env imp.Environment) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.finish()
	var bad CompileError
	for _, part := range []struct {
		side tandem.Side
		src  string
	}{{tandem.AgentSide, c.Agent}, {tandem.DeviceSide, c.Device}} {
		text, err := imp.Include(ctx, part.side, part.src, s.Store.LibraryCode)
		if err == nil {
			_, err = imp.Compile(part.side, []byte(text), env)
		}
		var at *syntax.Error
		switch {
		case errors.As(err, &at):
			p := Problem{
				Side: part.side, Line: int(at.Pos.Line), Column: int(at.Pos.Col), Text: at.Msg,
				Plain: plainOf(at), Excerpt: at.Excerpt,
			}
			if at.File != imp.SourceName(part.side) {
				p.File = at.File
			}
			bad.Problems = append(bad.Problems, p)
		case err != nil:
			return err
		}
	}
	if bad.Problems != nil {
		return &bad
	}
	return nil
}

// Deployment describes a deployment to be made.
type Deployment struct {
	Code
	Group       string // id
	Creator     string // account
	Description string
	Origin      string
	Flagged     bool
	Tags        []string
}

// AddDeployment makes a deployment and makes it its group's current one. The
// devices of the group use it from their next restart; see Restart. The error is a
// *CompileError when the code does not compile.
func (s *Service) AddDeployment(ctx context.Context, d Deployment) (record.Deployment, error) {
	g, err := s.Store.Group(ctx, d.Group)
	if err != nil {
		return record.Deployment{}, err
	}
	if err := s.check(ctx, d.Code, imp.Variables(g.Env)); err != nil {
		return record.Deployment{}, err
	}
	record := record.Deployment{
		Group: d.Group, Creator: d.Creator, Description: d.Description, Origin: d.Origin, Tags: d.Tags,
		DeviceCode: d.Device, AgentCode: d.Agent,
	}
	if d.Flagged {
		record.Flagger = d.Creator
	}
	return s.Store.Deploy(ctx, record)
}

// Deploy makes a deployment and restarts the group's devices with it. It does
// nothing when the group has this code already.
func (s *Service) Deploy(ctx context.Context, group string, c Code) error {
	g, err := s.Store.Group(ctx, group)
	if err != nil {
		return err
	}
	if g.Current != "" {
		d, err := s.Store.Deployment(ctx, g.Current)
		if err != nil {
			return err
		}
		if d.AgentCode == c.Agent && d.DeviceCode == c.Device {
			return nil
		}
	}
	d, err := s.AddDeployment(ctx, Deployment{Code: c, Group: group})
	if err != nil {
		return err
	}
	return s.Host.Deployed(ctx, group, d.ID)
}

// EnsureGroup returns the operator's development device group with a name, in the
// product with a name. It makes both if they do not exist.
func (s *Service) EnsureGroup(ctx context.Context, product, name string) (record.Group, error) {
	owner, err := s.operator(ctx)
	if err != nil {
		return record.Group{}, err
	}
	p, err := s.ensureProduct(ctx, owner.ID, product)
	if err != nil {
		return record.Group{}, err
	}
	return ensure(func() (record.Group, error) {
		groups, _, err := s.Store.Groups(ctx, store.GroupFilter{Product: p.ID}, store.Page{})
		return called(name, groups, func(g record.Group) string { return g.Name }, err)
	}, func() (record.Group, error) {
		return s.Store.AddGroup(ctx, record.Group{
			Product: p.ID, Owner: owner.ID, Creator: owner.ID, Type: tandem.GroupDevelopment, Name: name,
		})
	})
}

func (s *Service) ensureProduct(ctx context.Context, owner, name string) (record.Product, error) {
	return ensure(func() (record.Product, error) {
		products, _, err := s.Store.Products(ctx, owner, store.Page{})
		return called(name, products, func(p record.Product) string { return p.Name }, err)
	}, func() (record.Product, error) {
		return s.Store.AddProduct(ctx, record.Product{Owner: owner, Creator: owner, Name: name})
	})
}

// ensure returns what find finds, and what add makes if that is NotFound. If another node
// has made it in between, add is in Conflict with it, and ensure returns that one.
func ensure[T any](find, add func() (T, error)) (T, error) {
	found, err := find()
	if tandem.KindOf(err) != tandem.NotFound {
		return found, err
	}
	made, err := add()
	if tandem.KindOf(err) == tandem.Conflict {
		return find()
	}
	return made, err
}

// called returns the one of a list that has a name.
func called[T any](name string, list []T, nameOf func(T) string, err error) (one T, _ error) {
	if err != nil {
		return one, err
	}
	for _, x := range list {
		if nameOf(x) == name {
			return x, nil
		}
	}
	return one, tandem.Errorf(tandem.NotFound, "there is no %s", name)
}

// operatorName is the account that owns the resources made by the node's own tools. It is the first
// administrator.
const operatorName = "operator"

// operator returns the operator's account. It has no password before it is given one: the node's
// tools authenticate themselves with the login key in its access file.
func (s *Service) operator(ctx context.Context) (store.Account, error) {
	return ensure(func() (store.Account, error) {
		return s.Store.AccountNamed(ctx, operatorName)
	}, func() (store.Account, error) {
		return s.Store.AddAccount(ctx, store.Account{
			Username: operatorName, Email: operatorName + "@localhost", Administrator: true,
		})
	})
}

// NewDevice describes a device to be made.
type NewDevice struct {
	Owner string // account; empty: the operator
	Name  string
	Group string // id; empty: unassigned
}

// AddDevice makes a device and returns it with its key.
// The key is not stored and cannot be retrieved later.
func (s *Service) AddDevice(ctx context.Context, d NewDevice) (record.Device, string, error) {
	made, keys, err := s.AddDevices(ctx, []NewDevice{d})
	if err != nil {
		return record.Device{}, "", err
	}
	return made[0], keys[0], nil
}

// AddDevices is AddDevice for many devices: it makes all of them or none.
func (s *Service) AddDevices(ctx context.Context, list []NewDevice) ([]record.Device, []string, error) {
	operator, err := s.operator(ctx)
	if err != nil {
		return nil, nil, err
	}
	keys := make([]string, len(list))
	records := make([]record.Device, len(list))
	for i, d := range list {
		keys[i] = tandem.NewKey()
		records[i] = record.Device{
			Owner: cmp.Or(d.Owner, operator.ID), Group: d.Group, Name: d.Name, KeyHash: record.Hash(keys[i]),
		}
	}
	made, err := s.Store.AddDevices(ctx, records)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range made {
		if d.Group == "" {
			continue
		}
		if err := s.Host.Assigned(ctx, d.ID); err != nil {
			return nil, nil, err
		}
	}
	return made, keys, nil
}

// Assign puts a device into a device group, with whose code its agent starts, or takes it out
// of its group if group is "".
func (s *Service) Assign(ctx context.Context, id tandem.DeviceID, group string) error {
	return s.assignBy(ctx, id, group, "")
}

func (s *Service) assignBy(ctx context.Context, id tandem.DeviceID, group, actor string) error {
	if _, err := s.Store.AssignBy(ctx, id, group, actor); err != nil {
		return err
	}
	return s.Host.Assigned(ctx, id)
}

// Delete deletes a device with its log and its agent's state. The device must be in no group.
func (s *Service) Delete(ctx context.Context, id tandem.DeviceID) error {
	if err := s.Store.DeleteDevice(ctx, id); err != nil {
		return err
	}
	s.Host.Deleted(id)
	return s.Log.Forget(ctx, id)
}

// Knows reports whether there is a device with an id.
func (s *Service) Knows(ctx context.Context, id tandem.DeviceID) bool {
	_, err := s.Store.Device(ctx, id)
	return err == nil
}

// AgentURL returns the address of a device's agent.
func (s *Service) AgentURL(ctx context.Context, id tandem.DeviceID) (string, error) {
	d, err := s.Store.Device(ctx, id)
	if err != nil {
		return "", err
	}
	return s.Agents.URL(d.Agent), nil
}

// newLoginKey returns a login key: 16 characters of [0-9a-z].
func newLoginKey() string {
	const alphabet = "0123456789abcdefghijklmnopqrstuv"
	var b [16]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b[:])
}
