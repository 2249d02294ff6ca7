package central

import (
	"cmp"
	"context"
	"net/http"
	"net/mail"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

func (c *call) showAccount(a store.Account) any {
	return object{
		Type: "account", ID: a.ID, Links: c.self("accounts", a.ID),
		Attributes: map[string]any{
			"username": a.Username, "email": a.Email, "created_at": stamp(a.Created), "updated_at": stamp(a.Updated),
			"administrator": a.Administrator,
		},
		Relationships: map[string]ref{},
	}
}

// listAccounts sends the accounts that the caller may see.
func (c *call) listAccounts() error {
	number, page := c.page()
	if c.mayOperate() != nil {
		list, err := c.seenAccounts()
		if err != nil {
			return err
		}
		return sendPart(c, number, page, list, c.showAccount)
	}
	list, next, err := c.Store.Accounts(c.ctx, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, c.showAccount)
}

// seenAccounts returns the caller's account and those that share something with it.
func (c *call) seenAccounts() ([]store.Account, error) {
	grants, err := c.shares()
	if err != nil {
		return nil, err
	}
	list := []store.Account{c.account}
	for _, g := range grants {
		if slices.ContainsFunc(list, func(a store.Account) bool { return a.ID == g.Place.Owner }) {
			continue
		}
		a, err := c.Store.Account(c.ctx, g.Place.Owner)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// theAccount returns the account that the path names, by its id or as me. To change another than
// its own a caller must be an administrator.
func (c *call) theAccount() (store.Account, error) {
	if c.arg(1) == "me" || c.arg(1) == c.account.ID {
		c.changes(record.Place{Owner: c.account.ID})
		return c.account, nil
	}
	a, err := c.Store.Account(c.ctx, c.arg(1))
	if err == nil {
		err = c.mayLook(a)
	}
	if err == nil && c.trail != nil {
		err = c.mayOperate()
		c.changes(record.Place{Owner: a.ID})
	}
	return a, err
}

func (c *call) getAccount() error {
	a, err := c.theAccount()
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showAccount(a).(object))
}

// getCapabilities says what an account may do, as some clients ask before they show it, and which role
// the caller has with it.
func (c *call) getCapabilities() error {
	a, err := c.theAccount()
	if err != nil {
		return err
	}
	role, err := c.roleAt(record.Place{Owner: a.ID})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, object{
		Type: "capabilities", ID: a.ID, Links: c.self("accounts", a.ID+"/capabilities"),
		Attributes: map[string]any{
			"operate": a.Administrator, "production": true, "role": orNull(string(role)),
			"login_keys": store.LoginKeysPerAccount,
		},
		Relationships: map[string]ref{"account": {"account", a.ID}},
	})
}

var accountShape = shape{types: []string{"account"}}

// addAccount makes an account.
func (c *call) addAccount() error {
	var in struct{ Username, Email, Password string }
	if _, err := c.readAs(accountShape, &in); err != nil {
		return err
	}
	a, err := c.AddAccount(c.ctx, in.Username, in.Email, in.Password)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusCreated, c.showAccount(a).(object))
}

// CheckAccount returns what is wrong with the name or the e-mail address of a new account.
func CheckAccount(name, email string) error {
	if err := checkName("user account", name); err != nil {
		return err
	}
	if at, err := mail.ParseAddress(email); err != nil || at.Address != email {
		return tandem.Errorf(tandem.Invalid, "%q is not an e-mail address", email)
	}
	return nil
}

// AddAccount makes an account with a password.
func (s *Service) AddAccount(ctx context.Context, name, email, password string) (store.Account, error) {
	if err := CheckAccount(name, email); err != nil {
		return store.Account{}, err
	}
	hash, err := s.hashPassword(ctx, password)
	if err != nil {
		return store.Account{}, err
	}
	return s.Store.AddAccount(ctx, store.Account{Username: name, Email: email, Password: hash})
}

// changeAccount sets a password, or makes an administrator. Administrators set the password of any
// account; others confirm their own.
func (c *call) changeAccount() error {
	var in struct {
		Password      *string
		Administrator *bool
	}
	if _, err := c.readAs(accountShape, &in); err != nil {
		return err
	}
	a, err := c.theAccount()
	if err != nil {
		return err
	}
	if in.Password != nil {
		if c.mayOperate() != nil {
			if err := c.confirm(); err != nil {
				return err
			}
		}
		hash, err := c.hashPassword(c.ctx, *in.Password)
		if err != nil {
			return err
		}
		if a, err = c.Store.SetPassword(c.ctx, a.ID, hash); err != nil {
			return err
		}
	}
	if in.Administrator != nil {
		if err := c.mayOperate(); err != nil {
			return err
		}
		if a.ID == c.account.ID && !*in.Administrator {
			return tandem.Errorf(tandem.Conflict, "an administrator cannot step down: let another one do it")
		}
		a, err = c.Store.ChangeAccount(c.ctx, a.ID, func(a *store.Account) error {
			a.Administrator = *in.Administrator
			return nil
		})
		if err != nil {
			return err
		}
	}
	return c.sendObject(http.StatusOK, c.showAccount(a).(object))
}

// HasPassword reports whether the operator's account has a password, which clients other than
// the node's own tools log in with.
func (s *Service) HasPassword(ctx context.Context) (bool, error) {
	a, err := s.operator(ctx)
	return a.Password != "", err
}

func (c *call) listRefreshTokens() error {
	number, page := c.page()
	list, next, err := c.Store.Tokens(c.ctx, c.account.ID, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, func(t store.Token) any {
		return object{
			Type: "refresh_token", ID: t.ID, Links: c.self("accounts/me/refresh_tokens", t.ID),
			Attributes:    map[string]any{"created_at": stamp(t.Created), "expires_at": stamp(t.Expires)},
			Relationships: map[string]ref{"account": {"account", t.Account}},
		}
	})
}

func (c *call) deleteRefreshToken() error {
	if err := c.Store.DeleteToken(c.ctx, c.account.ID, c.arg(3)); err != nil {
		return err
	}
	return c.noContent()
}

func (c *call) showLoginKey(k store.LoginKey) any {
	return object{
		Type: "login_key", ID: k.ID, Links: c.self("accounts/me/login_keys", k.ID),
		Attributes: map[string]any{
			"description": k.Description, "usages": k.Usages, "created_at": stamp(k.Created),
		},
		Relationships: map[string]ref{"account": {"account", k.Account}},
	}
}

func (c *call) listLoginKeys() error {
	number, page := c.page()
	list, next, err := c.Store.LoginKeys(c.ctx, c.account.ID, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, c.showLoginKey)
}

// loginKey returns the login key of the path, if it is the account's.
func (c *call) loginKey() (store.LoginKey, error) {
	k, err := c.Store.LoginKey(c.ctx, c.arg(3))
	if err == nil && k.Account != c.account.ID {
		err = record.Absent("login key")
	}
	return k, err
}

func (c *call) getLoginKey() error {
	k, err := c.loginKey()
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showLoginKey(k).(object))
}

var loginKeyShape = shape{types: []string{"login_key"}}

func (c *call) addLoginKey() error {
	var in struct{ Description string }
	if _, err := c.readAs(loginKeyShape, &in); err != nil {
		return err
	}
	if err := cmp.Or(checkText("description", in.Description, longestDescription), c.confirm()); err != nil {
		return err
	}
	k, err := c.Store.AddLoginKey(c.ctx, store.LoginKey{
		ID: newLoginKey(), Account: c.account.ID, Description: in.Description,
	})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusCreated, c.showLoginKey(k).(object))
}

func (c *call) changeLoginKey() error {
	var in struct{ Description *string }
	if _, err := c.readAs(loginKeyShape, &in); err != nil {
		return err
	}
	k, err := c.loginKey()
	if err != nil {
		return err
	}
	if in.Description != nil {
		if err := checkText("description", *in.Description, longestDescription); err != nil {
			return err
		}
	}
	if err := c.confirm(); err != nil {
		return err
	}
	k, err = c.Store.ChangeLoginKey(c.ctx, k.ID, func(k *store.LoginKey) error {
		if in.Description != nil {
			k.Description = *in.Description
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showLoginKey(k).(object))
}

func (c *call) deleteLoginKey() error {
	k, err := c.loginKey()
	if err != nil {
		return err
	}
	if err := c.confirm(); err != nil {
		return err
	}
	if err := c.Store.DeleteLoginKey(c.ctx, k.ID); err != nil {
		return err
	}
	return c.noContent()
}
