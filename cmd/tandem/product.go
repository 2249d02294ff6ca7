package main

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem/central/client"
)

type productCmd struct {
	List   productListCmd   `cmd:"" help:"List the products."`
	Show   productShowCmd   `cmd:"" help:"Show a product."`
	Add    productAddCmd    `cmd:"" help:"Make a product and print its id."`
	Change productChangeCmd `cmd:"" help:"Change the name or the description of a product."`
	Remove productRemoveCmd `cmd:"" help:"Remove a product, which must have no device groups."`
}

type productListCmd struct {
	nodeFlags
	listFlags
}

func (c *productListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	all, err := n.allProducts(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := n.name(ctx, p.Owner, p.Creator); err != nil {
			return err
		}
	}
	return listed(s, c.listFlags, all, []column[client.Product]{
		{"product", func(p client.Product) string { return p.ID }},
		{"name", func(p client.Product) string { return p.Name }},
		{"owner", func(p client.Product) string { return called(p.Owner) }},
		{"created", func(p client.Product) string { return at(p.CreatedAt) }},
		{"description", func(p client.Product) string { return p.Description }},
	})
}

// at shows a time that is never missing.
func at(t time.Time) string { return when(&t) }

type productShowCmd struct {
	nodeFlags
	Product string `arg:"" help:"Name or id of the product."`
}

func (c *productShowCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	p, err := n.product(ctx, c.Product)
	if err != nil {
		return err
	}
	if err := n.name(ctx, p.Owner, p.Creator); err != nil {
		return err
	}
	return described(s, p, p.ID)
}

type productAddCmd struct {
	nodeFlags
	Description string `placeholder:"TEXT" help:"What it is, for people."`
	Name        string `arg:"" help:"Name of the product."`
}

func (c *productAddCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	p, err := n.AddProduct(ctx, client.ProductChange{Name: &c.Name, Description: &c.Description})
	if err != nil {
		return err
	}
	return s.made(p, p.ID)
}

type productChangeCmd struct {
	nodeFlags
	Name        *string `placeholder:"NAME" help:"Another name."`
	Description *string `placeholder:"TEXT" help:"Another description."`
	Product     string  `arg:"" help:"Name or id of the product."`
}

func (c *productChangeCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	p, err := n.product(ctx, c.Product)
	if err != nil {
		return err
	}
	if p, err = n.ChangeProduct(ctx, p.ID, client.ProductChange{Name: c.Name, Description: c.Description}); err != nil {
		return err
	}
	return s.made(p, p.ID)
}

type productRemoveCmd struct {
	nodeFlags
	yesFlag
	Product string `arg:"" help:"Name or id of the product."`
}

func (c *productRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	p, err := n.product(ctx, c.Product)
	if err != nil {
		return err
	}
	remove := func() error { return n.RemoveProduct(ctx, p.ID) }
	return c.remove(s, p.ID, remove, "This removes product %s from %s", p.Name, n.Node())
}
