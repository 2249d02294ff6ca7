package central

import (
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
)

// tokenLife is the lifetime of an access token that clients expect.
const tokenLife = time.Hour

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

// stamp formats a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
