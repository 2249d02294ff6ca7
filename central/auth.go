package central

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
)

// tokenLife is the lifetime of an access token that clients expect.
const tokenLife = time.Hour

// authorize authenticates the caller by the access token.
func (c *call) authorize() error {
	secret, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return tandem.Errorf(tandem.Unauthorized, "this needs an access token: "+
			"exchange a login key for one at POST /v5/auth/token")
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

// exchangeKey returns an access token for a login key.
func (c *call) exchangeKey() error {
	var in struct {
		Key string `json:"key"`
	}
	if err := c.readJSON(&in); err != nil {
		return err
	}
	if in.Key == "" {
		return tandem.Errorf(tandem.Invalid, `send {"key": "…"} with a login key`)
	}
	var k store.LoginKey
	err := c.login(c.r, in.Key, func() (err error) {
		if k, err = c.Store.LoginKey(c.ctx, in.Key); tandem.KindOf(err) == tandem.NotFound {
			err = tandem.Errorf(tandem.NotFound, "there is no such login key")
		}
		return err
	})
	if err != nil {
		return err
	}
	use := func(k *store.LoginKey) error { k.Usages++; return nil }
	if _, err := c.Store.ChangeLoginKey(c.ctx, k.ID, use); err != nil {
		return err
	}
	secret := rand.Text()
	expires := time.Now().Add(tokenLife)
	if _, err := c.Store.AddToken(c.ctx, store.Token{Account: k.Account, Expires: expires}, secret); err != nil {
		return err
	}
	c.issued(c.r, secret)
	return c.send(http.StatusOK, map[string]any{
		"access_token": secret, "expires_in": int(tokenLife.Seconds()), "expires_at": stamp(expires),
	})
}

func (c *call) getAccount() error {
	return c.sendObject(http.StatusOK, object{
		Type: "account", ID: c.account.ID, Links: c.self("accounts", c.account.ID),
		Attributes:    map[string]any{"username": c.account.Username, "email": c.account.Email},
		Relationships: map[string]ref{},
	})
}

// stamp formats a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
