package store

import (
	"context"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// Limits of sharing.
const (
	// GrantsPerMember bounds the roles that an account has with others: each list reads as many indexes.
	GrantsPerMember = 100
	// InvitationsKept is how many invitations of an account can be open.
	InvitationsKept = 200
	// invitationsForgotten is how long an invitation is listed that has expired.
	invitationsForgotten = 30 * 24 * time.Hour
)

var grants = table[record.Grant]{
	name: "grants", noun: "collaborator", order: "rowid",
	columns: "id, member, owner, product, device_group, role, creator, created, updated",
	fields: func(g *record.Grant) []any {
		return []any{&g.ID, &g.Member, &g.Place.Owner, (*optional)(&g.Place.Product), (*optional)(&g.Place.Group), &g.Role,
			&g.Creator, (*milli)(&g.Created), (*milli)(&g.Updated)}
	},
}

var invitations = table[record.Invitation]{
	name: "invitations", noun: "invitation", order: "rowid",
	columns: "id, hash, account, owner, product, device_group, role, email, creator, created, expires, used, used_by",
	fields: func(i *record.Invitation) []any {
		return []any{&i.ID, &i.Hash, &i.Account, (*optional)(&i.Place.Owner), (*optional)(&i.Place.Product),
			(*optional)(&i.Place.Group), &i.Role, &i.Email, &i.Creator, (*milli)(&i.Created), (*milli)(&i.Expires),
			(*milli)(&i.Used), &i.UsedBy}
	},
}

const duplicateGrant = "Duplicate Resource: This account is a collaborator there already; change its role."

// at requires records to be of a place.
func (c *condition) at(p record.Place, group string) {
	c.equal("owner", p.Owner)
	c.equal("product", p.Product)
	c.equal(group, p.Group)
}

// in returns c for each of some places, or c alone when there are none.
func (c condition) in(places []record.Place, at func(*condition, record.Place)) (either []condition) {
	if places == nil {
		return []condition{c}
	}
	for _, p := range places {
		one := condition{terms: slices.Clone(c.terms), args: slices.Clone(c.args)}
		at(&one, p)
		either = append(either, one)
	}
	return either
}

// AddGrant gives an account a role.
func (s *Store) AddGrant(ctx context.Context, g record.Grant) (record.Grant, error) {
	err := s.do(ctx, func() (err error) {
		g, err = s.addGrant(g)
		return err
	})
	return g, err
}

// addGrant is AddGrant inside a transaction.
func (s *Store) addGrant(g record.Grant) (record.Grant, error) {
	g.ID, g.Created = newID(), s.stamp()
	g.Updated = g.Created
	if g.Member == g.Place.Owner {
		return g, tandem.Errorf(tandem.Conflict, "Duplicate Resource: The account owns this already.")
	}
	if _, err := accounts.one(s.inside(), s.write, where("id = ?", g.Member)); err != nil {
		return g, err
	}
	has, err := grants.query(s.inside(), s.write, where("member = ?", g.Member), Page{})
	if err != nil {
		return g, err
	}
	if len(has) >= GrantsPerMember {
		return g, tandem.Errorf(tandem.Limit, "Account Limit Reached: An account can be a collaborator at %d places.",
			GrantsPerMember)
	}
	return g, named(grants.insert(s, &g), duplicateGrant)
}

// Grant returns a grant.
func (s *Store) Grant(ctx context.Context, id string) (record.Grant, error) {
	g, err := grants.one(ctx, s.read, where("id = ?", id))
	return g, s.describe(err)
}

// GrantsOf returns all grants of a member, of which there are at most GrantsPerMember.
func (s *Store) GrantsOf(ctx context.Context, member string) ([]record.Grant, error) {
	list, _, err := s.Grants(ctx, member, record.Place{}, Page{})
	return list, err
}

// Grants returns the grants of a member, or those at a place and in it, the oldest first, and the After
// of the next page.
func (s *Store) Grants(
	ctx context.Context, member string, at record.Place, page Page,
) (list []record.Grant, next int, err error) {
	var c condition
	c.equal("member", member)
	c.at(narrow(at), "device_group")
	return grants.list(ctx, s, c, page)
}

// narrow leaves of a place what selects it, for which there is an index.
func narrow(p record.Place) record.Place {
	switch {
	case p.Group != "":
		return record.Place{Group: p.Group}
	case p.Product != "":
		return record.Place{Product: p.Product}
	}
	return p
}

// ChangeGrant changes the role of a grant.
func (s *Store) ChangeGrant(ctx context.Context, id string, role record.Role) (record.Grant, error) {
	return grants.change(ctx, s, id, func(g *record.Grant) error {
		g.Role, g.Updated = role, s.stamp()
		return nil
	})
}

// DeleteGrant ends a grant, with the claim codes and the invitations that its member has made for what
// it was for, and that were not used.
func (s *Store) DeleteGrant(ctx context.Context, id string) error {
	return s.do(ctx, func() error {
		g, err := grants.one(s.inside(), s.write, where("id = ?", id))
		if err != nil {
			return err
		}
		var c condition
		c.at(g.Place, "id")
		codes := "DELETE FROM claim_codes WHERE creator = ? AND used = 0 AND device_group IN (SELECT id FROM device_groups" +
			c.String() + ")"
		if err := s.exec(codes, append([]any{g.Member}, c.args...)...); err != nil {
			return err
		}
		c = where("creator = ? AND used = 0", g.Member)
		c.at(g.Place, "device_group")
		if err := s.exec("DELETE FROM invitations"+c.String(), c.args...); err != nil {
			return err
		}
		return grants.remove(s, id)
	})
}

// AddInvitation makes an invitation.
func (s *Store) AddInvitation(ctx context.Context, i record.Invitation) (record.Invitation, error) {
	i.ID, i.Created = newID(), s.stamp()
	err := s.do(ctx, func() error {
		const old = "DELETE FROM invitations WHERE expires < ?"
		if err := s.exec(old, milli(i.Created.Add(-invitationsForgotten))); err != nil {
			return err
		}
		var open int
		const query = "SELECT count(*) FROM invitations WHERE creator = ? AND used = 0 AND expires > ?"
		if err := s.write.scan(s.inside(), query, []any{i.Creator, milli(i.Created)}, &open); err != nil {
			return err
		}
		if open >= InvitationsKept && i.Creator != "" {
			return tandem.Errorf(tandem.Limit, "Account Limit Reached: An account can have %d open invitations.",
				InvitationsKept)
		}
		return named(invitations.insert(s, &i), "the place of the invitation does not exist")
	})
	return i, err
}

// Invitation returns an invitation.
func (s *Store) Invitation(ctx context.Context, id string) (record.Invitation, error) {
	i, err := invitations.one(ctx, s.read, where("id = ?", id))
	return i, s.describe(err)
}

// InvitationWith returns the invitation with a secret, NotFound when it was used or has expired.
func (s *Store) InvitationWith(ctx context.Context, secret string) (record.Invitation, error) {
	i, err := invitations.one(ctx, s.read, openInvitation(s, secret))
	return i, s.describe(err)
}

func openInvitation(s *Store, secret string) condition {
	return where("hash = ? AND used = 0 AND expires > ?", record.Hash(secret), milli(s.stamp()))
}

// Invitations returns the invitations to a place and to what is in it, or those of a creator, the oldest
// first, and the After of the next page.
func (s *Store) Invitations(
	ctx context.Context, creator string, at record.Place, page Page,
) (list []record.Invitation, next int, err error) {
	var c condition
	c.equal("creator", creator)
	c.at(narrow(at), "device_group")
	return invitations.list(ctx, s, c, page)
}

// DeleteInvitation deletes an invitation.
func (s *Store) DeleteInvitation(ctx context.Context, id string) error {
	return s.do(ctx, func() error { return invitations.remove(s, id) })
}

// Accept uses the invitation with a secret, in one transaction: it makes the account by, unless by has
// an id; or it sets the password and, unless it is empty, the e-mail address of the account that the
// invitation is for. The role that it gives never lowers one that the account has.
func (s *Store) Accept(ctx context.Context, secret string, by Account) (a Account, err error) {
	err = s.do(ctx, func() error {
		i, err := invitations.one(s.inside(), s.write, openInvitation(s, secret))
		if err != nil {
			return err
		}
		if a, err = s.joined(i, by); err != nil {
			return err
		}
		if i.Place.Owner != "" {
			if err := s.give(record.Grant{Member: a.ID, Place: i.Place, Role: i.Role, Creator: i.Creator}); err != nil {
				return err
			}
		}
		i.Used, i.UsedBy = s.stamp(), a.ID
		return invitations.update(s, &i)
	})
	return a, err
}

// joined returns the account that uses an invitation.
func (s *Store) joined(i record.Invitation, by Account) (a Account, err error) {
	switch {
	case i.Account != "":
		if a, err = accounts.one(s.inside(), s.write, where("id = ?", i.Account)); err != nil {
			return a, err
		}
		if a.Password != "" {
			return a, tandem.Errorf(tandem.Conflict, "the account %s has a password already: log in with it", a.Username)
		}
		a.Password, a.Updated = by.Password, s.stamp()
		if by.Email != "" {
			a.Email = by.Email
		}
		return a, named(accounts.update(s, &a), duplicateAccount)
	case by.ID != "":
		return accounts.one(s.inside(), s.write, where("id = ?", by.ID))
	}
	return s.addAccount(by)
}

// give gives a role inside a transaction, unless the member has a greater one at the place.
func (s *Store) give(g record.Grant) error {
	has, err := grants.query(s.inside(), s.write, where("member = ?", g.Member), Page{})
	if err != nil {
		return err
	}
	for _, h := range has {
		if h.Place != g.Place {
			continue
		}
		if h.Role.Covers(g.Role) {
			return nil
		}
		h.Role, h.Updated = g.Role, s.stamp()
		return grants.update(s, &h)
	}
	if g.Member == g.Place.Owner {
		return nil
	}
	_, err = s.addGrant(g)
	return err
}
