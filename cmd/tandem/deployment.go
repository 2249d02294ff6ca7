package main

import (
	"context"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

type deploymentCmd struct {
	List   deploymentListCmd   `cmd:"" help:"List the deployments, the newest first."`
	Show   deploymentShowCmd   `cmd:"" help:"Show a deployment, without its code."`
	Code   deploymentCodeCmd   `cmd:"" help:"Print the code of a deployment."`
	Change deploymentChangeCmd `cmd:"" help:"Change the description, the flag or the tags of a deployment."`
	Remove deploymentRemoveCmd `cmd:"" help:"${help_deployment_remove}"`
}

// deployment returns the deployment with an id.
func (n *node) deployment(ctx context.Context, id string) (client.Deployment, error) {
	d, err := n.Deployment(ctx, id)
	if id == "" || tandem.KindOf(err) == tandem.NotFound {
		return d, unknown("deployment", id, nil, "tandem deployment list shows all")
	}
	return d, err
}

type deploymentListCmd struct {
	nodeFlags
	listFlags
	Product string   `placeholder:"PRODUCT" help:"Only those of this product."`
	Group   string   `placeholder:"GROUP" help:"Only those of this device group."`
	Tag     []string `placeholder:"TEXT" help:"Only those with this tag; may be given more than once."`
	Flagged bool     `help:"Only those that are flagged."`
}

func (c *deploymentListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	f := client.DeploymentFilter{Tags: strings.Join(c.Tag, ",")}
	if f.Product, f.Group, err = n.selected(ctx, c.Product, c.Group); err != nil {
		return err
	}
	if c.Flagged {
		f.Flagged = "true"
	}
	all, err := collect(s, "deployments", n.Deployments(ctx, f))
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := n.name(ctx, d.Product, d.Group, d.Owner, d.Creator, d.Flagger); err != nil {
			return err
		}
	}
	return listed(s, c.listFlags, all, []column[client.Deployment]{
		{"deployment", func(d client.Deployment) string { return d.ID }},
		{"product", func(d client.Deployment) string { return called(d.Product) }},
		{"group", func(d client.Deployment) string { return called(d.Group) }},
		{"created", func(d client.Deployment) string { return at(d.CreatedAt) }},
		{"by", func(d client.Deployment) string { return called(d.Creator) }},
		{"sha", func(d client.Deployment) string { return d.SHA[:min(12, len(d.SHA))] }},
		{"flagged", func(d client.Deployment) string { return yesNo(d.Flagged) }},
		{"tags", func(d client.Deployment) string { return strings.Join(d.Tags, ",") }},
		{"description", func(d client.Deployment) string { return d.Description }},
	})
}

// selected returns the ids of the product and the device group that flags name; "" for all.
func (n *node) selected(ctx context.Context, product, group string) (p, g string, err error) {
	if product != "" {
		found, err := n.product(ctx, product)
		if err != nil {
			return "", "", err
		}
		p = found.ID
	}
	if group != "" {
		found, err := n.group(ctx, p, group)
		if err != nil {
			return "", "", err
		}
		g = found.ID
	}
	return p, g, nil
}

// oneDeployment is the argument of a command for one deployment.
type oneDeployment struct {
	nodeFlags
	Deployment string `arg:"" help:"Id of the deployment."`
}

func (c *oneDeployment) dialDeployment(ctx context.Context, s *streams) (*node, client.Deployment, error) {
	n, err := c.dial(ctx, s)
	if err != nil {
		return nil, client.Deployment{}, err
	}
	d, err := n.deployment(ctx, c.Deployment)
	if err != nil {
		return nil, d, err
	}
	return n, d, n.name(ctx, d.Product, d.Group, d.Owner, d.Creator, d.Flagger)
}

type deploymentShowCmd struct{ oneDeployment }

func (c *deploymentShowCmd) Run(ctx context.Context, s *streams) error {
	_, d, err := c.dialDeployment(ctx, s)
	if err != nil {
		return err
	}
	d.AgentCode, d.DeviceCode = nil, nil
	return described(s, d, d.ID)
}

type deploymentCodeCmd struct {
	oneDeployment
	Side string `arg:"" enum:"agent,device" help:"Whose code: agent or device."`
}

func (c *deploymentCodeCmd) Run(ctx context.Context, s *streams) error {
	_, d, err := c.dialDeployment(ctx, s)
	if err != nil {
		return err
	}
	code := d.AgentCode
	if c.Side == "device" {
		code = d.DeviceCode
	}
	if code == nil {
		return tandem.Errorf(tandem.NotFound, "the node has sent deployment %s without its code", d.ID)
	}
	return s.result(map[string]string{"id": d.ID, "side": c.Side, "code": *code}, *code)
}

type deploymentChangeCmd struct {
	oneDeployment
	Description *string  `placeholder:"TEXT" help:"Another description."`
	Flagged     *bool    `negatable:"" help:"Flag it, so that it cannot be removed; --no-flagged takes the flag away."`
	Tag         []string `placeholder:"TEXT" help:"Add a tag; may be given more than once."`
	Untag       []string `placeholder:"TEXT" help:"Take a tag away; may be given more than once."`
}

func (c *deploymentChangeCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDeployment(ctx, s)
	if err != nil {
		return err
	}
	change := client.DeploymentChange{Description: c.Description, Flagged: c.Flagged}
	if len(c.Tag)+len(c.Untag) > 0 {
		tags := []string{}
		for _, tag := range append(d.Tags, c.Tag...) {
			if !slices.Contains(c.Untag, tag) && !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
		for _, tag := range c.Untag {
			if !slices.Contains(d.Tags, tag) {
				return unknown("tag", tag, d.Tags, "the deployment has not got it")
			}
		}
		change.Tags = &tags
	}
	if d, err = n.ChangeDeployment(ctx, d.ID, change); err != nil {
		return err
	}
	d.AgentCode, d.DeviceCode = nil, nil
	return s.made(d, d.ID)
}

type deploymentRemoveCmd struct {
	oneDeployment
	yesFlag
}

func (c *deploymentRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDeployment(ctx, s)
	if err != nil {
		return err
	}
	remove := func() error { return n.RemoveDeployment(ctx, d.ID) }
	return c.remove(s, d.ID, remove, "This removes deployment %s of device group %s from %s",
		d.ID, called(d.Group), n.Node())
}
