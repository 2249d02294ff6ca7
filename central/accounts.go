package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// refreshLife is how long a refresh token can be exchanged for access tokens.
const refreshLife = 365 * 24 * time.Hour

// passwordHeader has the password of the account, which calls about its login keys want again.
const passwordHeader = "X-Electricimp-Password"

// logIn returns an access token and a refresh token for a password.
func (c *call) logIn() error {
	var in struct {
		ID, Password string
		Token        string `json:"login_token"`
	}
	if err := c.readJSON(&in); err != nil {
		return err
	}
	account, err := c.firstHalf(in.ID, in.Password, in.Token)
	if err != nil {
		return err
	}
	answer, err := c.issue(account)
	if err != nil {
		return err
	}
	refresh := rand.Text()
	token := store.Token{Account: account, Refresh: true, Expires: time.Now().Add(refreshLife)}
	if _, err := c.Store.AddToken(c.ctx, token, refresh); err != nil {
		return err
	}
	answer["refresh_token"] = refresh
	c.issued(c.r, refresh)
	return c.send(http.StatusOK, answer)
}

// firstHalf returns the account with a name and a password, unless it has a second factor, and
// that of a login token.
func (c *call) firstHalf(name, password, token string) (account string, err error) {
	switch {
	case token != "" && name == "" && password == "":
		return c.secondHalf(token)
	case name == "" || password == "" || token != "":
		return "", tandem.Errorf(tandem.Invalid,
			`send {"id": "…", "password": "…"} with a user name or an e-mail address, or {"login_token": "…"}`)
	}
	var a store.Account
	err = c.loginAs(c.r, name, password, func() (err error) {
		a, err = c.accountWith(name, password)
		return err
	})
	if err != nil {
		return "", err
	}
	return a.ID, c.askSecond(a.ID)
}

// accountWith returns the account with a name and a password. Which of the two is wrong is not
// said.
func (c *call) accountWith(name, password string) (store.Account, error) {
	a, err := c.Store.AccountNamed(c.ctx, name)
	if err != nil && tandem.KindOf(err) != tandem.NotFound {
		return a, err
	}
	same, err := c.hasPassword(c.ctx, a.Password, password)
	if err == nil && !same {
		err = tandem.Errorf(tandem.Unauthorized, "there is no account with this name and this password")
	}
	return a, err
}

// issue makes an access token.
func (c *call) issue(account string) (map[string]any, error) {
	secret := rand.Text()
	expires := time.Now().Add(tokenLife)
	if _, err := c.Store.AddToken(c.ctx, store.Token{Account: account, Expires: expires}, secret); err != nil {
		return nil, err
	}
	c.issued(c.r, secret)
	return map[string]any{
		"access_token": secret, "expires_in": int(tokenLife.Seconds()), "expires_at": stamp(expires),
	}, nil
}

// exchange returns an access token for a login key or a refresh token.
func (c *call) exchange() error {
	var in struct{ Key, Token string }
	if err := c.readJSON(&in); err != nil {
		return err
	}
	if (in.Key == "") == (in.Token == "") {
		return tandem.Errorf(tandem.Invalid, `send {"key": "…"} with a login key, or {"token": "…"} with a refresh token`)
	}
	find := c.byKey
	if in.Token != "" {
		find = c.byRefreshToken
	}
	var account string
	secret := in.Key + in.Token
	err := c.login(c.r, secret, func() (err error) { account, err = find(secret); return err })
	if err != nil {
		return err
	}
	answer, err := c.issue(account)
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, answer)
}

func (c *call) byKey(key string) (account string, err error) {
	k, err := c.Store.LoginKey(c.ctx, key) // guesses are refused without a transaction
	if err != nil {
		return "", err
	}
	_, err = c.Store.ChangeLoginKey(c.ctx, key, func(k *store.LoginKey) error { k.Usages++; return nil })
	return k.Account, err
}

func (c *call) byRefreshToken(secret string) (account string, err error) {
	t, err := c.Store.Token(c.ctx, secret)
	if tandem.KindOf(err) == tandem.NotFound || err == nil && !t.Refresh {
		err = tandem.Errorf(tandem.NotFound, "there is no such refresh token: log in again")
	}
	return t.Account, err
}

// confirm checks the account's password, which the request has besides its access token.
func (c *call) confirm() error {
	password := c.r.Header.Get(passwordHeader)
	if password == "" {
		return tandem.Errorf(tandem.Forbidden, "Invalid Password: This needs the account's password in the header %s.",
			passwordHeader)
	}
	return besideToken(c.loginAs(c.r, c.account.Username, password, func() error {
		same, err := c.hasPassword(c.ctx, c.account.Password, password)
		if err == nil && !same {
			err = tandem.Errorf(tandem.Unauthorized, "Invalid Password: The password is wrong, or the account has none.")
		}
		return err
	}))
}

// besideToken is the error of a secret that a request has besides its access token: 401 would
// say that the token is wrong.
func besideToken(err error) error {
	if tandem.KindOf(err) == tandem.Unauthorized {
		return tandem.Errorf(tandem.Forbidden, "%v", err)
	}
	return err
}

// loginAs is login for a secret of an account that is named.
func (s *Service) loginAs(r *http.Request, name, secret string, check func() error) error {
	return s.attempt(r, admit.Attempt{Identity: strings.ToLower(name), Secret: secret}, check)
}

func (c *call) showAccount(a store.Account) any {
	return object{
		Type: "account", ID: a.ID, Links: c.self("accounts", a.ID),
		Attributes: map[string]any{
			"username": a.Username, "email": a.Email, "created_at": stamp(a.Created), "updated_at": stamp(a.Updated),
		},
		Relationships: map[string]ref{},
	}
}

// listAccounts sends the accounts that the caller may see.
func (c *call) listAccounts() error {
	number, page := c.page()
	if c.mayOperate() != nil {
		if number > 1 {
			return c.sendNone()
		}
		return sendList(c, number, page, 0, []store.Account{c.account}, c.showAccount)
	}
	list, next, err := c.Store.Accounts(c.ctx, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, c.showAccount)
}

// theAccount returns the account that the path names, by its id or as me.
func (c *call) theAccount() (store.Account, error) {
	if c.arg(1) == "me" || c.arg(1) == c.account.ID {
		return c.account, nil
	}
	a, err := c.Store.Account(c.ctx, c.arg(1))
	if err == nil {
		err = c.mayLook(a)
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

// getCapabilities says what an account may do, as some clients ask before they show it.
func (c *call) getCapabilities() error {
	a, err := c.theAccount()
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, object{
		Type: "capabilities", ID: a.ID, Links: c.self("accounts", a.ID+"/capabilities"),
		Attributes: map[string]any{
			"operate": a.Username == operatorName, "production": true, "login_keys": store.LoginKeysPerAccount,
		},
		Relationships: map[string]ref{"account": {"account", a.ID}},
	})
}

var accountShape = shape{types: []string{"account"}}

// addAccount makes an account.
func (c *call) addAccount() error {
	if err := c.mayOperate(); err != nil {
		return err
	}
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

// changeAccount sets a password. The operator sets that of any account; others confirm their own.
func (c *call) changeAccount() error {
	var in struct{ Password *string }
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
