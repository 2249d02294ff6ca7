package server

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/reference"
)

// browserAccepts is what a browser says that it accepts for a page.
const browserAccepts = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

// TestFront: a person finds the way from whatever address, and a program gets an error that
// it understands.
func TestFront(t *testing.T) {
	n := start(t, &Server{})
	for _, tc := range []struct {
		method, path, accept string
		status               int
		kind, body           string // of the answer; the beginning
	}{
		{"GET", "/", browserAccepts, 200, "text/html", "<!DOCTYPE html>"},
		{"HEAD", "/", browserAccepts, 200, "text/html", ""},
		{"GET", "/", "*/*", 200, "text/plain", "This is a Tandem node."},
		{"GET", "/", "application/json", 404, "application/vnd.api+json", `{"errors":[`},
		{"GET", "/docs/no-such-page.html", browserAccepts, 404, "text/html", "<!DOCTYPE html>"},
		{"GET", "/docs/no-such-page.html", "*/*", 404, "text/plain", "there is nothing at this address"},
		{"GET", "/console", browserAccepts, 404, "text/html", "<!DOCTYPE html>"},
		{"GET", "/a/b/c?d=e", browserAccepts, 404, "text/html", "<!DOCTYPE html>"},
		{"GET", "/products", "application/vnd.api+json", 404, "application/vnd.api+json", `{"errors":[`},
		{"GET", "/favicon.ico", "image/avif,*/*;q=0.8", 404, "text/plain", "there is nothing at this address"},
		{"POST", "/", browserAccepts, 404, "text/plain", "there is nothing at this address"},
		{"POST", "/auth/token", "application/json", 404, "application/vnd.api+json", `{"errors":[`},
		{"GET", "/mqtt", browserAccepts, 426, "text/html", "<!DOCTYPE html>"},
		{"GET", "/mqtt", "application/json", 426, "text/plain", "Here devices connect by MQTT"},
		// As before:
		{"GET", "/v5", browserAccepts, 404, "application/vnd.api+json", `{"errors":[`},
		{"GET", "/v5/products", browserAccepts, 401, "application/vnd.api+json", `{"errors":[`},
		{"GET", "/AAAAAAAAAAAA", browserAccepts, 404, "text/plain", "agents are not served here"},
		{"GET", "/docs/", browserAccepts, 200, "text/html", "<!"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, n.URL+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", tc.accept)
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r.Body)
		r.Body.Close()
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if err != nil || r.StatusCode != tc.status || kind != tc.kind || !strings.HasPrefix(string(data), tc.body) {
			t.Errorf("%s %s, accepting %s: %d %s %.60q, %v; want %d %s %q",
				tc.method, tc.path, tc.accept, r.StatusCode, kind, data, err, tc.status, tc.kind, tc.body)
		}
		if kind == "application/vnd.api+json" && !json.Valid(data) {
			t.Errorf("%s %s: %s", tc.method, tc.path, data)
		}
	}
}

// TestFrontLeadsOn: every link of the page leads to something, and it has no script.
func TestFrontLeadsOn(t *testing.T) {
	n := start(t, &Server{})
	open := func(path string) (int, string) {
		header := http.Header{"Accept": {browserAccepts}}
		return n.ask(asked{addr: strings.TrimPrefix(n.URL, "http://"), path: path, header: header})
	}
	status, page := open("/<script>x")
	if status != 404 || strings.Contains(page, "<script") || !strings.Contains(page, "/&lt;script&gt;x.") ||
		!strings.Contains(page, n.Agents.String()+"/AGENT-ID") || !strings.Contains(page, n.URL+"/v5/") {
		t.Errorf("%d %s", status, page)
	}
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 5 {
		t.Errorf("there are %d links", len(links))
	}
	for _, l := range links {
		if status, _ := open(l[1]); status != 200 {
			t.Errorf("%s: %d", l[1], status)
		}
		if name, ok := strings.CutPrefix(l[1], "/docs/"); ok && name != "" && reference.Site()[name] == nil {
			t.Errorf("the manual has no %s", name)
		}
	}
}
