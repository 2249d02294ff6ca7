package central

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// How long the link of an invitation is good.
const (
	inviteLife    = 7 * 24 * time.Hour // unless it is said otherwise
	longestInvite = 90 * 24 * time.Hour
	setUpLife     = 24 * time.Hour // of the first administrator's
)

// placed are the relationships of what is at a place.
func placed(at record.Place) map[string]ref {
	return refs(map[string]ref{
		"owner": {"account", at.Owner}, "product": {"product", at.Product}, "devicegroup": {"devicegroup", at.Group},
	})
}

var placeRelated = map[string][]string{"owner": {"account"}, "product": {"product"}, "devicegroup": anyGroup}

// placeGiven returns the place that a request names, by the least of its relationships, if the caller
// has the role there that the route needs.
func (c *call) placeGiven(related map[string]ref) (at record.Place, err error) {
	if len(related) > 1 {
		return at, tandem.Errorf(tandem.Invalid, "name one of the relationships devicegroup, product and owner")
	}
	for name, r := range related {
		switch name {
		case "devicegroup":
			g, err := c.ownGroup(r.ID)
			return placeOfGroup(g), err
		case "product":
			p, err := c.product(r.ID)
			return placeOf(p), err
		default:
			return c.inAccount(r.ID)
		}
	}
	return at, tandem.Errorf(tandem.Invalid, "name the place by a relationship: devicegroup, product or owner")
}

// inAccount returns the place that is all of an account.
func (c *call) inAccount(id string) (record.Place, error) {
	at := record.Place{Owner: id}
	err := c.may(at, "account")
	if tandem.KindOf(err) != tandem.NotFound {
		return at, err
	}
	if a, lookErr := c.Store.Account(c.ctx, id); lookErr == nil && c.mayLook(a) == nil {
		err = tandem.Errorf(tandem.Forbidden, "Invalid Permission: You have no role with all of this account.")
	}
	return at, err
}

// checkRole checks a role that the caller gives or takes away at a place. Only owners decide who is one.
func (c *call) checkRole(role record.Role, at record.Place) error {
	if !role.Covers(record.Viewer) {
		var names []string
		for _, r := range record.Roles {
			names = append(names, string(r))
		}
		return tandem.Errorf(tandem.Invalid, "the role is one of %s, not %q", strings.Join(names, ", "), role)
	}
	if role == record.Owner {
		return c.mayAs(record.Owner, at, "place")
	}
	return nil
}

func (c *call) showCollaborator(g record.Grant) (object, error) {
	member, err := c.Store.Account(c.ctx, g.Member)
	if err != nil {
		return object{}, err
	}
	related := placed(g.Place)
	related["account"] = ref{"account", g.Member}
	if g.Creator != "" {
		related["creator"] = ref{"account", g.Creator}
	}
	return object{
		Type: "collaborator", ID: g.ID, Links: c.self("collaborators", g.ID),
		Attributes: map[string]any{
			"role": g.Role, "username": member.Username, "email": member.Email,
			"created_at": stamp(g.Created), "updated_at": stamp(g.Updated),
		},
		Relationships: related,
	}, nil
}

// listCollaborators sends the roles at a place and in it, or those of the caller.
func (c *call) listCollaborators() (err error) {
	var at record.Place
	member := c.accountFilter("member.id")
	switch {
	case member == "":
		if at, err = c.thePlace(); err != nil {
			return err
		}
	case member != c.account.ID:
		return c.sendNone()
	}
	number, page := c.page()
	list, next, err := c.Store.Grants(c.ctx, member, at, page)
	if err != nil {
		return err
	}
	return sendObjects(c, number, page, next, list, c.showCollaborator)
}

func (c *call) addCollaborator() error {
	var in struct {
		Username string
		Role     record.Role
	}
	body, err := c.readAs(shape{types: []string{"collaborator"}, related: placeRelated}, &in)
	if err != nil {
		return err
	}
	at, err := c.placeGiven(body.Data.Relationships)
	if err != nil {
		return err
	}
	if err := c.checkRole(in.Role, at); err != nil {
		return err
	}
	var member store.Account
	// Who looks for names of accounts is slowed down like who guesses passwords.
	err = besideToken(c.loginAs(c.r, c.account.ID+" collaborators", in.Username, func() (err error) {
		member, err = c.Store.AccountNamed(c.ctx, in.Username)
		return err
	}))
	if tandem.KindOf(err) == tandem.NotFound {
		return tandem.Errorf(tandem.NotFound, "there is no account %q: invite its owner with a link instead", in.Username)
	}
	if err != nil {
		return err
	}
	g, err := c.Store.AddGrant(c.ctx, record.Grant{Member: member.ID, Place: at, Role: in.Role, Creator: c.account.ID})
	if err != nil {
		return err
	}
	return c.sendCollaborator(http.StatusCreated, g)
}

func (c *call) sendCollaborator(status int, g record.Grant) error {
	o, err := c.showCollaborator(g)
	if err != nil {
		return err
	}
	return c.sendObject(status, o)
}

// collaborator returns the one of the path. The caller must be allowed to take its role away.
func (c *call) collaborator() (record.Grant, error) {
	g, err := c.Store.Grant(c.ctx, c.arg(1))
	if err == nil {
		err = c.may(g.Place, "collaborator")
	}
	if err == nil {
		err = c.checkRole(g.Role, g.Place)
	}
	return g, err
}

func (c *call) changeCollaborator() error {
	var in struct{ Role record.Role }
	if _, err := c.readAs(shape{types: []string{"collaborator"}}, &in); err != nil {
		return err
	}
	g, err := c.collaborator()
	if err != nil {
		return err
	}
	if err := c.checkRole(in.Role, g.Place); err != nil {
		return err
	}
	if g, err = c.Store.ChangeGrant(c.ctx, g.ID, in.Role); err != nil {
		return err
	}
	return c.sendCollaborator(http.StatusOK, g)
}

// deleteCollaborator ends a role. Its account can do that, too.
func (c *call) deleteCollaborator() error {
	g, err := c.Store.Grant(c.ctx, c.arg(1))
	if err != nil || g.Member != c.account.ID {
		g, err = c.collaborator()
	}
	if err != nil {
		return err
	}
	c.changes(g.Place)
	if err := c.Store.DeleteGrant(c.ctx, g.ID); err != nil {
		return err
	}
	return c.noContent()
}

func (c *call) showInvitation(i record.Invitation) object {
	related := placed(i.Place)
	for name, id := range map[string]string{"creator": i.Creator, "used_by": i.UsedBy, "account": i.Account} {
		if id != "" {
			related[name] = ref{"account", id}
		}
	}
	return object{
		Type: "invitation", ID: i.ID, Links: c.self("invitations", i.ID),
		Attributes: map[string]any{
			"role": orNull(string(i.Role)), "email": orNull(i.Email), "created_at": stamp(i.Created),
			"expires_at": stamp(i.Expires), "used_at": stampOrNull(i.Used),
		},
		Relationships: related,
	}
}

func (c *call) listInvitations() error {
	at, err := c.thePlace()
	if err != nil {
		return err
	}
	number, page := c.page()
	list, next, err := c.Store.Invitations(c.ctx, "", at, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, func(i record.Invitation) any { return c.showInvitation(i) })
}

// addInvitation makes an invitation. Only this answer has its link.
func (c *call) addInvitation() error {
	var in struct {
		Role      record.Role
		Email     string
		ExpiresIn float64 `json:"expires_in"` // seconds
	}
	body, err := c.readAs(shape{types: []string{"invitation"}, related: placeRelated}, &in)
	if err != nil {
		return err
	}
	if !(in.ExpiresIn >= 0) || in.ExpiresIn > longestInvite.Seconds() {
		return tandem.Errorf(tandem.Invalid, "an invitation can be good for %s at most", longestInvite)
	}
	if err := checkText("email", in.Email, longestDescription); err != nil {
		return err
	}
	i := record.Invitation{Role: in.Role, Email: in.Email, Creator: c.account.ID}
	if in.Role == "" && len(body.Data.Relationships) == 0 {
		if err := c.mayOperate(); err != nil {
			return err
		}
	} else {
		if i.Place, err = c.placeGiven(body.Data.Relationships); err != nil {
			return err
		}
		if err := c.checkRole(in.Role, i.Place); err != nil {
			return err
		}
	}
	c.changes(record.Place{Owner: c.account.ID})
	life := time.Duration(in.ExpiresIn * float64(time.Second))
	if life == 0 {
		life = inviteLife
	}
	i, token, err := c.invite(c.ctx, i, life)
	if err != nil {
		return err
	}
	o := c.showInvitation(i)
	attributes := o.Attributes.(map[string]any)
	attributes["token"], attributes["url"] = token, c.joinURL(token)
	return c.sendObject(http.StatusCreated, o)
}

// deleteInvitation withdraws an invitation; that to an account alone, an administrator does.
func (c *call) deleteInvitation() error {
	i, err := c.Store.Invitation(c.ctx, c.arg(1))
	switch {
	case err != nil:
	case i.Place.Owner != "":
		err = c.may(i.Place, "invitation")
	case c.mayOperate() != nil:
		err = record.Absent("invitation")
	}
	if err != nil {
		return err
	}
	c.changes(record.Place{Owner: c.account.ID})
	if err := c.Store.DeleteInvitation(c.ctx, i.ID); err != nil {
		return err
	}
	return c.noContent()
}

// acceptInvitation uses an invitation: for the account of the access token, if there is one, or for a
// new account.
func (c *call) acceptInvitation() error {
	known := c.r.Header.Get("Authorization") != ""
	if known {
		if err := c.authorize(); err != nil {
			return err
		}
	}
	var in Newcomer
	if err := c.readJSON(&in); err != nil {
		return err
	}
	if known {
		if in.Username != "" || in.Email != "" || in.Password != "" {
			return tandem.Errorf(tandem.Invalid, "with an access token the invitation is for its account: send the token alone")
		}
		c.trail.Actor, c.trail.ActorName = c.account.ID, c.account.Username
	} else {
		c.trail.ActorName = in.Username
	}
	a, err := c.accept(c.ctx, c.r, in, c.account.ID)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showAccount(a).(object))
}

// Newcomer is who accepts an invitation.
type Newcomer struct{ Token, Username, Email, Password string }

// invite makes an invitation with a new secret.
func (s *Service) invite(
	ctx context.Context, i record.Invitation, life time.Duration,
) (made record.Invitation, token string, err error) {
	token = rand.Text()
	i.Hash, i.Expires = record.Hash(token), time.Now().Add(life)
	made, err = s.Store.AddInvitation(ctx, i)
	return made, token, err
}

// accept uses an invitation for the account with an id, or else for a new one.
func (s *Service) accept(ctx context.Context, r *http.Request, n Newcomer, id string) (a store.Account, err error) {
	var i record.Invitation
	err = s.login(r, n.Token, func() (err error) {
		i, err = s.Store.InvitationWith(ctx, n.Token)
		return err
	})
	if tandem.KindOf(err) == tandem.NotFound {
		return a, tandem.Errorf(tandem.NotFound,
			"this invitation was used, was withdrawn, or has expired: ask for another one")
	}
	if err != nil {
		return a, err
	}
	a = store.Account{ID: id, Username: n.Username, Email: n.Email}
	switch {
	case i.Account != "":
		if n.Email != "" {
			err = CheckAccount(operatorName, n.Email)
		}
	case id == "":
		err = CheckAccount(n.Username, n.Email)
	}
	if err == nil && (i.Account != "" || id == "") {
		a.Password, err = s.hashPassword(ctx, n.Password)
	}
	if err != nil {
		return a, err
	}
	return s.Store.Accept(ctx, n.Token, a)
}

// joinURL is the link of an invitation.
func (s *Service) joinURL(token string) string { return s.URL + joinPath + "?token=" + token }

// SetUpLink returns a link by which the first administrator's account gets its password, once; "" when
// it has one.
func (s *Service) SetUpLink(ctx context.Context) (string, error) {
	a, err := s.operator(ctx)
	if err != nil || a.Password != "" {
		return "", err
	}
	_, token, err := s.invite(ctx, record.Invitation{Account: a.ID}, setUpLife)
	return s.joinURL(token), err
}
