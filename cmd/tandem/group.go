package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

type groupCmd struct {
	List    groupListCmd    `cmd:"" help:"List the device groups."`
	Show    groupShowCmd    `cmd:"" help:"Show a device group."`
	Add     groupAddCmd     `cmd:"" help:"Make a device group and print its id."`
	Change  groupChangeCmd  `cmd:"" help:"${help_group_change}"`
	Remove  groupRemoveCmd  `cmd:"" help:"${help_group_remove}"`
	Restart groupRestartCmd `cmd:"" help:"Restart all pairs of a device group, with its current deployment."`
}

// oneGroup is the argument of a command for one device group.
type oneGroup struct {
	nodeFlags
	Product string `placeholder:"PRODUCT" help:"${help_group_product}"`
	Group   string `arg:"" help:"Name or id of the device group."`
}

func (c *oneGroup) dialGroup(ctx context.Context, s *streams) (*node, client.Group, error) {
	n, err := c.dial(ctx, s)
	if err != nil {
		return nil, client.Group{}, err
	}
	g, err := n.group(ctx, c.Product, c.Group)
	if err != nil {
		return nil, client.Group{}, err
	}
	return n, g, n.name(ctx, g.Product)
}

// groupKind is the type of a device group as people write it.
func groupKind(g client.Group) string { return strings.TrimSuffix(g.Type, "_"+groupSuffix) }

type groupListCmd struct {
	nodeFlags
	listFlags
	Product string `placeholder:"PRODUCT" help:"Only those of this product."`
}

func (c *groupListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	var f client.GroupFilter
	if c.Product != "" {
		p, err := n.product(ctx, c.Product)
		if err != nil {
			return err
		}
		f.Product = p.ID
	}
	all, err := collect(s, "device groups", n.Groups(ctx, f))
	if err != nil {
		return err
	}
	n.groups = all
	for _, g := range all {
		if err := n.name(ctx, g.Product, g.Owner, g.Creator, g.ProductionTarget, g.DUTTarget); err != nil {
			return err
		}
	}
	return listed(s, c.listFlags, all, []column[client.Group]{
		{"group", func(g client.Group) string { return g.ID }},
		{"name", func(g client.Group) string { return g.Name }},
		{"product", func(g client.Group) string { return called(g.Product) }},
		{"type", groupKind},
		{"deployment", func(g client.Group) string { return called(g.CurrentDeployment) }},
		{"created", func(g client.Group) string { return at(g.CreatedAt) }},
		{"description", func(g client.Group) string { return g.Description }},
	})
}

type groupShowCmd struct{ oneGroup }

func (c *groupShowCmd) Run(ctx context.Context, s *streams) error {
	n, g, err := c.dialGroup(ctx, s)
	if err != nil {
		return err
	}
	if err := n.name(ctx, g.Owner, g.Creator, g.ProductionTarget, g.DUTTarget); err != nil {
		return err
	}
	return described(s, g, g.ID)
}

// groupSettings are what can be said of a device group.
type groupSettings struct {
	Description      *string           `placeholder:"TEXT" help:"What it is, for people."`
	Region           *string           `placeholder:"TEXT" help:"Where its devices are, for people (production types)."`
	ValidateTLS      *bool             `name:"validate-tls" negatable:"" help:"${help_validate_tls}"`
	Env              map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"${help_env}"`
	ProductionTarget string            `placeholder:"GROUP" help:"${help_production_target}"`
	DUTTarget        string            `name:"dut-target" placeholder:"GROUP" help:"${help_dut_target}"`
}

// change returns the settings as the API takes them. had are the environment variables that the
// group has.
func (c groupSettings) change(ctx context.Context, n *node, product string, had json.RawMessage) (
	g client.GroupChange, err error,
) {
	g = client.GroupChange{Description: c.Description, Region: c.Region, ValidateTLS: c.ValidateTLS}
	if len(c.Env) > 0 {
		if g.Env, err = changedEnv(had, c.Env); err != nil {
			return g, err
		}
	}
	if c.ProductionTarget != "" {
		target, err := n.group(ctx, product, c.ProductionTarget)
		if err != nil {
			return g, err
		}
		g.ProductionTarget = target.ID
	}
	if c.DUTTarget != "" {
		target, err := n.group(ctx, product, c.DUTTarget)
		if err != nil {
			return g, err
		}
		g.DUTTarget = target.ID
	}
	return g, nil
}

// changedEnv sets environment variables. A value that is JSON is taken as that, others are strings;
// an empty one takes the variable away.
func changedEnv(had json.RawMessage, set map[string]string) (json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if len(had) > 0 {
		if err := json.Unmarshal(had, &all); err != nil {
			return nil, err
		}
	}
	for name, text := range set {
		switch value := []byte(text); {
		case name == "":
			return nil, tandem.Errorf(tandem.Invalid, "--env =%s: a variable needs a name", text)
		case text == "":
			delete(all, name)
		case json.Valid(value):
			all[name] = value
		default:
			quoted, err := json.Marshal(text)
			if err != nil {
				return nil, err
			}
			all[name] = quoted
		}
	}
	return json.Marshal(all)
}

type groupAddCmd struct {
	nodeFlags
	groupSettings
	Product string `placeholder:"PRODUCT" default:"dev" help:"Name or id of its product (${default})."`
	Type    string `placeholder:"TYPE" enum:"${group_types}" default:"development" help:"${help_group_type}"`
	Name    string `arg:"" help:"Name of the device group."`
}

func (c *groupAddCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	p, err := n.product(ctx, c.Product)
	if err != nil {
		return err
	}
	change, err := c.change(ctx, n, p.ID, nil)
	if err != nil {
		return err
	}
	change.Name = &c.Name
	g, err := n.AddGroup(ctx, p.ID, c.Type+"_"+groupSuffix, change)
	if err != nil {
		return err
	}
	return s.made(g, g.ID)
}

type groupChangeCmd struct {
	oneGroup
	groupSettings
	Name              *string `placeholder:"NAME" help:"Another name."`
	LoadAfterBlessing *bool   `name:"load-code-after-blessing" negatable:"" help:"${help_load_after_blessing}"`
	MinSupported      string  `placeholder:"DEPLOYMENT" help:"${help_min_supported}"`
}

func (c *groupChangeCmd) Run(ctx context.Context, s *streams) error {
	n, g, err := c.dialGroup(ctx, s)
	if err != nil {
		return err
	}
	if c.MinSupported != "" {
		d, err := n.deployment(ctx, c.MinSupported)
		if err != nil {
			return err
		}
		if err := n.SetMinSupported(ctx, g.ID, d.ID); err != nil {
			return err
		}
	}
	change, err := c.change(ctx, n, g.Product.ID, g.Env)
	if err != nil {
		return err
	}
	change.Name, change.LoadAfterBlessing = c.Name, c.LoadAfterBlessing
	if g, err = n.ChangeGroup(ctx, g.ID, change); err != nil {
		return err
	}
	return s.made(g, g.ID)
}

type groupRemoveCmd struct {
	oneGroup
	yesFlag
}

func (c *groupRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, g, err := c.dialGroup(ctx, s)
	if err != nil {
		return err
	}
	remove := func() error { return n.RemoveGroup(ctx, g.ID) }
	return c.remove(s, g.ID, remove, "This removes device group %s of product %s, and its deployments, from %s",
		g.Name, called(g.Product), n.Node())
}

type groupRestartCmd struct {
	oneGroup
	Conditional bool `help:"Tell the code that runs, by server.onshutdown, which can choose the time."`
}

func (c *groupRestartCmd) Run(ctx context.Context, s *streams) error {
	n, g, err := c.dialGroup(ctx, s)
	if err != nil {
		return err
	}
	restart := n.RestartGroup
	if c.Conditional {
		restart = n.RestartGroupConditionally
	}
	if err := restart(ctx, g.ID); err != nil {
		return err
	}
	return s.made(g, g.ID)
}

// groupTypes are the types of device groups as people write them.
var groupTypes = []string{
	tandem.GroupDevelopment, tandem.GroupPreProduction, tandem.GroupProduction, tandem.GroupPreFactory,
	tandem.GroupFactory, tandem.GroupPreDUT, tandem.GroupDUT,
}
