package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

// placeFlags name what is shared.
type placeFlags struct {
	Product string `placeholder:"PRODUCT" help:"${help_place_product}"`
	Group   string `placeholder:"GROUP" help:"A device group, by its name or its id, and no other."`
}

// place returns what the flags name.
func (f placeFlags) place(ctx context.Context, n *node) (p client.Scope, err error) {
	switch {
	case f.Group != "":
		g, err := n.group(ctx, f.Product, f.Group)
		return client.Scope{Group: g.ID}, err
	case f.Product != "":
		x, err := n.product(ctx, f.Product)
		return client.Scope{Product: x.ID}, err
	}
	me, err := n.Account(ctx, "me")
	return client.Scope{Owner: me.ID}, err
}

// at returns the node, and what the flags name there.
func (f placeFlags) at(ctx context.Context, s *streams, of nodeFlags) (n *node, p client.Scope, err error) {
	if n, err = of.dial(ctx, s); err == nil {
		p, err = f.place(ctx, n)
	}
	return n, p, err
}

type roleCmd struct {
	List   roleListCmd   `cmd:"" help:"List who has a role, and where."`
	Add    roleAddCmd    `cmd:"" help:"Give an account a role. Prints the role's id."`
	Change roleChangeCmd `cmd:"" help:"Change a role into another one."`
	Remove roleRemoveCmd `cmd:"" help:"End a role."`
}

type roleListCmd struct {
	nodeFlags
	placeFlags
	listFlags
	Mine bool `help:"What others share with you, instead of who shares what is yours."`
}

func (c *roleListCmd) Run(ctx context.Context, s *streams) error {
	n, p, err := c.at(ctx, s, c.nodeFlags)
	if err != nil {
		return err
	}
	list := n.Collaborators(ctx, p)
	if c.Mine {
		list = n.Shared(ctx)
	}
	all, err := collect(s, "roles", list)
	if err != nil {
		return err
	}
	for _, x := range all {
		if err := n.name(ctx, x.Owner, x.Product, x.Group); err != nil {
			return err
		}
	}
	return listed(s, c.listFlags, all, []column[client.Collaborator]{
		{"id", func(x client.Collaborator) string { return x.ID }},
		{"account", func(x client.Collaborator) string { return x.Username }},
		{"role", func(x client.Collaborator) string { return x.Role }},
		{"place", placeOf},
	})
}

// placeOf names the place of a role to people.
func placeOf(x client.Collaborator) string {
	switch {
	case x.Group != nil:
		return "device group " + called(x.Group)
	case x.Product != nil:
		return "product " + called(x.Product)
	}
	return "account " + called(x.Owner)
}

type roleAddCmd struct {
	nodeFlags
	placeFlags
	Account string `arg:"" help:"The user name or e-mail address of an account."`
	Role    string `arg:"" help:"${help_role}"`
}

func (c *roleAddCmd) Run(ctx context.Context, s *streams) error {
	n, p, err := c.at(ctx, s, c.nodeFlags)
	if err != nil {
		return err
	}
	x, err := n.AddCollaborator(ctx, c.Account, c.Role, p)
	if err != nil {
		return err
	}
	return s.made(x, x.ID)
}

type roleChangeCmd struct {
	nodeFlags
	ID   string `arg:"" name:"role-id" help:"The role's id, as tandem account role list shows it."`
	Role string `arg:"" help:"${help_role}"`
}

func (c *roleChangeCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	x, err := n.ChangeCollaborator(ctx, c.ID, c.Role)
	if c.ID == "" || tandem.KindOf(err) == tandem.NotFound {
		return unknown("role", c.ID, nil, "tandem account role list shows all")
	}
	if err != nil {
		return err
	}
	return s.made(x, x.ID)
}

type roleRemoveCmd struct {
	nodeFlags
	yesFlag
	Role string `arg:"" name:"role-id" help:"The role's id, as tandem account role list shows it."`
}

func (c *roleRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	none := unknown("role", c.Role, nil, "tandem account role list shows all")
	remove := func(id string) error { return n.RemoveCollaborator(ctx, id) }
	return c.removeGiven(s, c.Role, remove, none, "This ends the role %s")
}

// removeGiven removes what has an id that is not looked up before. none is the error if there is none.
func (f yesFlag) removeGiven(s *streams, id string, remove func(id string) error, none error, what string) error {
	if id == "" {
		return none
	}
	given := func() error {
		err := remove(id)
		if tandem.KindOf(err) == tandem.NotFound {
			return none
		}
		return err
	}
	return f.remove(s, id, given, what, id)
}

type invitationCmd struct {
	List   invitationListCmd   `cmd:"" help:"List the invitations: for whom they are, and whether they were used."`
	Add    invitationAddCmd    `cmd:"" help:"Make a link that gives a role, and an account to who has none. Prints it."`
	Remove invitationRemoveCmd `cmd:"" help:"Withdraw an invitation."`
}

type invitationListCmd struct {
	nodeFlags
	placeFlags
	listFlags
}

func (c *invitationListCmd) Run(ctx context.Context, s *streams) error {
	n, p, err := c.at(ctx, s, c.nodeFlags)
	if err != nil {
		return err
	}
	all, err := collect(s, "invitations", n.Invitations(ctx, p))
	if err != nil {
		return err
	}
	return listed(s, c.listFlags, all, []column[client.Invitation]{
		{"id", func(x client.Invitation) string { return x.ID }},
		{"role", func(x client.Invitation) string { return cmp.Or(x.Role, "-") }},
		{"email", func(x client.Invitation) string { return cmp.Or(x.Email, "-") }},
		{"state", stateOf},
	})
}

// stateOf says what has become of an invitation.
func stateOf(x client.Invitation) string {
	switch {
	case x.Used != nil:
		return "used " + when(x.Used)
	case x.Expires.Before(time.Now()):
		return "expired"
	}
	return "open until " + at(x.Expires)
}

type invitationAddCmd struct {
	nodeFlags
	placeFlags
	Role  string        `arg:"" optional:"" help:"${help_role} Without one the link is for an account alone."`
	Email string        `placeholder:"TEXT" help:"E-mail address of who is invited: it is noted, and nothing is sent."`
	For   time.Duration `placeholder:"DURATION" default:"168h" help:"How long the link is good (${default})."`
}

func (c *invitationAddCmd) Run(ctx context.Context, s *streams) error {
	n, p, err := c.at(ctx, s, c.nodeFlags)
	if err != nil {
		return err
	}
	x, err := n.AddInvitation(ctx, c.Role, c.Email, p, c.For)
	if err != nil {
		return err
	}
	return s.made(x, x.URL)
}

type invitationRemoveCmd struct {
	nodeFlags
	yesFlag
	Invitation string `arg:"" help:"The invitation's id, as tandem account invitation list shows it."`
}

func (c *invitationRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	none := unknown("invitation", c.Invitation, nil, "tandem account invitation list shows all")
	remove := func(id string) error { return n.RemoveInvitation(ctx, id) }
	return c.removeGiven(s, c.Invitation, remove, none, "This withdraws the invitation %s")
}

type joinCmd struct {
	Link   string `arg:"" help:"The link of an invitation."`
	Name   string `placeholder:"NAME" help:"The user name of a new account."`
	Email  string `placeholder:"TEXT" help:"Its e-mail address."`
	Key    string `name:"login-key" placeholder:"KEY" env:"TANDEM_LOGIN_KEY" help:"${help_join_key}"`
	CACert string `name:"cacert" placeholder:"FILE" env:"TANDEM_CACERT" help:"${help_cacert}"`
}

func (c *joinCmd) Run(ctx context.Context, s *streams) error {
	base, token, ok := strings.Cut(c.Link, "/join?token=")
	if !ok || checkNodeURL(base) != nil {
		return tandem.Errorf(tandem.Invalid, "%q is not the link of an invitation, which has /join?token= in it", c.Link)
	}
	a := access{url: base, login: client.Login{Key: c.Key}}
	if c.CACert != "" {
		var err error
		if a.cacert, err = readCACert(c.CACert); err != nil {
			return err
		}
	}
	made := client.NewAccount{Name: c.Name, Email: c.Email}
	if c.Key == "" {
		var err error
		if made.Password, err = askPassword(s, cmp.Or(c.Name, "the account")); err != nil {
			return err
		}
	}
	x, err := a.client().Accept(ctx, token, made)
	if err != nil {
		return err
	}
	return s.made(x, x.ID)
}
