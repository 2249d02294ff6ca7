package store

import (
	"context"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

const (
	duplicateProduct = "Duplicate Resource: Products must have unique names."
	duplicateGroup   = "Duplicate Resource: Devicegroups must have unique names."
)

var products = table[record.Product]{
	name: "products", noun: "product", order: "rowid",
	columns: "id, owner, creator, name, description, created, updated",
	fields: func(p *record.Product) []any {
		return []any{&p.ID, &p.Owner, &p.Creator, &p.Name, &p.Description, (*milli)(&p.Created), (*milli)(&p.Updated)}
	},
}

// AddProduct makes a product.
func (s *Store) AddProduct(ctx context.Context, p record.Product) (record.Product, error) {
	p.ID, p.Created = newID(), s.stamp()
	p.Updated = p.Created
	err := s.do(ctx, func() error {
		if _, err := accounts.one(s.inside(), s.write, where("id = ?", p.Owner)); err != nil {
			return err
		}
		return named(products.insert(s, &p), duplicateProduct)
	})
	return p, err
}

// Product returns a product.
func (s *Store) Product(ctx context.Context, id string) (record.Product, error) {
	p, err := products.one(ctx, s.read, where("id = ?", id))
	return p, s.describe(err)
}

// Products returns an account's products, the oldest first, and the After of the next page.
// An empty owner selects the products of all accounts.
func (s *Store) Products(ctx context.Context, owner string, page Page) ([]record.Product, int, error) {
	return s.ProductsIn(ctx, []record.Place{{Owner: owner}}, page)
}

// ProductsIn is Products for places that hold no object together. Groups are in none of them.
func (s *Store) ProductsIn(ctx context.Context, in []record.Place, page Page) ([]record.Product, int, error) {
	var either []condition
	for _, p := range in {
		var c condition
		switch {
		case p.Group != "":
			continue
		case p.Product != "":
			c.equal("id", p.Product)
		default:
			c.equal("owner", p.Owner)
		}
		either = append(either, c)
	}
	return products.listAny(ctx, s, either, page)
}

// ChangeProduct edits a product.
func (s *Store) ChangeProduct(
	ctx context.Context, id string, edit func(*record.Product) error,
) (record.Product, error) {
	p, err := products.change(ctx, s, id, func(p *record.Product) error {
		p.Updated = s.stamp()
		return edit(p)
	})
	return p, named(err, duplicateProduct)
}

// DeleteProduct deletes a product that has no device groups.
func (s *Store) DeleteProduct(ctx context.Context, id string) error {
	return s.do(ctx, func() error {
		used, err := s.exists("SELECT 1 FROM device_groups WHERE product = ?", id)
		if err != nil {
			return err
		}
		if used {
			return tandem.Errorf(tandem.Conflict,
				"Dependent Devicegroups Exist: Cannot delete a product with associated devicegroups.")
		}
		return products.remove(s, id)
	})
}
