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
	"github.com/tandem-iot/tandem/central/client"
)

type accountCmd struct {
	List     accountListCmd     `cmd:"" help:"List the accounts that you can see."`
	Show     accountShowCmd     `cmd:"" help:"Show an account; by default yours."`
	Add      accountAddCmd      `cmd:"" help:"Make an account. Its password is asked for, or is the input's first line."`
	Password accountPasswordCmd `cmd:"" help:"Set the password of an account, with which it logs in at POST /v5/auth."`
	OTP      accountOTPCmd      `cmd:"" name:"otp" help:"Ask for one-time passwords, too, when an account logs in."`

	Role       roleCmd       `cmd:"" help:"Give accounts roles at what is yours, list them, or end one."`
	Invitation invitationCmd `cmd:"" help:"Make links that give a role, and an account; list them, or withdraw one."`
	Join       joinCmd       `cmd:"" help:"${help_join}"`
}

type accountAddCmd struct {
	nodeFlags
	Name  string `arg:"" help:"The user name."`
	Email string `arg:"" help:"The e-mail address."`
}

func (c *accountAddCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
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
	a, err := n.AddAccount(ctx, c.Name, c.Email, password)
	if err != nil {
		return err
	}
	return s.made(a, a.ID)
}

type accountListCmd struct {
	nodeFlags
	listFlags
}

func (c *accountListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	all, err := n.allAccounts(ctx)
	if err != nil {
		return err
	}
	return listed(s, c.listFlags, all, []column[client.Account]{
		{"account", func(a client.Account) string { return a.ID }},
		{"name", func(a client.Account) string { return a.Username }},
		{"email", func(a client.Account) string { return a.Email }},
		{"created", func(a client.Account) string { return at(a.CreatedAt) }},
	})
}

type accountShowCmd struct {
	nodeFlags
	Account string `arg:"" optional:"" help:"User name, e-mail address or id of the account."`
}

func (c *accountShowCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	_, a, err := n.meAnd(ctx, c.Account)
	if err != nil {
		return err
	}
	may, err := n.Capabilities(ctx, a.ID)
	if err != nil {
		return err
	}
	return described(s, struct {
		client.Account
		Operate bool `json:"operates_the_installation"`
	}{a, may.Operate}, a.ID)
}

// meAnd returns one's own account and the named one, which is one's own for "".
func (n *node) meAnd(ctx context.Context, name string) (me, named client.Account, err error) {
	if me, err = n.Account(ctx, "me"); err != nil || name == "" {
		return me, me, err
	}
	named, err = n.account(ctx, name)
	return me, named, err
}

type accountPasswordCmd struct {
	nodeFlags
	Account string `arg:"" optional:"" help:"User name, e-mail address or id of the account; by default yours."`
}

func (c *accountPasswordCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	me, a, err := n.meAnd(ctx, c.Account)
	if err != nil {
		return err
	}
	may, err := n.Capabilities(ctx, me.ID)
	if err != nil {
		return err
	}
	old := ""
	if !may.Operate { // the operator confirms nothing: who can read its key can set any password
		in := bufio.NewReader(s.in)
		if old, err = askSecret(s, in, "Present password of "+a.Username+": "); err != nil {
			return err
		}
		s.in = keepTerminal(s.in, in)
	}
	password, err := askPassword(s, a.Username)
	if err != nil {
		return err
	}
	if a, err = n.SetPassword(ctx, a.ID, old, password); err != nil {
		return err
	}
	return s.result(a, "")
}

// keepTerminal returns the input after a line of it was read; a terminal gives a line at a time.
func keepTerminal(in io.Reader, rest *bufio.Reader) io.Reader {
	if isTerminal(in) {
		return in
	}
	return rest
}

type accountOTPCmd struct {
	Show    otpShowCmd    `cmd:"" help:"Show whether your account has one-time passwords."`
	Enable  otpEnableCmd  `cmd:"" help:"${help_otp_enable}"`
	Disable otpDisableCmd `cmd:"" help:"${help_otp_disable}"`
}

type otpShowCmd struct{ nodeFlags }

func (c *otpShowCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	o, err := n.OneTime(ctx)
	if tandem.KindOf(err) == tandem.NotFound {
		err = nil
	}
	if err != nil {
		return err
	}
	text := "disabled\n"
	if o.Enabled {
		text = "enabled\n"
	}
	return s.result(map[string]bool{"enabled": o.Enabled}, text)
}

type otpEnableCmd struct{ nodeFlags }

func (c *otpEnableCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	password, err := n.password(ctx)
	if err != nil {
		return err
	}
	o, err := n.AddOneTime(ctx, password)
	if err != nil {
		return err
	}
	picture, err := qrCode(o.URL)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%sScan this with an authenticator, or type its secret: %s\n", picture, o.Secret)
	code, err := ask(s, bufio.NewReader(s.in), "The one-time password that it shows: ")
	if err != nil {
		return err
	}
	if o, err = n.ConfirmOneTime(ctx, code); err != nil {
		return err
	}
	s.say("One-time passwords are enabled. Keep these recovery codes; each replaces one, once:")
	return s.result(o, strings.Join(o.RecoveryCodes, "\n")+"\n")
}

type otpDisableCmd struct {
	nodeFlags
	yesFlag
	Account string `arg:"" optional:"" help:"${help_otp_account}"`
}

func (c *otpDisableCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	me, a, err := n.meAnd(ctx, c.Account)
	if err != nil {
		return err
	}
	if err := c.confirm(s, "This lets account %s log in with its password alone", a.Username); err != nil {
		return err
	}
	var password, code string
	if a.ID == me.ID {
		in := bufio.NewReader(s.in)
		password, err = askSecret(s, in, "Password of "+a.Username+": ")
		if err == nil {
			code, err = ask(s, in, "One-time password: ")
		}
		if err != nil {
			return err
		}
	}
	if err := n.RemoveOneTime(ctx, a.ID, password, code); err != nil {
		return err
	}
	return s.made(gone{a.ID}, a.ID)
}

// askPassword reads a new password: twice from a terminal, where it is not shown, or else the
// first line of the input.
func askPassword(s *streams, name string) (string, error) {
	tty, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return ask(s, bufio.NewReader(s.in), "New password of "+name+": ")
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
func adviseAccount(ctx context.Context, s *streams, service *central.Service, data string) {
	if has, err := service.HasPassword(ctx); err != nil || has {
		return // what cannot be read now, the next start tells
	}
	command := "tandem account password operator"
	if data != defaultData {
		command += " --data " + data
	}
	s.say("The account operator has no password yet; other clients of the API can log in after: %s", command)
	if link, err := service.SetUpLink(ctx); err == nil && link != "" {
		s.say("Or set up the administrator's account with this link, once and within a day: %s", link)
	}
}
