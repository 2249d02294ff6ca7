package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// DeploymentFilter selects deployments. An empty field matches all.
type DeploymentFilter struct {
	Owner, Creator, Product, Group, SHA, Flagger string
	Flagged                                      *bool
	Tags                                         []string       // all of them
	In                                           []record.Place // in any of these, which hold no deployment together
}

// deploymentHeads is the table without the code, which lists do not need.
var deploymentHeads = table[record.Deployment]{
	name: "deployments", noun: "deployment", order: "rowid DESC",
	columns: "id, device_group, product, owner, creator, version, sha, device_sha, agent_sha, description, " +
		"origin, flagger, tags, created, updated",
	fields: func(d *record.Deployment) []any {
		return []any{&d.ID, &d.Group, &d.Product, &d.Owner, &d.Creator, &d.Version, &d.SHA, &d.DeviceSHA, &d.AgentSHA,
			&d.Description, &d.Origin, &d.Flagger, (*words)(&d.Tags), (*milli)(&d.Created), (*milli)(&d.Updated)}
	},
}

var deployments = table[record.Deployment]{
	name: deploymentHeads.name, noun: deploymentHeads.noun, order: deploymentHeads.order,
	columns: deploymentHeads.columns + ", device_code, agent_code",
	covered: 15, coded: true,
	fields: func(d *record.Deployment) []any {
		return append(deploymentHeads.fields(d), &d.DeviceCode, &d.AgentCode)
	},
}

// Deploy makes a deployment and makes it its group's current one. It restarts
// no agent and no device.
func (s *Store) Deploy(ctx context.Context, d record.Deployment) (record.Deployment, error) {
	d.ID = newID()
	d.Sum()
	err := s.do(ctx, func() error {
		g, err := groups.one(s.inside(), s.write, where("id = ?", d.Group))
		if err != nil {
			return err
		}
		d.Product = g.Product
		d.Owner = g.Owner
		d.Version = 1
		d.Created = s.stamp()
		if g.Current != "" {
			before, err := deploymentHeads.one(s.inside(), s.write, where("id = ?", g.Current))
			if err != nil {
				return err
			}
			d.Version = before.Version + 1
			if !d.Created.After(before.Created) { // clients order by it
				d.Created = before.Created.Add(time.Millisecond)
			}
		}
		d.Updated = d.Created
		g.Current = d.ID
		if g.MinSupported == "" {
			g.MinSupported = d.ID
		}
		if err := deployments.insert(s, &d); err != nil {
			return err
		}
		return groups.update(s, &g)
	})
	return d, err
}

// Deployment returns a deployment with its code.
func (s *Store) Deployment(ctx context.Context, id string) (record.Deployment, error) {
	d, err := deployments.one(ctx, s.read, where("id = ?", id))
	return d, s.describe(err)
}

// Deployments returns deployments without their code, the newest first, and
// the After of the next page.
func (s *Store) Deployments(ctx context.Context, f DeploymentFilter, page Page) ([]record.Deployment, int, error) {
	var c condition
	c.equal("owner", f.Owner)
	c.equal("creator", f.Creator)
	c.equal("product", f.Product)
	c.equal("device_group", f.Group)
	c.equal("sha", f.SHA)
	c.equal("flagger", f.Flagger)
	switch {
	case f.Flagged == nil:
	case *f.Flagged:
		c.and("flagger <> ''")
	default:
		c.and("flagger = ''")
	}
	for _, tag := range f.Tags {
		c.and(s.tagged(), tag)
	}
	return deploymentHeads.listAny(ctx, s, c.in(f.In, func(c *condition, p record.Place) {
		c.at(narrow(p), "device_group")
	}), page)
}

// ChangeDeployment edits a deployment's description, origin, flagger and tags;
// changes of other fields are ignored.
func (s *Store) ChangeDeployment(
	ctx context.Context, id string, edit func(*record.Deployment) error,
) (record.Deployment, error) {
	return deployments.change(ctx, s, id, func(d *record.Deployment) error {
		edited := *d
		if err := edit(&edited); err != nil {
			return err
		}
		d.Description = edited.Description
		d.Origin = edited.Origin
		d.Flagger = edited.Flagger
		d.Tags = edited.Tags
		d.Updated = s.stamp()
		return nil
	})
}

// DeleteDeployment deletes a deployment that is not flagged and older than its
// group's minimum supported one.
func (s *Store) DeleteDeployment(ctx context.Context, id string) error {
	return s.do(ctx, func() error {
		d, err := deploymentHeads.one(s.inside(), s.write, where("id = ?", id))
		if err != nil {
			return err
		}
		if d.Flagged() {
			return tandem.Errorf(tandem.Conflict,
				"Resource Flagged: You cannot delete flagged deployments; set the flagged attribute to false and try again.")
		}
		inUse, err := s.exists(
			"SELECT 1 FROM device_groups g JOIN deployments m ON m.id = g.min_supported WHERE g.id = ? AND m.version <= ?",
			d.Group, d.Version)
		if err != nil {
			return err
		}
		if inUse {
			return tandem.Errorf(tandem.Conflict,
				"Deployment In Use: You cannot delete the minimum supported deployment of a devicegroup or a newer one.")
		}
		return deployments.remove(s, id)
	})
}
