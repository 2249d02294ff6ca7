package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
	"github.com/tandem-iot/tandem/internal/durable"
)

// place is a login at a node, which commands find by its name.
type place struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Account string `json:"account"` // user name
	Key     string `json:"login_key,omitempty"`
	Refresh string `json:"refresh_token,omitempty"`
	Token   string `json:"refresh_token_id,omitempty"` // by which the node ends it
	CACert  string `json:"cacert,omitempty"`           // PEM
}

func (p place) access() access {
	login := client.Login{Key: p.Key, Refresh: p.Refresh}
	return access{url: p.URL, login: login, cacert: p.CACert, context: p.Name}
}

// places are the contexts of a person, in a file that only they can read.
type places struct {
	Current  string  `json:"current,omitempty"`
	Contexts []place `json:"contexts"`
}

// localPlace is the name of the context that is always there: the node on this machine.
const localPlace = "local"

// contextsFile returns where contexts are kept.
func contextsFile() (string, error) {
	if file := os.Getenv("TANDEM_CONFIG"); file != "" {
		return file, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", tandem.Errorf(tandem.NotFound,
			"there is no directory for settings: set HOME, or TANDEM_CONFIG to the name of a file")
	}
	return filepath.Join(dir, "tandem", "contexts.json"), nil
}

func readContexts() (all places, err error) {
	file, err := contextsFile()
	if err != nil {
		return all, nil // there are none then
	}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return all, nil
	case err != nil:
		return all, err
	}
	if json.Unmarshal(data, &all) != nil {
		return all, tandem.Errorf(tandem.Invalid, "%s is damaged: delete it, and log in again", file)
	}
	return all, nil
}

func (all places) write() error {
	file, err := contextsFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return durable.Write(file, append(data, '\n'))
}

// named returns a context; ok is false for the node on this machine, which needs none.
func (all places) named(name string) (p place, ok bool, err error) {
	if name == "" || name == localPlace {
		return p, false, nil
	}
	names := []string{localPlace}
	for _, p := range all.Contexts {
		if p.Name == name {
			return p, true, nil
		}
		names = append(names, p.Name)
	}
	return p, false, unknown("context", name, names, "tandem context list shows all, tandem login makes one")
}

// put adds a context, or replaces that of its name.
func (all *places) put(p place) {
	all.drop(p.Name)
	all.Contexts = append(all.Contexts, p)
}

func (all *places) drop(name string) {
	all.Contexts = slices.DeleteFunc(all.Contexts, func(p place) bool { return p.Name == name })
}

type loginCmd struct {
	Account string `placeholder:"NAME" help:"${help_login_account}"`
	OTP     string `name:"otp" placeholder:"NAME" help:"${help_login_otp}"`
	Key     string `name:"login-key" placeholder:"KEY" env:"TANDEM_LOGIN_KEY" help:"${help_login_key}"`
	CACert  string `name:"cacert" placeholder:"FILE" env:"TANDEM_CACERT" help:"${help_cacert}"`
	Context string `placeholder:"NAME" help:"${help_login_context}"`
	URL     string `arg:"" optional:"" name:"url" help:"${help_login_url}"`
}

func (c *loginCmd) Run(ctx context.Context, s *streams) error {
	all, err := readContexts()
	if err != nil {
		return err
	}
	p, err := c.place(all)
	if err != nil {
		return err
	}
	a := p.access()
	a.login = client.Login{Key: c.Key}
	api := a.client()
	if c.Key != "" {
		p.Key = c.Key
		p.Refresh, p.Token = "", ""
		if err := api.Authenticate(ctx); err != nil {
			return err
		}
	} else if err := c.withPassword(ctx, s, api, &p); err != nil {
		return err
	}
	me, err := api.Account(ctx, "me")
	if err != nil {
		return err
	}
	p.Account = me.Username
	if p.Name == "" {
		u, err := url.Parse(p.URL)
		if err != nil {
			return err
		}
		p.Name = p.Account + "@" + u.Host
	}
	all.put(p)
	all.Current = p.Name
	if err := all.write(); err != nil {
		return err
	}
	s.say("Logged in at %s as %s.", p.URL, p.Account)
	return s.made(shownPlace(p, true), p.Name)
}

// place returns the context to log in for: a new one, or one that exists.
func (c *loginCmd) place(all places) (p place, err error) {
	known := false
	if name := cmp.Or(c.Context, all.Current); c.URL == "" || c.Context != "" {
		p, known, err = all.named(name)
		if err != nil && c.URL == "" || name == localPlace && c.Context != "" {
			return p, cmp.Or(err, tandem.Errorf(tandem.Invalid, "the context %s needs no login", localPlace))
		}
	}
	switch {
	case c.URL != "":
		p.URL, p.Name = strings.TrimRight(c.URL, "/"), c.Context
	case !known:
		return p, tandem.Errorf(tandem.Invalid, "say where to log in: tandem login URL")
	}
	if c.CACert != "" {
		if p.CACert, err = readCACert(c.CACert); err != nil {
			return p, err
		}
	}
	return p, checkNodeURL(p.URL)
}

// withPassword logs in with a password, and a one-time password if the account has them.
func (c *loginCmd) withPassword(ctx context.Context, s *streams, api *client.Client, p *place) error {
	in := bufio.NewReader(s.in)
	name := cmp.Or(c.Account, p.Account)
	if name == "" {
		var err error
		if name, err = ask(s, in, "User name or e-mail address: "); err != nil {
			return err
		}
	}
	password, err := askSecret(s, in, "Password of "+name+": ")
	if err != nil {
		return err
	}
	tokens, err := api.LogIn(ctx, name, password)
	var second *client.SecondFactor
	if errors.As(err, &second) {
		code := c.OTP
		if code == "" {
			if code, err = ask(s, in, "One-time password, or a recovery code: "); err != nil {
				return err
			}
		}
		tokens, err = api.LogInTwice(ctx, second.Token, code)
	}
	if err != nil {
		return err
	}
	p.Key, p.Refresh = "", tokens.Refresh
	var newest client.RefreshToken
	for t, err := range api.RefreshTokens(ctx) {
		if err != nil {
			return err
		}
		if !t.CreatedAt.Before(newest.CreatedAt) {
			newest = t
		}
	}
	p.Token = newest.ID
	return nil
}

// ask reads a line, on a terminal after a question.
func ask(s *streams, in *bufio.Reader, question string) (string, error) {
	if isTerminal(s.in) {
		fmt.Fprint(s.err, question)
	}
	line, err := in.ReadString('\n')
	if err != nil && (err != io.EOF || line == "") {
		return "", tandem.Errorf(tandem.Invalid, "the input has no line for: %s", strings.TrimSuffix(question, ": "))
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// askSecret reads a secret, which a terminal does not show.
func askSecret(s *streams, in *bufio.Reader, question string) (string, error) {
	f, ok := s.in.(*os.File)
	if !ok || !isTerminal(f) {
		return ask(s, in, question)
	}
	fmt.Fprint(s.err, question)
	data, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(s.err)
	return string(data), err
}

type logoutCmd struct {
	Context string `arg:"" optional:"" name:"context" help:"Name of the context; by default the current one."`
}

func (c *logoutCmd) Run(ctx context.Context, s *streams) error {
	all, err := readContexts()
	if err != nil {
		return err
	}
	p, ok, err := all.named(cmp.Or(c.Context, all.Current))
	switch {
	case err != nil:
		return err
	case !ok && c.Context == "":
		return tandem.Errorf(tandem.NotFound, "you are not logged in; tandem context list shows all logins")
	case !ok:
		return tandem.Errorf(tandem.Invalid, "the context %s has no login", c.Context)
	}
	all.drop(p.Name)
	if all.Current == p.Name {
		all.Current = ""
	}
	if err := all.write(); err != nil {
		return err
	}
	if p.Token != "" { // else who has a copy of the file could go on for a year
		if err := p.access().client().RemoveRefreshToken(ctx, p.Token); err != nil {
			s.say("The login is forgotten here, and could not be ended at the node: %s", inWords(err))
		}
	}
	return s.made(gone{p.Name}, p.Name)
}

type contextCmd struct {
	List contextListCmd `cmd:"" help:"List the logins of tandem login: name, node and account."`
	Use  contextUseCmd  `cmd:"" help:"Choose the node that commands use when none is named."`
}

// loginRow is a context without its secrets.
type loginRow struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Account string `json:"account"`
	Current bool   `json:"current"`
}

func shownPlace(p place, current bool) loginRow { return loginRow{p.Name, p.URL, p.Account, current} }

type contextListCmd struct{ listFlags }

func (c *contextListCmd) Run(s *streams) error {
	all, err := readContexts()
	if err != nil {
		return err
	}
	list := []loginRow{{Name: localPlace, Current: all.Current == "" || all.Current == localPlace}}
	for _, p := range all.Contexts {
		list = append(list, shownPlace(p, p.Name == all.Current))
	}
	return listed(s, c.listFlags, list, []column[loginRow]{
		{"context", func(p loginRow) string { return p.Name }},
		{"current", func(p loginRow) string { return yesNo(p.Current) }},
		{"node", func(p loginRow) string { return cmp.Or(p.URL, "the one of --data ("+defaultData+")") }},
		{"account", func(p loginRow) string { return p.Account }},
	})
}

type contextUseCmd struct {
	Context string `arg:"" name:"context" help:"${help_context_use}"`
}

func (c *contextUseCmd) Run(s *streams) error {
	all, err := readContexts()
	if err != nil {
		return err
	}
	p, ok, err := all.named(c.Context)
	if err != nil {
		return err
	}
	if !ok {
		p.Name = localPlace
	}
	all.Current = p.Name
	if err := all.write(); err != nil {
		return err
	}
	return s.made(shownPlace(p, true), p.Name)
}
