package central

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// One-time passwords are those of RFC 6238 with its defaults, which every authenticator knows:
// SHA-1, six digits, 30 s.
const (
	otpHeader     = "X-Electricimp-OTP-Token"
	otpStep       = 30 // s
	otpDigits     = 1_000_000
	otpDrift      = 1 // steps that a clock may be off
	otpSecret     = 20
	loginLife     = 5 * time.Minute // between the password and the one-time password
	recoveryCodes = 10
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// otp returns the one-time password of a step.
func otp(secret []byte, step int) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, secret)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%otpDigits)
}

// otpAt returns the step of which a text is the one-time password, if it may be used: none is
// used twice.
func otpAt(f store.SecondFactor, now time.Time, text string) (step int, ok bool) {
	is := int(now.Unix() / otpStep)
	for at := max(is-otpDrift, f.Step+1); at <= is+otpDrift; at++ {
		if subtle.ConstantTimeCompare([]byte(otp(f.Secret, at)), []byte(text)) == 1 {
			return at, true
		}
	}
	return 0, false
}

// secondFactor is the error of a login that needs a one-time password besides the password.
type secondFactor struct {
	token   string
	expires time.Time
}

func (*secondFactor) Error() string {
	return "this account needs a one-time password: send it in the header " + otpHeader +
		` with {"login_token": …}`
}

func (c *call) failSecondFactor(e *secondFactor) {
	c.failWith(http.StatusForbidden, failure{
		"403", "PX200", "One-Time Password Needed", e.Error(),
		map[string]string{"login_token": e.token, "expires_at": stamp(e.expires)},
	})
}

// askSecond begins the second half of a login, if the account has a second factor.
func (c *call) askSecond(account string) error {
	f, err := c.Store.SecondFactor(c.ctx, account)
	switch {
	case tandem.KindOf(err) == tandem.NotFound:
		return nil
	case err != nil || !f.Enabled:
		return err
	}
	ask := &secondFactor{rand.Text(), time.Now().Add(loginLife)}
	_, err = c.Store.ChangeSecondFactor(c.ctx, account, func(f *store.SecondFactor) error {
		f.Login, f.LoginUntil = record.Hash(ask.token), ask.expires
		return nil
	})
	if err != nil {
		return err
	}
	return ask
}

// secondHalf returns the account of a login token whose bearer has a one-time password.
func (c *call) secondHalf(token string) (account string, err error) {
	f, err := c.Store.SecondFactorOf(c.ctx, record.Hash(token))
	if tandem.KindOf(err) == tandem.NotFound {
		return "", tandem.Errorf(tandem.Unauthorized, "this login token is invalid or expired: begin again with the password")
	}
	if err != nil {
		return "", err
	}
	return f.Account, c.useSecond(f.Account, true)
}

// useSecond takes a one-time password or a recovery code from the request's header. With
// login set the login token cannot be used again.
func (c *call) useSecond(account string, login bool) error {
	text := strings.ReplaceAll(c.r.Header.Get(otpHeader), " ", "")
	wrong := tandem.Errorf(tandem.Unauthorized, "this one-time password is wrong, or was used before")
	return c.loginAs(c.r, account+" otp", text, func() error {
		_, err := c.Store.ChangeSecondFactor(c.ctx, account, func(f *store.SecondFactor) error {
			step, ok := otpAt(*f, time.Now(), text)
			code := hashCode(text)
			switch {
			case ok:
				f.Step = step
			case slices.Contains(f.Recovery, code):
				f.Recovery = slices.DeleteFunc(slices.Clone(f.Recovery), func(c string) bool { return c == code })
			default:
				return wrong
			}
			if login {
				f.Login, f.LoginUntil = nil, time.Time{}
			}
			return nil
		})
		return err
	})
}

// hashCode is what is stored of a recovery code, which has 50 random bits.
func hashCode(text string) string {
	text = strings.ToUpper(strings.ReplaceAll(text, "-", ""))
	return hex.EncodeToString(record.Hash("recovery " + text))
}

func (c *call) showSecond(f store.SecondFactor, more map[string]any) object {
	attributes := map[string]any{
		"enabled": f.Enabled, "recovery_codes_left": len(f.Recovery), "created_at": stamp(f.Created),
	}
	maps.Copy(attributes, more)
	return object{
		Type: "otp", ID: f.Account, Links: c.self("accounts", f.Account+"/otp"),
		Attributes: attributes, Relationships: map[string]ref{"account": {"account", f.Account}},
	}
}

func (c *call) getSecond() error {
	f, err := c.Store.SecondFactor(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showSecond(f, nil))
}

var otpShape = shape{types: []string{"otp"}}

// addSecond makes a secret for one-time passwords, which only this answer has. They are asked
// for when one has been confirmed.
func (c *call) addSecond() error {
	if _, err := c.readAs(otpShape, &struct{}{}); err != nil {
		return err
	}
	if err := c.confirm(); err != nil {
		return err
	}
	secret := make([]byte, otpSecret)
	rand.Read(secret)
	f, err := c.Store.AddSecondFactor(c.ctx, store.SecondFactor{Account: c.account.ID, Secret: secret})
	if err != nil {
		return err
	}
	text := base32Text.EncodeToString(secret)
	address := url.URL{
		Scheme: "otpauth", Host: "totp", Path: "/Tandem:" + c.account.Username,
		RawQuery: url.Values{"secret": {text}, "issuer": {"Tandem"}}.Encode(),
	}
	return c.sendObject(http.StatusCreated, c.showSecond(f, map[string]any{"secret": text, "url": address.String()}))
}

// confirmSecond enables one-time passwords. Only this answer has the recovery codes.
func (c *call) confirmSecond() error {
	if _, err := c.readAs(otpShape, &struct{}{}); err != nil {
		return err
	}
	if err := c.useSecond(c.account.ID, false); err != nil {
		return besideToken(err)
	}
	codes := make([]string, recoveryCodes)
	hashes := make([]string, recoveryCodes)
	for i := range codes {
		text := rand.Text()[:10]
		codes[i], hashes[i] = text[:5]+"-"+text[5:], hashCode(text)
	}
	f, err := c.Store.ChangeSecondFactor(c.ctx, c.account.ID, func(f *store.SecondFactor) error {
		f.Enabled, f.Recovery = true, hashes
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showSecond(f, map[string]any{"recovery_codes": codes}))
}

// deleteSecond ends the second factor of the caller, who shows it once more, or for the operator
// that of another account, whose owner has lost it.
func (c *call) deleteSecond() error {
	a, err := c.theAccount()
	if err != nil {
		return err
	}
	if a.ID == c.account.ID {
		if err := c.confirm(); err != nil {
			return err
		}
		f, err := c.Store.SecondFactor(c.ctx, a.ID)
		if err == nil && f.Enabled {
			err = c.useSecond(a.ID, false)
		}
		if err != nil {
			return besideToken(err)
		}
	}
	if err := c.Store.DeleteSecondFactor(c.ctx, a.ID); err != nil {
		return err
	}
	return c.noContent()
}
