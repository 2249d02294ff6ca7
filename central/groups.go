package central

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// groupSuffix is the API's suffix of a device group's type.
const groupSuffix = "_devicegroup"

// groupKinds are the types of device groups, without the suffix.
var groupKinds = []string{
	tandem.GroupDevelopment, tandem.GroupPreProduction, tandem.GroupProduction, tandem.GroupPreFactory,
	tandem.GroupFactory, tandem.GroupPreDUT, tandem.GroupDUT,
}

// groupTypes are groupKinds as the API spells them, and devicegroup, which stands for any in a
// relationship.
var groupTypes = func() (list []string) {
	for _, kind := range groupKinds {
		list = append(list, kind+groupSuffix)
	}
	return list
}()

var anyGroup = append(slices.Clone(groupTypes), "devicegroup")

func errGroupType(text string) error {
	return tandem.Errorf(tandem.Invalid, "%q is no type of a device group; the types are %s", text,
		strings.Join(groupTypes, ", "))
}

// targetKinds are the types of the groups for which a fixture's devices are made.
var targetKinds = map[string]struct{ production, dut string }{
	tandem.GroupFactory:    {tandem.GroupProduction, tandem.GroupDUT},
	tandem.GroupPreFactory: {tandem.GroupPreProduction, tandem.GroupPreDUT},
}

// ships reports whether devices of a type of group are those of customers.
func ships(kind string) bool {
	return kind == tandem.GroupProduction || kind == tandem.GroupPreProduction
}

// groupRef is a relationship to a group, whose type is the concrete one. It is empty when the
// group is no more.
func (c *call) groupRef(id string) (ref, error) {
	g, err := c.group(id)
	if tandem.KindOf(err) == tandem.NotFound || id == "" {
		return ref{}, nil
	}
	return ref{g.Type + groupSuffix, g.ID}, err
}

func (c *call) showGroup(g record.Group) (object, error) {
	env := json.RawMessage(g.Env)
	if len(env) == 0 {
		env = json.RawMessage("{}")
	}
	attributes := map[string]any{
		"name": g.Name, "description": g.Description, "env_vars": env, "validate_tls": g.ValidateTLS,
		"created_at": stamp(g.Created), "updated_at": stamp(g.Updated), "region": nil,
	}
	if g.Region != "" {
		attributes["region"] = g.Region
	}
	if ships(g.Type) {
		attributes["load_code_after_blessing"] = g.LoadAfterBlessing
	}
	production, err := c.groupRef(g.ProductionTarget)
	if err != nil {
		return object{}, err
	}
	dut, err := c.groupRef(g.DUTTarget)
	return object{
		Type: g.Type + groupSuffix, ID: g.ID, Links: c.self("devicegroups", g.ID), Attributes: attributes,
		Relationships: refs(map[string]ref{
			"product":                  {"product", g.Product},
			"owner":                    {"account", g.Owner},
			"creator":                  {"account", g.Creator},
			"current_deployment":       {"deployment", g.Current},
			"min_supported_deployment": {"deployment", g.MinSupported},
			"production_target":        production,
			"dut_target":               dut,
		}),
	}, err
}

func (c *call) sendGroup(status int, g record.Group) error {
	o, err := c.showGroup(g)
	if err != nil {
		return err
	}
	return c.sendObject(status, o)
}

// sendObjects sends one page of a list whose objects take look-ups to show.
func sendObjects[T any](c *call, number int, p store.Page, next int, list []T, show func(T) (object, error)) error {
	shown := make([]object, len(list))
	for i, x := range list {
		var err error
		if shown[i], err = show(x); err != nil {
			return err
		}
	}
	return sendList(c, number, p, next, shown, func(o object) any { return o })
}

func (c *call) listGroups() error {
	kind, err := c.filterType("type")
	if err != nil {
		return err
	}
	in, err := c.seenWithin("owner.id")
	if err != nil {
		return err
	}
	if len(in) == 0 {
		return c.sendNone()
	}
	number, page := c.page()
	list, next, err := c.Store.Groups(c.ctx, store.GroupFilter{In: in, Type: kind}, page)
	if err != nil {
		return err
	}
	return sendObjects(c, number, page, next, list, c.showGroup)
}

// groupWishes are the attributes of a device group that can be set.
type groupWishes struct {
	Name, Description, Region *string
	Env                       json.RawMessage `json:"env_vars"`
	LoadAfterBlessing         *bool           `json:"load_code_after_blessing"`
	ValidateTLS               *bool           `json:"validate_tls"`
}

// set edits a group as its owner wants.
func (w groupWishes) set(g *record.Group) error {
	if w.Name != nil {
		g.Name = *w.Name
	}
	if w.Description != nil {
		g.Description = *w.Description
	}
	if w.Region != nil {
		if !ships(g.Type) && *w.Region != "" {
			return tandem.Errorf(tandem.Invalid, "only (pre_)production groups have a region")
		}
		g.Region = *w.Region
	}
	if w.LoadAfterBlessing != nil {
		if !ships(g.Type) {
			return tandem.Errorf(tandem.Invalid, "only (pre_)production groups have load_code_after_blessing")
		}
		g.LoadAfterBlessing = *w.LoadAfterBlessing
	}
	if w.ValidateTLS != nil {
		g.ValidateTLS = *w.ValidateTLS
	}
	if env := bytes.TrimSpace(w.Env); len(env) > 0 && string(env) != "null" {
		switch {
		case env[0] != '{':
			return tandem.Errorf(tandem.Invalid, "env_vars must be an object")
		case len(env) > largestEnv:
			return tandem.Errorf(tandem.Invalid, "env_vars can have at most %d bytes", largestEnv)
		}
		g.Env = string(env)
	}
	return cmp.Or(checkName("device group", g.Name), checkText("description", g.Description, longestDescription),
		checkText("region", g.Region, longestName), checkText("value of env_vars", g.Env, largestEnv))
}

// groupShape is that of a group in a request.
func groupShape(kinds ...string) shape {
	s := shape{related: map[string][]string{
		"product":           {"product"},
		"production_target": {tandem.GroupProduction + groupSuffix, tandem.GroupPreProduction + groupSuffix, "devicegroup"},
		"dut_target":        {tandem.GroupDUT + groupSuffix, tandem.GroupPreDUT + groupSuffix, "devicegroup"},
	}}
	for _, kind := range kinds {
		s.types = append(s.types, kind+groupSuffix)
	}
	return s
}

func (c *call) addGroup() error {
	var in groupWishes
	body, err := c.readAs(groupShape(groupKinds...), &in)
	if err != nil {
		return err
	}
	kind := strings.TrimSuffix(body.Data.Type, groupSuffix)
	if kind == "" {
		return errGroupType(body.Data.Type)
	}
	g := record.Group{Creator: c.account.ID, Type: kind, LoadAfterBlessing: ships(kind)}
	if err := in.set(&g); err != nil {
		return err
	}
	p, err := c.product(body.Data.Relationships["product"].ID)
	if err != nil {
		return err
	}
	g.Product = p.ID
	if err := c.setTargets(&g, body.Data.Relationships); err != nil {
		return err
	}
	if t, ok := targetKinds[kind]; ok && (g.ProductionTarget == "" || g.DUTTarget == "") {
		const msg = "a %s needs the relationships production_target, to a %s, and dut_target, to a %s"
		return tandem.Errorf(tandem.Invalid, msg, kind+groupSuffix, t.production+groupSuffix, t.dut+groupSuffix)
	}
	if g, err = c.Store.AddGroup(c.ctx, g); err != nil {
		return err
	}
	return c.sendGroup(http.StatusCreated, g)
}

// setTargets sets the groups for which a fixture's devices are made.
func (c *call) setTargets(g *record.Group, related map[string]ref) error {
	kinds, fixture := targetKinds[g.Type]
	for _, t := range []struct {
		name, kind string
		into       *string
	}{{"production_target", kinds.production, &g.ProductionTarget}, {"dut_target", kinds.dut, &g.DUTTarget}} {
		r, ok := related[t.name]
		if !ok {
			continue
		}
		if !fixture {
			return tandem.Errorf(tandem.Invalid, "only fixtures have a %s", t.name)
		}
		target, err := c.ownGroup(r.ID)
		switch {
		case err != nil:
			return err
		case target.Type != t.kind:
			return tandem.Errorf(tandem.Invalid, "the %s of a %s must be a %s, and %s is a %s", t.name,
				g.Type+groupSuffix, t.kind+groupSuffix, target.Name, target.Type+groupSuffix)
		case target.Product != g.Product:
			return tandem.Errorf(tandem.Invalid, "the %s must be in the same product", t.name)
		}
		*t.into = target.ID
	}
	return nil
}

func (c *call) getGroup() error {
	g, err := c.ownGroup(c.arg(1))
	if err != nil {
		return err
	}
	return c.sendGroup(http.StatusOK, g)
}

// changeGroup edits a device group. Agents get the changes when they start next.
func (c *call) changeGroup() error {
	g, err := c.ownGroup(c.arg(1))
	if err != nil {
		return err
	}
	var in groupWishes
	s := groupShape(g.Type)
	s.types = append(s.types, "devicegroup")
	delete(s.related, "product")
	body, err := c.readAs(s, &in)
	if err != nil {
		return err
	}
	targets := g
	if err := c.setTargets(&targets, body.Data.Relationships); err != nil {
		return err
	}
	g, err = c.Store.ChangeGroup(c.ctx, g.ID, func(g *record.Group) error {
		g.ProductionTarget, g.DUTTarget = targets.ProductionTarget, targets.DUTTarget
		return in.set(g)
	})
	if err != nil {
		return err
	}
	return c.sendGroup(http.StatusOK, g)
}

func (c *call) deleteGroup() error {
	g, err := c.ownGroup(c.arg(1))
	if err != nil {
		return err
	}
	if err := c.Store.DeleteGroup(c.ctx, g.ID); err != nil {
		return err
	}
	return c.noContent()
}

// restartGroup restarts both sides of all pairs of a group, with its current
// deployment.
func (c *call) restartGroup() error {
	g, err := c.ownGroup(c.arg(1))
	if err != nil {
		return err
	}
	if err := c.act(g.ID); err != nil {
		return err
	}
	if err := c.Host.Deployed(c.ctx, g.ID, ""); err != nil {
		return err
	}
	return c.noContent()
}

// setMinSupported sets the oldest deployment of a group that its devices may run.
func (c *call) setMinSupported() error {
	g, err := c.ownGroup(c.arg(1))
	if err != nil {
		return err
	}
	var in struct {
		Data ref `json:"data"`
	}
	if err := c.readJSON(&in); err != nil {
		return err
	}
	if in.Data.ID == "" || in.Data.Type != "" && in.Data.Type != "deployment" {
		return tandem.Errorf(tandem.Invalid, `name the deployment: {"data": {"type": "deployment", "id": "…"}}`)
	}
	if err := c.Store.SetMinSupported(c.ctx, g.ID, in.Data.ID); err != nil {
		return err
	}
	return c.noContent()
}

// eachDevice calls do for each device of the request's list. As the API requires,
// it is not atomic: failures are reported after the last device.
func (c *call) eachDevice(do func(record.Device, record.Group) error) error {
	var in struct {
		Data []ref `json:"data"`
	}
	if err := c.readJSON(&in); err != nil {
		return err
	}
	if len(in.Data) == 0 {
		return tandem.Errorf(tandem.Invalid, `list the devices: {"data": [{"type": "device", "id": "…"}]}`)
	}
	for _, r := range in.Data {
		if r.Type != "" && r.Type != "device" {
			return tandem.Errorf(tandem.Invalid, "the type here is device, not %q", r.Type)
		}
	}
	g, err := c.ownGroup(c.arg(1))
	if err != nil {
		return err
	}
	var failed []failure
	for _, r := range in.Data {
		d, err := c.device(r.ID)
		if err == nil {
			err = do(d, g)
		}
		if err != nil {
			failed = append(failed, failureOf(err))
		}
	}
	if failed != nil {
		c.failWith(http.StatusBadRequest, failed...)
		return nil
	}
	return c.noContent()
}

func (c *call) assignDevices() error {
	return c.eachDevice(func(d record.Device, g record.Group) error {
		if d.Owner != g.Owner {
			return tandem.Errorf(tandem.Invalid, "device %s and the device group belong to different accounts", d.ID)
		}
		if d.Group == g.ID { // then it is a restart
			if err := c.act(string(d.ID)); err != nil {
				return err
			}
		}
		if err := c.assignBy(c.ctx, d.ID, g.ID, c.account.ID); err != nil {
			return err
		}
		if ships(g.Type) && d.Group != g.ID {
			return c.fire(c.ctx, g.ID, eventBlessing, map[string]any{"device_id": d.ID, "imp_id": d.ID})
		}
		return nil
	})
}

func (c *call) unassignDevices() error {
	return c.eachDevice(func(d record.Device, g record.Group) error {
		if d.Group != g.ID {
			return tandem.Errorf(tandem.NotFound, "device %s is not in this device group", d.ID)
		}
		return c.assignBy(c.ctx, d.ID, "", c.account.ID)
	})
}
