package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestSharing: the first administrator's account is set up by the link that a new node prints; others
// come by links, with a role; and the audit log has it all.
func TestSharing(t *testing.T) {
	dir := t.TempDir()
	node := start(t, "up", "--data", dir, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t))
	link := node.expect(`set up the administrator's account with this link, .*: (http\S+)`)[1]
	tandem := func(input string, status int, want string, args ...string) string {
		t.Helper()
		got, out, errs := runCommand(t, input, args...)
		if got != status || !strings.Contains(out+errs, want) {
			t.Errorf("%q: %d %s%s, want %d and %q", args, got, out, errs, status, want)
		}
		return strings.TrimSpace(out)
	}
	data := []string{"--data", dir}
	with := func(args ...string) []string { return append(args, data...) }
	r, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 || r.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the page of the link: %s, %v", r.Status, r.Header)
	}
	tandem("short\n", 1, "at least 8", "account", "join", link)
	tandem("correct-horse\n", 0, "-", "account", "join", link)
	tandem("correct-horse\n", 1, "ask for another one", "account", "join", link)
	tandem("", 1, "/join?token=", "account", "join", "http://x.test/")

	tandem("correct-horse\n", 0, "-", with("account", "add", "ann", "ann@example.com")...)
	tandem("", 1, "no product lamp", with("account", "role", "add", "ann", "viewer", "--product", "lamp")...)
	tandem("", 1, "no device group nosuch", with("account", "role", "add", "ann", "viewer", "--group", "nosuch")...)
	role := tandem("", 0, "-", with("account", "role", "add", "ann", "viewer")...)
	tandem("", 1, "the role is one of", with("account", "role", "add", "ann", "king")...)
	tandem("", 0, "ann", with("account", "role", "list")...)
	tandem("", 0, "ID", with("account", "role", "list", "--mine")...)

	invite := tandem("", 0, "/join?token=",
		with("account", "invitation", "add", "developer", "--email", "dave@example.com")...)
	tandem("", 0, "dave@example.com  open until", with("account", "invitation", "list")...)
	tandem("other-horse\n", 0, "-", "account", "join", invite, "--name", "dave", "--email", "dave@example.com")
	tandem("", 0, "dave@example.com  used", with("account", "invitation", "list")...)
	out := tandem("", 0, "developer", with("account", "role", "list")...)
	if !regexp.MustCompile(`dave +developer +account`).MatchString(out) {
		t.Error(out)
	}
	alone := tandem("", 0, "/join?token=", with("account", "invitation", "add")...)
	tandem("other-horse\n", 1, "unique", "account", "join", alone, "--name", "dave", "--email", "dave@example.com")
	tandem("", 0, "", with("account", "role", "remove", "--yes", role)...)
	tandem("", 1, "no role", with("account", "role", "remove", "--yes", role)...)

	for _, tt := range []struct{ flags, want string }{
		{"", "DELETE /collaborators/:id"},
		{"--all", `role: - → "developer"`},
		{"--json --since 1h", `"action":"POST /invitations"`},
		{"--filter actor=operator", `email: - → "dave@example.com"`},
	} {
		out := tandem("", 0, tt.want, with(append([]string{"audit", "list"}, strings.Fields(tt.flags)...)...)...)
		for _, secret := range []string{"correct-horse", "other-horse", strings.Split(invite, "token=")[1], "argon2"} {
			if strings.Contains(out, secret) {
				t.Errorf("a secret is in the audit log: %s", out)
			}
		}
	}
	if out := tandem("", 0, "", with("audit", "list", "--quiet", "--filter", "actor=zoe")...); out != "" {
		t.Errorf("entries of nothing: %s", out)
	}
	node.stop()
}
