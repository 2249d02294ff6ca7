package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tandem-iot/tandem"
)

// placeFlags name what is shared.
type placeFlags struct {
	Product string `placeholder:"NAME" help:"A product of yours, and all that is in it; without it all of the account."`
	Group   string `placeholder:"NAME" help:"A device group of --product, and no other."`
}

// place returns the relationship that names what is shared, and the filter for it.
func (f placeFlags) place(ctx context.Context, api *client) (related map[string]any, filter string, err error) {
	ref := func(name, kind, id string) (map[string]any, string, error) {
		return map[string]any{name: map[string]string{"type": kind, "id": id}}, "&filter[" + name + ".id]=" + id, nil
	}
	switch {
	case f.Group != "" && f.Product == "":
		return nil, "", tandem.Errorf(tandem.Invalid, "--group needs --product, whose device group it is")
	case f.Group != "":
		id, err := api.group(ctx, f.Product, f.Group, false)
		if err != nil {
			return nil, "", err
		}
		return ref("devicegroup", "devicegroup", id)
	case f.Product != "":
		id, err := api.product(ctx, f.Product)
		if err != nil {
			return nil, "", err
		}
		if id == "" {
			return nil, "", tandem.Errorf(tandem.NotFound, "there is no product %s", f.Product)
		}
		return ref("product", "product", id)
	}
	var me struct{ Data resource }
	if err := api.do(ctx, "GET", "/accounts/me", nil, &me); err != nil {
		return nil, "", err
	}
	return ref("owner", "account", me.Data.ID)
}

// product returns the id of a product by its name, "" if there is none. One's own come first.
func (c *client) product(ctx context.Context, name string) (string, error) {
	for _, filter := range []string{"&filter[owner.id]=me", ""} {
		list, err := c.list(ctx, "products", filter)
		if err != nil {
			return "", err
		}
		if id := named(list, name); id != "" {
			return id, nil
		}
	}
	return "", nil
}

type accountGrantCmd struct {
	nodeFlags
	placeFlags
	Name string `arg:"" help:"The user name or e-mail address of an account."`
	Role string `arg:"" help:"${help_role}"`
}

func (c *accountGrantCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	related, _, err := c.place(ctx, api)
	if err != nil {
		return err
	}
	attributes := map[string]string{"username": c.Name, "role": c.Role}
	made, err := api.create(ctx, "collaborators", "collaborator", attributes, related)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, made.ID)
	return nil
}

type accountRolesCmd struct {
	nodeFlags
	placeFlags
	Own bool `help:"Show instead what others share with you."`
}

// collaborator is one as the API shows it.
type collaborator struct {
	ID         string
	Attributes struct{ Role, Username, Email string }

	Relationships map[string]struct{ ID string }
}

func (c *accountRolesCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	filter := "&filter[member.id]=me"
	if !c.Own {
		if _, filter, err = c.place(ctx, api); err != nil {
			return err
		}
	}
	list, err := pages[collaborator](ctx, api, "collaborators", filter)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tUSER\tROLE\tPLACE")
	for _, g := range list {
		place := "account " + g.Relationships["owner"].ID
		for _, kind := range []string{"product", "devicegroup"} {
			if r, ok := g.Relationships[kind]; ok {
				place = kind + " " + r.ID
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", g.ID, g.Attributes.Username, g.Attributes.Role, place)
	}
	return t.Flush()
}

// pages reads all pages of a collection.
func pages[T any](ctx context.Context, api *client, collection, filter string) (all []T, err error) {
	for number := 1; ; number++ {
		var out struct {
			Data  []T
			Links map[string]string
		}
		path := fmt.Sprintf("/%s?page[number]=%d&page[size]=100%s", collection, number, filter)
		if err := api.do(ctx, "GET", path, nil, &out); err != nil {
			return nil, err
		}
		if all = append(all, out.Data...); out.Links["next"] == "" {
			return all, nil
		}
	}
}

type accountRevokeCmd struct {
	nodeFlags
	ID string `arg:"" help:"Id of a role or an invitation, as tandem account roles and invitations show it."`
}

func (c *accountRevokeCmd) Run(ctx context.Context, _ *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	err = api.do(ctx, "DELETE", "/collaborators/"+url.PathEscape(c.ID), nil, nil)
	if tandem.KindOf(err) == tandem.NotFound {
		err = api.do(ctx, "DELETE", "/invitations/"+url.PathEscape(c.ID), nil, nil)
	}
	return err
}

type accountInviteCmd struct {
	nodeFlags
	placeFlags
	Role  string        `arg:"" optional:"" help:"${help_role} Without one the link is for an account alone."`
	Email string        `placeholder:"ADDRESS" help:"Of who is invited: it is noted, and nothing is sent."`
	For   time.Duration `placeholder:"DURATION" default:"168h" help:"How long the link is good (${default})."`
}

func (c *accountInviteCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	attributes := map[string]any{"email": c.Email, "expires_in": c.For.Seconds()}
	var related map[string]any
	if c.Role != "" {
		attributes["role"] = c.Role
		if related, _, err = c.place(ctx, api); err != nil {
			return err
		}
	}
	made, err := api.create(ctx, "invitations", "invitation", attributes, related)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, made.Attributes.URL)
	return nil
}

type accountInvitationsCmd struct {
	nodeFlags
	placeFlags
}

// invitation is one as the API shows it.
type invitation struct {
	ID         string
	Attributes struct {
		Role, Email string
		Expires     time.Time  `json:"expires_at"`
		Used        *time.Time `json:"used_at"`
	}
}

func (c *accountInvitationsCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	_, filter, err := c.place(ctx, api)
	if err != nil {
		return err
	}
	list, err := pages[invitation](ctx, api, "invitations", filter)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tROLE\tFOR\tSTATE")
	for _, i := range list {
		state := "open until " + i.Attributes.Expires.Local().Format(time.DateTime)
		switch {
		case i.Attributes.Used != nil:
			state = "used " + i.Attributes.Used.Local().Format(time.DateTime)
		case i.Attributes.Expires.Before(time.Now()):
			state = "expired"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", i.ID, cmp.Or(i.Attributes.Role, "-"), cmp.Or(i.Attributes.Email, "-"), state)
	}
	return t.Flush()
}

type accountJoinCmd struct {
	Link  string `arg:"" help:"The link of an invitation."`
	Name  string `arg:"" optional:"" help:"The user name of a new account."`
	Email string `arg:"" optional:"" help:"Its e-mail address."`
	Key   string `name:"login-key" placeholder:"KEY" env:"TANDEM_LOGIN_KEY" help:"${help_join_key}"`
}

func (c *accountJoinCmd) Run(ctx context.Context, s *streams) error {
	base, token, ok := strings.Cut(c.Link, "/join?token=")
	if !ok {
		return tandem.Errorf(tandem.Invalid, "%s is not the link of an invitation, which has /join?token= in it", c.Link)
	}
	api := &client{base: base + "/v5"}
	in := map[string]string{"token": token}
	if c.Key != "" {
		var err error
		if api, err = (nodeFlags{URL: base, Key: c.Key}).dial(ctx); err != nil {
			return err
		}
	} else {
		password, err := askPassword(s, cmp.Or(c.Name, "the account"))
		if err != nil {
			return err
		}
		in["username"], in["email"] = c.Name, c.Email
		in["password"] = password
	}
	var out struct{ Data account }
	if err := api.do(ctx, "POST", "/invitations/accept", in, &out); err != nil {
		return err
	}
	fmt.Fprintln(s.out, out.Data.ID)
	return nil
}
