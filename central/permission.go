package central

import (
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// Who may do what is decided here: needs has the rule of each route, and every call looks up its
// objects by these functions, which compare the caller's role at the object's place with that rule.
// What an account may not see does not exist for it: the answer is the same.

// Rules of routes that do not ask for a role at a place.
const (
	needsNothing       = "open"          // a secret in the request says who it is, or none is needed
	needsAccount       = "account"       // it is about the caller's own account
	needsAdministrator = "administrator" // it is about the installation
)

// needs has the rule of each route: one of those above, or the least role that the caller must have
// at the place of each object that the request names. A route without a rule is refused.
var needs = map[string]string{
	"POST auth": needsNothing, "POST auth/token": needsNothing, "GET logstream/:id": needsNothing,
	"POST enrol": needsNothing, "POST invitations/accept": needsNothing, "GET openapi.json": needsNothing,

	"GET accounts": needsAccount, "GET accounts/:id": needsAccount, "PATCH accounts/:id": needsAccount,
	"GET accounts/:id/capabilities": needsAccount, "GET accounts/me/refresh_tokens": needsAccount,
	"DELETE accounts/me/refresh_tokens/:id": needsAccount, "GET accounts/me/login_keys": needsAccount,
	"POST accounts/me/login_keys": needsAccount, "GET accounts/me/login_keys/:id": needsAccount,
	"PATCH accounts/me/login_keys/:id": needsAccount, "DELETE accounts/me/login_keys/:id": needsAccount,
	"GET accounts/me/otp": needsAccount, "POST accounts/me/otp": needsAccount,
	"POST accounts/me/otp/confirm": needsAccount, "DELETE accounts/:id/otp": needsAccount,
	"GET libraries": needsAccount, "GET authority": needsAccount,
	"GET claims": needsAccount, "DELETE claims/:id": needsAccount,

	"POST accounts": needsAdministrator, "POST libraries": needsAdministrator, "GET cluster": needsAdministrator,
	"POST cluster/nodes/:id/drain": needsAdministrator, "POST cluster/nodes/:id/undrain": needsAdministrator,

	"GET products": viewer, "GET products/:id": viewer,
	"POST products": developer, "PATCH products/:id": developer, "DELETE products/:id": admin,

	"GET devicegroups": viewer, "GET devicegroups/:id": viewer,
	"POST devicegroups": developer, "PATCH devicegroups/:id": developer, "DELETE devicegroups/:id": developer,
	"POST devicegroups/:id/restart": operator, "POST devicegroups/:id/conditional_restart": operator,
	"PUT devicegroups/:id/relationships/min_supported_deployment": operator,
	"POST devicegroups/:id/relationships/devices":                 operator,
	"DELETE devicegroups/:id/relationships/devices":               operator,

	"GET deployments": viewer, "GET deployments/:id": viewer,
	"POST deployments": developer, "PATCH deployments/:id": developer, "DELETE deployments/:id": developer,

	// Their addresses are secrets of those who have them called.
	"GET webhooks": developer, "GET webhooks/:id": developer, "GET webhooks/:id/deliveries": developer,
	"POST webhooks": developer, "PATCH webhooks/:id": developer, "DELETE webhooks/:id": developer,

	"GET devices": viewer, "GET devices/:id": viewer, "GET devices/:id/history": viewer, "GET devices/:id/logs": viewer,
	"GET devices/:id/credentials": viewer,
	"POST devices":                operator, "PATCH devices/:id": operator, "DELETE devices/:id": operator,
	"POST devices/:id/restart": operator, "POST devices/:id/conditional_restart": operator,
	"POST devices/:id/key": operator, "POST devices/:id/revoke": operator, "POST devices/:id/certificates": operator,
	"DELETE devices/:id/certificates/:fingerprint": operator, "POST claims": operator, "POST provision": operator,

	"POST logstream": viewer, "PUT logstream/:id/:device": viewer, "DELETE logstream/:id/:device": viewer,

	"GET collaborators": admin, "POST collaborators": admin, "PATCH collaborators/:id": admin,
	"DELETE collaborators/:id": admin, "GET invitations": admin, "POST invitations": admin,
	"DELETE invitations/:id": admin, "GET audit": admin,
}

// The roles as rules.
const (
	viewer    = string(record.Viewer)
	operator  = string(record.Operator)
	developer = string(record.Developer)
	admin     = string(record.Admin)
)

// enter applies the rule of a route. Where it is a role, the look-ups below do.
func (c *call) enter(rule string) error {
	c.need = record.Owner
	switch {
	case rule == needsNothing || rule == needsAccount:
	case rule == needsAdministrator:
		return c.mayOperate()
	case slices.Contains(record.Roles, record.Role(rule)):
		c.need = record.Role(rule)
	default:
		return tandem.Errorf(tandem.Internal, "it is not known who may do this")
	}
	return nil
}

// roleAt returns the caller's role at a place.
func (c *call) roleAt(at record.Place) (record.Role, error) {
	if at.Owner == c.account.ID && at.Owner != "" {
		return record.Owner, nil
	}
	grants, err := c.shares()
	return record.RoleAt(c.account.ID, grants, at), err
}

// shares returns what others share with the caller.
func (c *call) shares() ([]record.Grant, error) {
	if c.shared == nil {
		list, err := c.Store.GrantsOf(c.ctx, c.account.ID)
		if err != nil {
			return nil, err
		}
		c.shared = append(make([]record.Grant, 0, len(list)), list...)
	}
	return c.shared, nil
}

// may returns nil when the caller has the role at a place that the route needs. noun is for the
// message.
func (c *call) may(at record.Place, noun string) error {
	return c.mayAs(c.need, at, noun)
}

func (c *call) mayAs(need record.Role, at record.Place, noun string) error {
	role, err := c.roleAt(at)
	switch {
	case err != nil:
		return err
	case role.Covers(need):
		c.changes(at)
		return nil
	case role.Covers(record.Viewer):
		return tandem.Errorf(tandem.Forbidden, "Invalid Permission: This needs the role %s; yours is %s.", need, role)
	}
	return record.Absent(noun)
}

// seen returns where the caller has the role that the route needs, for a list, without what the
// filters for accounts that own leave out.
func (c *call) seen(owners ...string) ([]record.Place, error) {
	grants, err := c.shares()
	if err != nil {
		return nil, err
	}
	able := slices.DeleteFunc(slices.Clone(grants), func(g record.Grant) bool { return !g.Role.Covers(c.need) })
	places := record.Visible(c.account.ID, able)
	for _, name := range owners {
		if id := c.accountFilter(name); id != "" {
			places = slices.DeleteFunc(places, func(p record.Place) bool { return p.Owner != id })
		}
	}
	return places, nil
}

// seenWithin is seen, narrowed by the filters for a product and a group.
func (c *call) seenWithin(owners ...string) ([]record.Place, error) {
	places, err := c.seen(owners...)
	if err != nil {
		return nil, err
	}
	return c.within(places)
}

// within narrows places to the product and the group that filters name. What does not exist is in
// none of them.
func (c *call) within(places []record.Place) ([]record.Place, error) {
	if id := c.filter("product.id"); id != "" {
		p, err := c.Store.Product(c.ctx, id)
		if tandem.KindOf(err) == tandem.NotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		places = record.Within(places, placeOf(p))
	}
	if id := c.filter("devicegroup.id"); id != "" {
		g, err := c.group(id)
		if tandem.KindOf(err) == tandem.NotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		places = record.Within(places, placeOfGroup(g))
	}
	return places, nil
}

func placeOf(p record.Product) record.Place { return record.Place{Owner: p.Owner, Product: p.ID} }

func placeOfGroup(g record.Group) record.Place {
	return record.Place{Owner: g.Owner, Product: g.Product, Group: g.ID}
}

// placeIn is the place of what belongs to an account and is in a group, or in none.
func (c *call) placeIn(owner, group string) (record.Place, error) {
	g, err := c.group(group)
	if err != nil {
		return record.Place{}, err
	}
	return record.Place{Owner: owner, Product: g.Product, Group: g.ID}, nil
}

// mayOperate returns nil when the caller may control the installation itself: its nodes, its
// accounts, and the libraries that all accounts share.
func (c *call) mayOperate() error {
	if !c.account.Administrator {
		return tandem.Errorf(tandem.Forbidden, "Invalid Permission: Only an administrator of this installation can do this.")
	}
	return nil
}

// mayLook returns nil when the caller may see an account: an administrator, and those with whom the
// account shares something.
func (c *call) mayLook(a store.Account) error {
	if a.ID == c.account.ID || c.mayOperate() == nil {
		return nil
	}
	grants, err := c.shares()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(grants, func(g record.Grant) bool { return g.Place.Owner == a.ID }) {
		return nil
	}
	return record.Absent("account")
}

func (c *call) product(id string) (record.Product, error) {
	p, err := c.Store.Product(c.ctx, id)
	if err == nil {
		err = c.may(placeOf(p), "product")
	}
	return p, err
}

// glimpse is product for those who may see one of its groups only.
func (c *call) glimpse(id string) (record.Product, error) {
	p, err := c.product(id)
	if tandem.KindOf(err) != tandem.NotFound || p.ID == "" {
		return p, err
	}
	grants, shareErr := c.shares()
	if shareErr != nil {
		return p, shareErr
	}
	if slices.ContainsFunc(grants, func(g record.Grant) bool { return placeOf(p).Holds(g.Place) }) {
		return p, nil
	}
	return p, err
}

func (c *call) ownGroup(id string) (record.Group, error) {
	if id == "" {
		return record.Group{}, record.Absent("device group")
	}
	g, err := c.group(id)
	if err == nil {
		err = c.may(placeOfGroup(g), "device group")
	}
	return g, err
}

func (c *call) deployment(id string) (record.Deployment, error) {
	d, err := c.Store.Deployment(c.ctx, id)
	if err == nil {
		err = c.may(record.Place{Owner: d.Owner, Product: d.Product, Group: d.Group}, "deployment")
	}
	return d, err
}

func (c *call) webhook(id string) (store.Webhook, error) {
	w, err := c.Store.Webhook(c.ctx, id)
	if err != nil {
		return w, err
	}
	at, err := c.placeIn(w.Owner, w.Group)
	if err == nil {
		err = c.may(at, "webhook")
	}
	return w, err
}
