package central

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/store"
)

// tokenLife is the lifetime of an access token that clients expect.
const tokenLife = time.Hour

// refreshLife is how long a refresh token can be exchanged for access tokens.
const refreshLife = 365 * 24 * time.Hour

// passwordHeader has the password of the account, which calls about its login keys want again.
const passwordHeader = "X-Electricimp-Password"

// authorize authenticates the caller by the access token.
func (c *call) authorize() error {
	secret, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return tandem.Errorf(tandem.Unauthorized, "this needs an access token: "+
			"log in at POST /v5/auth, or exchange a login key for one at POST /v5/auth/token")
	}
	return c.login(c.r, secret, func() error {
		t, err := c.Store.Token(c.ctx, secret)
		if tandem.KindOf(err) == tandem.NotFound || err == nil && t.Refresh {
			return tandem.Errorf(tandem.Unauthorized, "this access token is invalid or expired")
		}
		if err != nil {
			return err
		}
		c.account, err = c.Store.Account(c.ctx, t.Account)
		return err
	})
}

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

// stamp formats a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
