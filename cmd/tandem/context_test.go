package main

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContexts goes through a person's days: log in at a node with a password, work there, choose
// the other node, and log out, after which the login is worth nothing.
func TestContexts(t *testing.T) {
	_, access := atNode(t)
	operator := []string{"--url", access.URL, "--login-key", access.Key}
	file := os.Getenv("TANDEM_CONFIG")
	for _, tc := range []struct {
		input, args string
		status      int
		want        string
	}{
		{"", "logout", 1, "you are not logged in"},
		{"", "login", 1, "say where to log in: tandem login URL"},
		{password, "account add ann ann@example.com OPERATOR", 0, ""},
		{"", "login NODE", 1, "the input has no line for: User name or e-mail address"},
		{"ann\nwrong-horse\n", "login NODE", 1, "no account with this name and this password"},
		{"ann\n" + password + "\n", "login NODE", 0, `^Logged in at \S+ as ann\.\nann@`},
		{password, "login NODE --account ann --context second --quiet", 0, "^second\n$"},
		{"", "context list", 0, `local +no .*\nann@\S+ +no .*\nsecond +yes +http\S+ +ann`},
		{"", "account show --json", 0, `"username":"ann"`},
		{"", "product add Garden", 0, ""},
		{"", "context use lokal", 1, "there is no context lokal; did you mean local"},
		{"", "context use local", 0, "local"},
		{"", "product list", 1, "there is no node here: log in at one with tandem login URL"},
		{"", "product list --context second -q --filter name=Garden", 0, `^\S+\n$`},
		{"", "product list --context secnd", 1, "did you mean second"},
		{"", "product list --context second --data x", 1, "are two nodes"},
		{"", "logout second", 0, "second"},
		{"", "logout second", 1, "there is no context second"},
		{"", "logout local", 1, "has no login"},
	} {
		words := strings.NewReplacer("NODE", access.URL, "OPERATOR", strings.Join(operator, " "))
		status, out, errs := within(t, tc.input, strings.Fields(words.Replace(tc.args))...)
		if status != tc.status || !regexp.MustCompile(tc.want).MatchString(errs+out) {
			t.Errorf("tandem %s: %d %s%s; want %d %s", tc.args, status, errs, out, tc.status, tc.want)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the contexts: %v %v", info.Mode(), err)
	}
	// A new password ends the logins with the old one.
	within(t, "other-horse\n", append([]string{"account", "password", "ann"}, operator...)...)
	all, err := readContexts()
	if err != nil || len(all.Contexts) != 1 {
		t.Fatalf("contexts %+v %v", all, err)
	}
	name := all.Contexts[0].Name
	status, _, errs := within(t, "", "product", "list", "--context", name)
	if want := "log in again with tandem login --context " + name; status != 1 || !strings.Contains(errs, want) {
		t.Errorf("with a login that has ended: %d %s", status, errs)
	}
	if status, _, errs := within(t, "other-horse\n", "login", "--context", name); status != 0 {
		t.Errorf("log in again: %d %s", status, errs)
	}
}

// TestCACert: a node with a certificate of an authority that the machine does not know is used with
// --cacert.
func TestCACert(t *testing.T) {
	t.Setenv("TANDEM_CONFIG", filepath.Join(t.TempDir(), "contexts.json"))
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token": "t", "data": []}`)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // a handshake fails on purpose
	s.StartTLS()
	defer s.Close()
	at := []string{"product", "list", "--url", s.URL, "--login-key", "k"}
	status, _, errs := within(t, "", at...)
	const want = "no authority that this machine knows has signed its certificate: name the authority's certificate " +
		"with --cacert FILE"
	if status != 1 || !strings.Contains(errs, want) {
		t.Errorf("without --cacert: %d %s", status, errs)
	}
	file := filepath.Join(t.TempDir(), "node.crt")
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	if status, _, errs := within(t, "", append(at, "--cacert", file)...); status != 0 {
		t.Errorf("with --cacert: %d %s", status, errs)
	}
	write(t, file, "no certificate")
	status, _, errs = within(t, "", append(at, "--cacert", file)...)
	if status != 1 || !strings.Contains(errs, "--cacert: ") {
		t.Errorf("with a file that has none: %d %s", status, errs)
	}
}
