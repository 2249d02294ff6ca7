package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
)

type accountCmd struct {
	Add      accountAddCmd      `cmd:"" help:"Make an account. Its password is asked for, or is the input's first line."`
	List     accountListCmd     `cmd:"" help:"List the accounts: id, user name, e-mail address."`
	Password accountPasswordCmd `cmd:"" help:"Set the password of an account, with which it logs in at POST /v5/auth."`

	Grant       accountGrantCmd       `cmd:"" help:"Give an account a role. Prints its id."`
	Roles       accountRolesCmd       `cmd:"" help:"List who has a role: id, user name, role and place."`
	Revoke      accountRevokeCmd      `cmd:"" help:"End a role, or withdraw an invitation."`
	Invite      accountInviteCmd      `cmd:"" help:"Make a link that gives a role, and an account. Prints it."`
	Invitations accountInvitationsCmd `cmd:"" help:"List the invitations: id, role, for whom, and whether they were used."`
	Join        accountJoinCmd        `cmd:"" help:"Use the link of an invitation. A password is asked for."`
}

// account is an account as the API shows it.
type account struct {
	ID         string
	Attributes struct{ Username, Email string }
}

type accountAddCmd struct {
	nodeFlags
	Name  string `arg:"" help:"The user name."`
	Email string `arg:"" help:"The e-mail address."`
}

func (c *accountAddCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	if err := central.CheckAccount(c.Name, c.Email); err != nil {
		return err // before a password is typed
	}
	password, err := askPassword(s, c.Name)
	if err != nil {
		return err
	}
	attributes := map[string]string{"username": c.Name, "email": c.Email, "password": password}
	made, err := api.create(ctx, "accounts", "account", attributes, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, made.ID)
	return nil
}

type accountListCmd struct{ nodeFlags }

func (c *accountListCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	list, err := api.accounts(ctx)
	for _, a := range list {
		fmt.Fprintf(s.out, "%s\t%s\t%s\n", a.ID, a.Attributes.Username, a.Attributes.Email)
	}
	return err
}

func (c *client) accounts(ctx context.Context) (all []account, err error) {
	for number := 1; ; number++ {
		var page struct {
			Data  []account
			Links map[string]string
		}
		path := fmt.Sprintf("/accounts?page[number]=%d&page[size]=100", number)
		if err := c.do(ctx, "GET", path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if page.Links["next"] == "" {
			return all, nil
		}
	}
}

type accountPasswordCmd struct {
	nodeFlags
	Name string `arg:"" optional:"" default:"operator" help:"The user name or e-mail address (${default})."`
}

func (c *accountPasswordCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	list, err := api.accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range list {
		if !strings.EqualFold(a.Attributes.Username, c.Name) && !strings.EqualFold(a.Attributes.Email, c.Name) {
			continue
		}
		password, err := askPassword(s, a.Attributes.Username)
		if err != nil {
			return err
		}
		attributes := map[string]string{"password": password}
		in := map[string]any{"data": map[string]any{"type": "account", "id": a.ID, "attributes": attributes}}
		return api.do(ctx, "PATCH", "/accounts/"+a.ID, in, nil)
	}
	return tandem.Errorf(tandem.NotFound, "there is no account %s: tandem account list shows all", c.Name)
}

// askPassword reads a new password: twice from a terminal, where it is not shown, or else the
// first line of the input.
func askPassword(s *streams, name string) (string, error) {
	tty, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		line, err := bufio.NewReader(s.in).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, text := range []string{"New password of " + name + ": ", "Again: "} {
		fmt.Fprint(s.err, text)
		data, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(s.err)
		if err != nil {
			return "", err
		}
		typed[i] = string(data)
	}
	if typed[0] != typed[1] {
		return "", tandem.Errorf(tandem.Invalid, "the two passwords differ; nothing was changed")
	}
	return typed[0], nil
}

// adviseAccount says how other clients of the API can log in, before the operator's account
// has a password.
func adviseAccount(ctx context.Context, out io.Writer, service *central.Service, data string) {
	if has, err := service.HasPassword(ctx); err != nil || has {
		return // what cannot be read now, the next start tells
	}
	command := "tandem account password"
	if data != defaultData {
		command += " --data " + data
	}
	fmt.Fprintf(out, "The account operator has no password yet; other clients of the API can log in after: %s\n", command)
	if link, err := service.SetUpLink(ctx); err == nil && link != "" {
		fmt.Fprintf(out, "Or set up the administrator's account with this link, once and within a day: %s\n", link)
	}
}
