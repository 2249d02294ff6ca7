package central

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/store"
)

// TestOTP: the numbers of RFC 6238, appendix B, of which six digits are used.
func TestOTP(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037",
	} {
		if got := otp(secret, at/otpStep); got != want {
			t.Errorf("at %d s: %s, want %s", at, got, want)
		}
	}
}

// TestOTPAt: a one-time password is good one step before and after its own, and once.
func TestOTPAt(t *testing.T) {
	secret := []byte("12345678901234567890")
	for _, tt := range []struct{ at, used, step int }{
		{100, 0, 100}, {99, 0, 100}, {101, 0, 100}, {98, 0, 0}, {102, 0, 0}, {100, 100, 0}, {100, 99, 100},
	} {
		now := time.Unix(int64(tt.at*otpStep), 0)
		step, ok := otpAt(store.SecondFactor{Secret: secret, Step: tt.used}, now, otp(secret, 100))
		if step != tt.step || ok != (tt.step != 0) {
			t.Errorf("in step %d after the use of %d: %d, %v", tt.at, tt.used, step, ok)
		}
	}
}

// second makes a request with a one-time password.
func (w *world) second(method, path, token, otp, body string) (int, string) {
	w.t.Helper()
	w.otp = otp
	defer func() { w.otp = "" }()
	return w.do(method, path, token, body)
}

// TestSecondFactor: an account with one-time passwords logs in with one, or with a recovery code,
// and neither is used twice.
func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.setPassword("correct-horse")
	var made struct {
		Data struct {
			Attributes struct {
				Secret, URL string
				Codes       []string `json:"recovery_codes"`
			}
		}
	}
	read := func(status int, body string) {
		t.Helper()
		if err := json.Unmarshal([]byte(body), &made); err != nil || status >= 300 {
			t.Fatalf("%d %s", status, body)
		}
	}
	read(w.do("POST", "/accounts/me/otp", w.token, `{"data":{"type":"otp"}}`))
	secret, err := base32Text.DecodeString(made.Data.Attributes.Secret)
	if err != nil || !strings.Contains(made.Data.Attributes.URL, made.Data.Attributes.Secret) {
		t.Fatalf("%+v, %v", made, err)
	}
	const login = `{"id":"operator","password":"correct-horse"}`
	if status, body := w.do("POST", "/auth", "", login); status != 200 {
		t.Errorf("before it is confirmed: %d %s", status, body)
	}
	if status, body := w.second("POST", "/accounts/me/otp/confirm", w.token, "000000", "null"); status != 403 {
		t.Errorf("confirmed by a guess: %d %s", status, body)
	}
	now := int(time.Now().Unix() / otpStep)
	read(w.second("POST", "/accounts/me/otp/confirm", w.token, otp(secret, now), "null"))
	codes := slices.Clone(made.Data.Attributes.Codes)
	if len(codes) != recoveryCodes {
		t.Fatalf("recovery codes %q", codes)
	}
	w.secondLogin(login, otp(secret, now), 401) // it was used
	w.secondLogin(login, otp(secret, now+1), 200)
	w.secondLogin(login, codes[3], 200)
	w.secondLogin(login, codes[3], 401)
	w.secondLogin(login, strings.ToLower(codes[4]), 200)
	if status, body := w.second("POST", "/auth", "", codes[5], `{"login_token":"x"}`); status != 401 {
		t.Errorf("without a password: %d %s", status, body)
	}
	if body := w.get("/accounts/me/otp"); !strings.Contains(body, `"enabled":true,"recovery_codes_left":8`) {
		t.Error(body)
	}
	if status, body := w.do("POST", "/accounts/me/otp", w.token, "null"); status != http.StatusConflict {
		t.Errorf("another secret: %d %s", status, body)
	}
	if status, body := w.do("DELETE", "/accounts/me/otp", w.token, "null"); status != 403 {
		t.Errorf("ended without one: %d %s", status, body)
	}
	if status, body := w.second("DELETE", "/accounts/me/otp", w.token, codes[6], "null"); status != 204 {
		t.Errorf("ended with one: %d %s", status, body)
	}
	if status, body := w.do("POST", "/auth", "", login); status != 200 {
		t.Errorf("after its end: %d %s", status, body)
	}
}

// secondLogin logs in with a password and then a one-time password.
func (w *world) secondLogin(login, text string, want int) {
	w.t.Helper()
	w.Logins = new(admit.Logins)
	status, body := w.do("POST", "/auth", "", login)
	var asked struct {
		Errors []struct {
			Code string
			Meta struct {
				Token   string `json:"login_token"`
				Expires string `json:"expires_at"`
			}
		}
	}
	err := json.Unmarshal([]byte(body), &asked)
	if err != nil || status != 403 || len(asked.Errors) != 1 || asked.Errors[0].Code != "PX200" ||
		asked.Errors[0].Meta.Expires == "" {
		w.t.Fatalf("the first half: %d %s", status, body)
	}
	token := `{"login_token":"` + asked.Errors[0].Meta.Token + `"}`
	if status, body := w.second("POST", "/auth", "", text, token); status != want {
		w.t.Errorf("the second half: %d %s", status, body)
	}
	if status, _ := w.do("POST", "/auth/token", "", `{"token":"`+asked.Errors[0].Meta.Token+`"}`); status != 404 {
		w.t.Errorf("a login token as a refresh token: %d", status)
	}
}
