package central

import (
	"cmp"
	"net/http"

	"github.com/tandem-iot/tandem/store/record"
)

func (c *call) showProduct(p record.Product) any {
	return object{
		Type: "product", ID: p.ID, Links: c.self("products", p.ID),
		Attributes: map[string]any{
			"name": p.Name, "description": p.Description, "created_at": stamp(p.Created), "updated_at": stamp(p.Updated),
		},
		Relationships: refs(map[string]ref{
			"owner":   {"account", p.Owner},
			"creator": {"account", p.Creator},
		}),
	}
}

func (c *call) listProducts() error {
	in, err := c.seen("owner.id")
	if err != nil {
		return err
	}
	if len(in) == 0 {
		return c.sendNone()
	}
	number, page := c.page()
	list, next, err := c.Store.ProductsIn(c.ctx, in, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, c.showProduct)
}

// productWishes are the attributes of a product that can be set.
type productWishes struct{ Name, Description *string }

func (w productWishes) set(p *record.Product) error {
	if w.Name != nil {
		p.Name = *w.Name
	}
	if w.Description != nil {
		p.Description = *w.Description
	}
	return cmp.Or(checkName("product", p.Name), checkText("description", p.Description, longestDescription))
}

func (c *call) addProduct() error {
	var in productWishes
	s := shape{types: []string{"product"}, related: map[string][]string{"owner": {"account"}}}
	body, err := c.readAs(s, &in)
	if err != nil {
		return err
	}
	p := record.Product{Owner: c.account.ID, Creator: c.account.ID}
	if err := in.set(&p); err != nil {
		return err
	}
	if owner, ok := body.Data.Relationships["owner"]; ok {
		p.Owner = owner.ID
	}
	if _, err := c.inAccount(p.Owner); err != nil {
		return err
	}
	if p, err = c.Store.AddProduct(c.ctx, p); err != nil {
		return err
	}
	return c.sendObject(http.StatusCreated, c.showProduct(p).(object))
}

func (c *call) getProduct() error {
	p, err := c.glimpse(c.arg(1))
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showProduct(p).(object))
}

func (c *call) changeProduct() error {
	p, err := c.product(c.arg(1))
	if err != nil {
		return err
	}
	var in productWishes
	if _, err := c.readAs(shape{types: []string{"product"}}, &in); err != nil {
		return err
	}
	if p, err = c.Store.ChangeProduct(c.ctx, p.ID, in.set); err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showProduct(p).(object))
}

func (c *call) deleteProduct() error {
	p, err := c.product(c.arg(1))
	if err != nil {
		return err
	}
	if err := c.Store.DeleteProduct(c.ctx, p.ID); err != nil {
		return err
	}
	return c.noContent()
}
