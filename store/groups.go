package store

import (
	"context"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// GroupFilter selects groups. An empty field matches all.
type GroupFilter struct {
	Owner, Product, Type string
	In                   []record.Place // in any of these, which hold no group together
}

var groups = table[record.Group]{
	name: "device_groups", noun: "device group", order: "rowid",
	columns: "id, product, owner, creator, type, name, description, region, env, load_after_blessing, " +
		"validate_tls, production_target, dut_target, current, min_supported, created, updated",
	fields: func(g *record.Group) []any {
		return []any{&g.ID, &g.Product, &g.Owner, &g.Creator, &g.Type, &g.Name, &g.Description, &g.Region, &g.Env,
			&g.LoadAfterBlessing, &g.ValidateTLS,
			&g.ProductionTarget, &g.DUTTarget, &g.Current, &g.MinSupported, (*milli)(&g.Created), (*milli)(&g.Updated)}
	},
}

// AddGroup makes a device group in an existing product.
func (s *Store) AddGroup(ctx context.Context, g record.Group) (record.Group, error) {
	g.ID = newID()
	g.Created = s.stamp()
	g.Current = ""
	g.MinSupported = ""
	g.Updated = g.Created
	err := s.do(ctx, func() error {
		product, err := products.one(s.inside(), s.write, where("id = ?", g.Product))
		if err != nil {
			return err
		}
		g.Owner = product.Owner
		if err := s.checkTargets(g); err != nil {
			return err
		}
		return named(groups.insert(s, &g), duplicateGroup)
	})
	return g, err
}

// checkTargets checks that the target groups of g exist.
func (s *Store) checkTargets(g record.Group) error {
	for _, id := range []string{g.ProductionTarget, g.DUTTarget} {
		if id == "" {
			continue
		}
		if _, err := groups.one(s.inside(), s.write, where("id = ?", id)); err != nil {
			return err
		}
	}
	return nil
}

// Group returns a device group.
func (s *Store) Group(ctx context.Context, id string) (record.Group, error) {
	g, err := groups.one(ctx, s.read, where("id = ?", id))
	return g, s.describe(err)
}

// Groups returns device groups, the oldest first, and the After of the
// next page.
func (s *Store) Groups(ctx context.Context, f GroupFilter, page Page) ([]record.Group, int, error) {
	var c condition
	c.equal("owner", f.Owner)
	c.equal("product", f.Product)
	c.equal("type", f.Type)
	return groups.listAny(ctx, s, c.in(f.In, func(c *condition, p record.Place) {
		c.at(narrow(p), "id")
	}), page)
}

// ChangeGroup edits a device group. Changes of its product, owner and type are
// ignored; its deployments are changed by Deploy and SetMinSupported.
func (s *Store) ChangeGroup(ctx context.Context, id string, edit func(*record.Group) error) (record.Group, error) {
	g, err := groups.change(ctx, s, id, func(g *record.Group) error {
		was := *g
		if err := edit(g); err != nil {
			return err
		}
		g.ID = was.ID
		g.Product = was.Product
		g.Owner = was.Owner
		g.Creator = was.Creator
		g.Type = was.Type
		g.Current = was.Current
		g.MinSupported = was.MinSupported
		g.Created = was.Created
		g.Updated = s.stamp()
		return s.checkTargets(*g)
	})
	return g, named(err, duplicateGroup)
}

// SetMinSupported sets the oldest deployment of a group that a device may still
// run. It must not be older than the one set before.
func (s *Store) SetMinSupported(ctx context.Context, group, deployment string) error {
	_, err := groups.change(ctx, s, group, func(g *record.Group) error {
		next, err := deploymentHeads.one(s.inside(), s.write, where("id = ? AND device_group = ?", deployment, group))
		if err != nil {
			return err
		}
		before, err := deploymentHeads.one(s.inside(), s.write, where("id = ?", g.MinSupported))
		if err != nil {
			return err
		}
		if next.Version < before.Version {
			return tandem.Errorf(tandem.Conflict,
				"Invalid Deployment: The minimum supported deployment cannot be older than the current one.")
		}
		g.MinSupported, g.Updated = next.ID, s.stamp()
		return nil
	})
	return err
}

// DeleteGroup deletes a device group with its deployments and webhooks. It
// must have no devices and no flagged deployments, and be no group's target.
func (s *Store) DeleteGroup(ctx context.Context, id string) error {
	return s.do(ctx, func() error {
		// The lock of its row keeps other nodes from making it a target meanwhile.
		if _, err := groups.one(s.inside(), s.write, where("id = ?", id)); err != nil {
			return err
		}
		for _, bar := range []struct{ query, msg string }{
			{
				"SELECT 1 FROM devices WHERE device_group = ?1",
				"Devices Exist: Cannot delete a devicegroup with assigned devices; unassign those first.",
			},
			{
				"SELECT 1 FROM deployments WHERE device_group = ?1 AND flagger <> ''",
				"Flagged Deployments Exist: Cannot delete a devicegroup with flagged deployments; delete those first.",
			},
			{
				"SELECT 1 FROM device_groups WHERE id <> ?1 AND (production_target = ?1 OR dut_target = ?1)",
				"Devicegroup In Use: Cannot delete a devicegroup that is the target of another; change that one first.",
			},
		} {
			barred, err := s.exists(bar.query, id)
			if err != nil {
				return err
			}
			if barred {
				return tandem.Errorf(tandem.Conflict, "%s", bar.msg)
			}
		}
		if err := s.exec("DELETE FROM deployments WHERE device_group = ?", id); err != nil {
			return err
		}
		return groups.remove(s, id)
	})
}
