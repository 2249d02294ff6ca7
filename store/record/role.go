package record

import (
	"slices"
	"time"
)

// A Role says what an account may do with objects. Each role includes the ones before it.
type Role string

// The roles, from the least to the greatest.
const (
	Viewer    Role = "viewer"    // sees objects, code and logs
	Operator  Role = "operator"  // also runs devices with the code that there is
	Developer Role = "developer" // also changes code, groups, products and webhooks
	Admin     Role = "admin"     // also deletes products, and decides who else may do what
	Owner     Role = "owner"     // also decides who else is an owner
)

// Roles are all roles, from the least to the greatest.
var Roles = []Role{Viewer, Operator, Developer, Admin, Owner}

// Covers reports whether a role includes another. Nothing includes what is not a role, and what
// is not a role includes nothing.
func (r Role) Covers(need Role) bool {
	n := slices.Index(Roles, need)
	return n >= 0 && slices.Index(Roles, r) >= n
}

// A Place is where an object is: whose it is, and in which product and device group; "" where
// it is in none. As the place of a grant it is what the grant is for: all of an account, a
// product, or a device group.
type Place struct{ Owner, Product, Group string }

// Holds reports whether an object is in a place that was granted.
func (p Place) Holds(object Place) bool {
	return p.Owner == object.Owner && (p.Product == "" || p.Product == object.Product) &&
		(p.Group == "" || p.Group == object.Group)
}

// A Grant gives an account, its member, a role at a place of another account.
type Grant struct {
	ID               string
	Member           string
	Place            Place
	Role             Role
	Creator          string
	Created, Updated time.Time
}

// RoleAt returns the role that an account has at a place, "" when it has none. grants are those of
// the account.
func RoleAt(account string, grants []Grant, at Place) (role Role) {
	if account != "" && account == at.Owner {
		return Owner
	}
	for _, g := range grants {
		if g.Member == account && g.Place.Holds(at) && g.Role.Covers(Viewer) && !role.Covers(g.Role) {
			role = g.Role
		}
	}
	return role
}

// Visible returns the places that an account can see, its own first. None lies in another, so that no
// object is in two of them.
func Visible(account string, grants []Grant) []Place {
	places := []Place{{Owner: account}}
	for _, g := range grants {
		if g.Member == account && g.Role.Covers(Viewer) && g.Place.Owner != account {
			places = append(places, g.Place)
		}
	}
	return slices.DeleteFunc(slices.Clone(places), func(p Place) bool {
		return slices.ContainsFunc(places, func(q Place) bool { return q != p && q.Holds(p) })
	})
}

// Within returns the parts of places that lie in another place.
func Within(places []Place, at Place) (parts []Place) {
	for _, p := range places {
		switch {
		case p.Holds(at):
			parts = append(parts, at)
		case at.Holds(p):
			parts = append(parts, p)
		}
	}
	return parts
}

// An Invitation lets the bearer of its link have a role, an account, or both. It can be used once.
type Invitation struct {
	ID      string
	Hash    []byte // of the secret in the link
	Account string // whose password the link sets; "": it is not for an account that exists
	Place   Place  // of the role; empty: no role is given
	Role    Role
	Email   string // of who is invited, for people; may be ""
	Creator string
	Created time.Time
	Expires time.Time
	Used    time.Time // zero: not yet
	UsedBy  string    // account
}
