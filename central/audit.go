package central

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// What a call changes is recorded in the audit log by the store, in the transaction of the change:
// the call says who it is and where the object is. What changes no record, such as a restart, is
// recorded before it is done.

// unrecorded are the routes that change nothing, though their methods say so: logging in, and
// looking at logs.
var unrecorded = []string{
	"POST auth", "POST auth/token", "POST logstream", "PUT logstream/:id/:device", "DELETE logstream/:id/:device",
}

// record has the changes of the call recorded.
func (c *call) record(r route) {
	if r.method == http.MethodGet || slices.Contains(unrecorded, r.method+" "+r.path) {
		return
	}
	c.trail = &store.Trail{
		Actor: c.account.ID, ActorName: c.account.Username, Source: c.Proxies.ClientAddress(c.r).String(),
		Action: r.method + " /" + r.path,
	}
	c.ctx = store.WithTrail(c.ctx, c.trail)
}

// changes says where the object is that the call changes: the first one that it looks up.
func (c *call) changes(at record.Place) {
	if c.trail != nil && c.trail.Place.Owner == "" {
		c.trail.Place = at
	}
}

// act records what the call is about to do to an object.
func (c *call) act(object string) error {
	c.changes(record.Place{Owner: c.account.ID})
	return c.Store.RecordAction(c.ctx, c.trail, object)
}

// anyOwner is the filter of an administrator for all of the audit log.
const anyOwner = "any"

// listAudit sends what was changed: by default of what the caller owns.
func (c *call) listAudit() error {
	at, err := c.auditPlace()
	if err != nil {
		return err
	}
	f := store.AuditFilter{Place: at, Actor: c.accountFilter("actor.id")}
	if f.Actor != "" && at == (record.Place{}) {
		return tandem.Errorf(tandem.Invalid, "filter[actor.id] goes with filter[owner.id], the id of an account")
	}
	number, page := c.page()
	list, next, err := c.Store.Audit(c.ctx, f, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, c.showAudit)
}

// auditPlace returns the place of which the audit log is wanted. Administrators may read all of it.
func (c *call) auditPlace() (record.Place, error) {
	owner := c.accountFilter("owner.id")
	whole := c.filter("product.id") == "" && c.filter("devicegroup.id") == ""
	switch {
	case owner == anyOwner:
		return record.Place{}, c.mayOperate()
	case owner != "" && whole && c.mayOperate() == nil:
		return record.Place{Owner: owner}, nil
	}
	return c.thePlace()
}

// thePlace returns the place that filters name, by default the caller's account, if the caller has
// the role there that the route needs.
func (c *call) thePlace() (at record.Place, err error) {
	switch {
	case c.filter("devicegroup.id") != "":
		g, err := c.ownGroup(c.filter("devicegroup.id"))
		return placeOfGroup(g), err
	case c.filter("product.id") != "":
		p, err := c.product(c.filter("product.id"))
		return placeOf(p), err
	}
	at.Owner = c.accountFilter("owner.id")
	if at.Owner == "" {
		at.Owner = c.account.ID
	}
	return c.inAccount(at.Owner)
}

func (c *call) showAudit(e store.AuditEntry) any {
	attributes := map[string]any{
		"at": stamp(e.At), "actor": orNull(e.ActorName), "source": e.Source, "action": e.Action, "kind": orNull(e.Kind),
		"object": orNull(e.Object), "before": nil, "after": nil,
	}
	if e.Before != "" {
		attributes["before"] = json.RawMessage(e.Before)
	}
	if e.After != "" {
		attributes["after"] = json.RawMessage(e.After)
	}
	return object{
		Type: "audit_entry", ID: e.ID, Links: c.self("audit", e.ID), Attributes: attributes,
		Relationships: refs(map[string]ref{
			"actor": {"account", e.Actor}, "owner": {"account", e.Place.Owner}, "product": {"product", e.Place.Product},
			"devicegroup": {"devicegroup", e.Place.Group},
		}),
	}
}
