package main

import (
	"bufio"
	"context"
	"strconv"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the login keys of your account."`
	Add    keyAddCmd    `cmd:"" help:"Make a login key, with which programs log in, and print it. ${help_key_password}"`
	Change keyChangeCmd `cmd:"" help:"Change the description of a login key. ${help_key_password}"`
	Remove keyRemoveCmd `cmd:"" help:"Remove a login key; who has it cannot log in any more. ${help_key_password}"`
}

type keyListCmd struct {
	nodeFlags
	listFlags
}

func (c *keyListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	all, err := collect(s, "login keys", n.LoginKeys(ctx))
	if err != nil {
		return err
	}
	return listed(s, c.listFlags, all, []column[client.LoginKey]{
		{"key", func(k client.LoginKey) string { return k.ID }},
		{"usages", func(k client.LoginKey) string { return strconv.Itoa(k.Usages) }},
		{"created", func(k client.LoginKey) string { return at(k.CreatedAt) }},
		{"description", func(k client.LoginKey) string { return k.Description }},
	})
}

// loginKey returns the login key with an id.
func (n *node) loginKey(ctx context.Context, id string) (client.LoginKey, error) {
	k, err := n.LoginKey(ctx, id)
	if id == "" || tandem.KindOf(err) == tandem.NotFound {
		err = unknown("login key", id, nil, "tandem key list shows all")
	}
	return k, err
}

// password asks for the password of the account that is logged in.
func (n *node) password(ctx context.Context) (string, error) {
	me, err := n.Account(ctx, "me")
	if err != nil {
		return "", err
	}
	return askSecret(n.s, bufio.NewReader(n.s.in), "Password of "+me.Username+": ")
}

type keyAddCmd struct {
	nodeFlags
	Description string `arg:"" help:"What the key is for."`
}

func (c *keyAddCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	password, err := n.password(ctx)
	if err != nil {
		return err
	}
	k, err := n.AddLoginKey(ctx, c.Description, password)
	if err != nil {
		return err
	}
	return s.made(k, k.ID)
}

type keyChangeCmd struct {
	nodeFlags
	Key         string `arg:"" name:"login-key" help:"The login key."`
	Description string `arg:"" help:"What the key is for."`
}

func (c *keyChangeCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	k, err := n.loginKey(ctx, c.Key)
	if err != nil {
		return err
	}
	password, err := n.password(ctx)
	if err != nil {
		return err
	}
	if k, err = n.ChangeLoginKey(ctx, k.ID, c.Description, password); err != nil {
		return err
	}
	return s.made(k, k.ID)
}

type keyRemoveCmd struct {
	nodeFlags
	yesFlag
	Key string `arg:"" name:"login-key" help:"The login key."`
}

func (c *keyRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	k, err := n.loginKey(ctx, c.Key)
	if err != nil {
		return err
	}
	remove := func() error {
		password, err := n.password(ctx)
		if err != nil {
			return err
		}
		return n.RemoveLoginKey(ctx, k.ID, password)
	}
	return c.remove(s, k.ID, remove, "This removes the login key %s (%s)", k.ID, k.Description)
}
