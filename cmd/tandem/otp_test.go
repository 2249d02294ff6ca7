package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// oneTime returns the one-time password of a secret that an authenticator shows.
func oneTime(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	if err := binary.Write(mac, binary.BigEndian, at.Unix()/30); err != nil {
		t.Fatal(err)
	}
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// TestOneTime: a person enables one-time passwords, logs in with a recovery code, and disables
// them; the operator can for one who has lost them.
func TestOneTime(t *testing.T) {
	_, access := atNode(t)
	operator := []string{"--url", access.URL, "--login-key", access.Key}
	within(t, password, append([]string{"account", "add", "ann", "ann@example.com"}, operator...)...)
	if status, _, errs := within(t, password, "login", access.URL, "--account", "ann"); status != 0 {
		t.Fatal(errs)
	}
	codes := enableOneTime(t)
	if len(codes) != 10 {
		t.Fatalf("recovery codes %q", codes)
	}
	if status, out, errs := within(t, "", "account", "otp", "show"); status != 0 || out != "enabled\n" {
		t.Errorf("enabled: %d %s%s", status, out, errs)
	}
	status, _, errs := within(t, password+"\n", "login", access.URL, "--account", "ann")
	if status != 1 || !strings.Contains(errs, "One-time password") {
		t.Errorf("a login without one: %d %s", status, errs)
	}
	if status, _, errs := within(t, password+"\n"+codes[0]+"\n", "login", access.URL, "--account", "ann"); status != 0 {
		t.Errorf("a login with a recovery code: %d %s", status, errs)
	}
	status, _, errs = within(t, password, "login", access.URL, "--account", "ann", "--otp", codes[0])
	if status != 1 || errs == "" {
		t.Errorf("a login with a used one: %d %s", status, errs)
	}
	status, _, errs = within(t, "", append([]string{"account", "otp", "disable", "ann"}, operator...)...)
	if status != 1 {
		t.Errorf("without --yes: %d %s", status, errs)
	}
	status, _, errs = within(t, "", append([]string{"account", "otp", "disable", "--yes", "ann"}, operator...)...)
	if status != 0 {
		t.Errorf("the operator: %d %s", status, errs)
	}
	if status, out, _ := within(t, "", "account", "otp", "show"); status != 0 || out != "disabled\n" {
		t.Errorf("disabled: %d %s", status, out)
	}
}

// enableOneTime types what tandem account otp enable asks for, and returns the recovery codes.
func enableOneTime(t *testing.T) []string {
	t.Helper()
	read, in := io.Pipe()
	said, errs := io.Pipe()
	codes, out := io.Pipe()
	s := &streams{in: read, out: out, err: errs, stop: &stopper{cancel: func() {}}}
	ended := make(chan int, 1)
	go func() {
		status := run(t.Context(), []string{"account", "otp", "enable"}, s)
		errs.Close()
		out.Close()
		ended <- status
	}()
	go func() {
		_, _ = io.WriteString(in, password+"\n") // the command's status says whether it was read
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			if m := regexp.MustCompile(`type its secret: (\w+)`).FindStringSubmatch(lines.Text()); m != nil {
				_, _ = io.WriteString(in, oneTime(t, m[1], time.Now())+"\n")
			}
		}
	}()
	text, err := io.ReadAll(codes)
	if status := <-ended; err != nil || status != 0 {
		t.Fatalf("enable: %d %v", status, err)
	}
	return strings.Fields(string(text))
}
