package ingress

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// sent returns the headers of a response to a request for an agent.
func sent(h *Handler, request http.Header, headers ...tandem.Header) http.Header {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = request
	h.respond(w, r, agentID, &tandem.Response{Status: 200, Headers: headers, Body: []byte("hello")})
	return w.Result().Header
}

// TestWithheld walks the table: each header is in its canonical form, has a reason, and
// is taken out in the forms in which it acts on others, in any spelling and number.
func TestWithheld(t *testing.T) {
	for name, h := range withheld {
		if name != http.CanonicalHeaderKey(name) || h.why == "" || h.acts < onConnection || h.acts > onOrigin {
			t.Errorf("%s: %+v", name, h)
		}
		for _, domain := range []string{"", "agents.example"} {
			got := sent(&Handler{Domain: domain}, nil,
				tandem.Header{Name: strings.ToLower(name), Value: "99"}, tandem.Header{Name: strings.ToUpper(name), Value: "98"},
				tandem.Header{Name: "X-Other", Value: "1"})
			want := []string(nil)
			switch {
			case name == "Content-Length":
				want = []string{"5"}
			case h.acts == onOrigin && domain != "":
				want = []string{"99", "98"}
			}
			if !slices.Equal(got[name], want) || got.Get("X-Other") != "1" {
				t.Errorf("%s with domain %q: %v", name, domain, got)
			}
		}
	}
}

// TestActsOnOrigin: the headers that the standards of the web let act on more than a
// response are in the table. A header that is new there belongs into both.
func TestActsOnOrigin(t *testing.T) {
	for _, name := range strings.Fields(`Service-Worker-Allowed Clear-Site-Data Report-To Reporting-Endpoints NEL
		Strict-Transport-Security Alt-Svc Origin-Agent-Cluster Public-Key-Pins Set-Login Accept-CH Connection
		Content-Length Transfer-Encoding Upgrade Trailer Keep-Alive TE X-Accel-Redirect X-Sendfile`) {
		if passes(http.CanonicalHeaderKey(name), true) {
			t.Errorf("%s passes in path form", name)
		}
	}
}

// TestWithheldDocument: docs/agents.md names all headers that path form takes out.
func TestWithheldDocument(t *testing.T) {
	data, err := os.ReadFile("../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(string(data))
	for name, h := range withheld {
		if h.acts == onOrigin && !strings.Contains(text, "`"+strings.ToLower(name)+"`") {
			t.Errorf("docs/agents.md does not name %s", name)
		}
	}
}

// TestFraming: whatever an agent says of the connection, the next answer on it is found
// where it begins.
func TestFraming(t *testing.T) {
	for name, h := range withheld {
		if h.acts != onConnection {
			continue
		}
		for _, value := range []string{"chunked", "close", "0", "99", "X-Other", "h2c", ""} {
			headers := []tandem.Header{{Name: name, Value: value}, {Name: "Connection", Value: name}}
			client := serveOnce(t, &Handler{Agents: answer(200, "hello", headers...)})
			answers := bufio.NewReader(client)
			for range 3 {
				if _, err := io.WriteString(client, "GET /"+agentID+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatalf("%s: %q: %v", name, value, err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || string(body) != "hello" || resp.Close {
					t.Errorf("%s: %q: %q, %v, closes: %v", name, value, body, err, resp.Close)
				}
			}
		}
	}
}

// serveOnce returns a connection to a server of its own.
func serveOnce(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config = NewServer(&Guard{Handler: h})
	s.Start()
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConfineCookie(t *testing.T) {
	const root = "; Path=/" + agentID
	for _, tc := range []struct{ value, path, domain string }{ // expected in path form and in domain form
		{"a=b", "a=b" + root, "a=b"},
		{"", root, ""},
		{"a", "a" + root, "a"},
		{"a=b; Secure; HttpOnly", "a=b; Secure; HttpOnly" + root, "a=b; Secure; HttpOnly"},
		{"a=b; Path=/", "a=b" + root, "a=b; Path=/"},
		{"a=b; path=/;HttpOnly", "a=b;HttpOnly" + root, "a=b; path=/;HttpOnly"},
		{"a=b;\tPATH\t=\t/ ", "a=b" + root, "a=b;\tPATH\t=\t/ "},
		{"a=b; Path=/ZZZZZZZZZZZZ", "a=b" + root, "a=b; Path=/ZZZZZZZZZZZZ"},
		{"a=b; Path=/" + agentID, "a=b" + root, "a=b; Path=/" + agentID},
		{"a=b; Path=/" + agentID + "/", "a=b" + root + "/", "a=b; Path=/" + agentID + "/"},
		{"a=b; Path=/" + agentID + "/x", "a=b" + root + "/x", "a=b; Path=/" + agentID + "/x"},
		{"a=b; Path=/" + agentID + "x", "a=b" + root, "a=b; Path=/" + agentID + "x"},
		{"a=b; Path=/" + agentID + "/x; Path=/", "a=b" + root, "a=b; Path=/" + agentID + "/x; Path=/"},
		{"a=b; Path=/; Path=/" + agentID + "/x", "a=b" + root + "/x", "a=b; Path=/; Path=/" + agentID + "/x"},
		{"a=b; Path", "a=b" + root, "a=b; Path"},
		{"a=b; Path=x", "a=b" + root, "a=b; Path=x"},
		{"a=b; Domain=example.net; Max-Age=5", "a=b; Max-Age=5" + root, "a=b; Max-Age=5"},
		{"a=b;domain=.example.net;DOMAIN = x;Domain", "a=b" + root, "a=b"},
		{"a=b; ;; x=domain=y", "a=b; ;; x=domain=y" + root, "a=b; ;; x=domain=y"},
		{"domain=example.net; a=b", "domain=example.net; a=b" + root, "domain=example.net; a=b"},
		{"__Host-a=b; Secure; Path=/", "__Host-a=b; Secure" + root, "__Host-a=b; Secure; Path=/"},
	} {
		if got := confineCookie(tc.value, agentID, true); got != tc.path {
			t.Errorf("%q in path form: %q, want %q", tc.value, got, tc.path)
		}
		if got := confineCookie(tc.value, agentID, false); got != tc.domain {
			t.Errorf("%q in domain form: %q, want %q", tc.value, got, tc.domain)
		}
	}
	for _, domain := range []string{"", "agents.example"} {
		got := sent(&Handler{Domain: domain}, nil, tandem.Header{Name: "SET-cookie", Value: "a=b; Domain=x"})
		if want := confineCookie("a=b; Domain=x", agentID, domain == ""); got.Get("Set-Cookie") != want {
			t.Errorf("with domain %q: %v", domain, got)
		}
	}
}

// TestServiceWorker: in path form a service worker gets the agent's paths, whatever its
// script's path is.
func TestServiceWorker(t *testing.T) {
	asks := http.Header{"Service-Worker": {"script"}}
	wide := tandem.Header{Name: "Service-Worker-Allowed", Value: "/"}
	for _, tc := range []struct {
		h       *Handler
		request http.Header
		want    string
	}{
		{&Handler{}, asks, "/" + agentID + "/"}, {&Handler{}, nil, ""}, {&Handler{Domain: "agents.example"}, asks, "/"},
	} {
		if got := sent(tc.h, tc.request, wide).Values("Service-Worker-Allowed"); strings.Join(got, "|") != tc.want {
			t.Errorf("domain %q, asked for %v: %q", tc.h.Domain, tc.request, got)
		}
	}
}

// TestSandboxPages: the agent's own policy stays, and cannot take ours away.
func TestSandboxPages(t *testing.T) {
	own := tandem.Header{Name: "Content-Security-Policy", Value: "default-src *"}
	for sandboxed, want := range map[bool][]string{true: {own.Value, sandbox}, false: {own.Value}} {
		if got := sent(&Handler{SandboxPages: sandboxed}, nil, own)["Content-Security-Policy"]; !slices.Equal(got, want) {
			t.Errorf("%v: %q", sandboxed, got)
		}
	}
	if strings.Contains(sandbox, "allow-same-origin") {
		t.Error("pages keep their origin")
	}
}

// FuzzConfineCookie: no cookie gets a domain, or in path form a path that is not the
// agent's, as browsers read it.
func FuzzConfineCookie(f *testing.F) {
	f.Add("a=b; Path=/; Domain=x")
	f.Add("a=b;path = /" + agentID + "/x;;=;Path")
	f.Fuzz(func(t *testing.T, value string) {
		if !valid(tandem.Header{Name: "Set-Cookie", Value: value}) {
			return
		}
		for _, shared := range []bool{true, false} {
			path := ""
			for i, attribute := range strings.Split(confineCookie(value, agentID, shared), ";") {
				name, v, _ := strings.Cut(attribute, "=")
				switch name = strings.ToLower(strings.Trim(name, " \t")); {
				case i == 0:
				case name == "domain":
					t.Fatalf("%q has a domain", value)
				case name == "path":
					path = strings.Trim(v, " \t")
				}
			}
			if shared && path != "/"+agentID && !strings.HasPrefix(path, "/"+agentID+"/") {
				t.Fatalf("%q has the path %q", value, path)
			}
		}
	})
}
