package server

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/ingress"
)

// seesAgent answers with what it sees of a request, and of itself.
const seesAgent = `
http.onrequest(function(q, r) {
    r.send(200, http.jsonencode({
        path = q.path, url = http.agenturl(),
        from = q.headers["x-forwarded-for"], proto = q.headers["x-forwarded-proto"],
        said = "x-forwarded-host" in q.headers || "forwarded" in q.headers || "x-real-ip" in q.headers,
    }, {compact = true}));
});`

type sees struct {
	Path, URL, From, Proto string
	Said                   bool
}

// asked is a request of a client that dials the node whatever the host is.
type asked struct {
	addr, host, path string
	header           http.Header
}

// ask returns the status and the body of the answer.
func (r *running) ask(a asked) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", "http://"+a.addr+a.path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Host = a.host
	if a.header != nil {
		req.Header = a.header
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// seen returns what an agent sees of a request.
func (r *running) seen(a asked) (s sees) {
	r.t.Helper()
	status, body := r.ask(a)
	if err := json.Unmarshal([]byte(body), &s); status != 200 || err != nil {
		r.t.Errorf("%+v: %d %s", a, status, body)
	}
	return s
}

// addAgent makes an agent with a program.
func (r *running) addAgent(code string) (tandem.DeviceID, tandem.AgentID) {
	r.t.Helper()
	g, err := r.Central.EnsureGroup(r.t.Context(), "agents", "agents")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.Central.Deploy(r.t.Context(), g.ID, central.Code{Agent: code}); err != nil {
		r.t.Fatal(err)
	}
	d, _, err := r.Central.AddDevice(r.t.Context(), central.NewDevice{Group: g.ID})
	if err != nil {
		r.t.Fatal(err)
	}
	return d.ID, d.Agent
}

// ours are the paths of what a node serves besides agents.
var ours = []string{"/v5", "/v5/products", "/docs", "/docs/", "/metrics", "/mqtt"}

// In path form agents are at their listener and nothing else is, and the other way round.
func TestPathForm(t *testing.T) {
	n := start(t, &Server{})
	id, agent := n.addAgent(seesAgent)
	web, agents := strings.TrimPrefix(n.URL, "http://"), n.Agents.Host
	url := "http://" + agents + "/" + string(agent)
	if got := n.seen(asked{addr: agents, path: "/" + string(agent) + "/x"}); got.Path != "/x" || got.URL != url {
		t.Errorf("the agent sees %+v", got)
	}
	if got, err := n.Central.AgentURL(t.Context(), id); err != nil || got != url {
		t.Errorf("the control plane has %s, %v", got, err)
	}
	for _, path := range []string{"/" + string(agent), "/" + string(agent) + "/x"} {
		if status, body := n.ask(asked{addr: web, path: path}); status != 404 || !strings.Contains(body, url+"\n") {
			t.Errorf("%s at the listener of the API: %d %s", path, status, body)
		}
	}
	for _, path := range append([]string{"/", "/favicon.ico"}, ours...) {
		status, body := n.ask(asked{addr: agents, path: path})
		if status != 404 || !strings.Contains(body, "no agent at this") {
			t.Errorf("%s at the listener of agents: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/favicon.ico", "/" + string(agent) + "x"} {
		status, body := n.ask(asked{addr: web, path: path})
		if status != 404 || !strings.HasPrefix(body, "there is nothing at this address; the manual is at ") {
			t.Errorf("%s at the listener of the API: %d %s", path, status, body)
		}
	}
}

// In domain form an agent is at its host, in both forms of the path, and nothing else is.
func TestDomainForm(t *testing.T) {
	n := start(t, &Server{Agents: Agents{Domain: "agents.example"}})
	id, agent := n.addAgent(seesAgent)
	web := strings.TrimPrefix(n.URL, "http://")
	_, port, _ := strings.Cut(web, ":")
	host := ingress.Label(agent) + ".agents.example"
	url := "http://" + host + ":" + port + "/" + string(agent)
	for path, want := range map[string]string{
		"/": "/", "/x/y": "/x/y", "/" + string(agent): "/", "/" + string(agent) + "/x": "/x",
	} {
		if got := n.seen(asked{addr: web, host: host, path: path}); got.Path != want || got.URL != url {
			t.Errorf("%s: the agent sees %+v", path, got)
		}
	}
	if got, err := n.Central.AgentURL(t.Context(), id); err != nil || got != url {
		t.Errorf("the control plane has %s, %v", got, err)
	}
	for _, path := range ours {
		if got := n.seen(asked{addr: web, host: host, path: path}); got.Path != path {
			t.Errorf("%s at the agent's host: %+v", path, got)
		}
		if status, body := n.ask(asked{addr: web, host: "www.agents.example", path: path}); status != 404 ||
			!strings.Contains(body, "no agent at this address") {
			t.Errorf("%s at a host without an agent: %d %s", path, status, body)
		}
	}
	for _, other := range []string{"", "agents.example", "127.0.0.1", "elsewhere.example"} {
		if status, _ := n.ask(asked{addr: web, host: other, path: "/v5/products"}); status != 401 {
			t.Errorf("the API at %q: %d", other, status)
		}
		status, body := n.ask(asked{addr: web, host: other, path: "/" + string(agent)})
		if status != 404 || !strings.Contains(body, url+"\n") {
			t.Errorf("the agent's path at %q: %d %s", other, status, body)
		}
	}
}

// What is said of a client counts when a trusted proxy says it.
func TestTrustedProxy(t *testing.T) {
	said := http.Header{
		"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"h"}, "Forwarded": {"for=h"},
		"X-Real-Ip": {"192.0.2.7"},
	}
	for _, tc := range []struct {
		proxies ingress.Proxies
		want    sees
	}{
		{nil, sees{From: "127.0.0.1", Proto: "http"}},
		{ingress.Proxies{netip.MustParsePrefix("127.0.0.1/32")}, sees{From: "192.0.2.7", Proto: "https", Said: true}},
		{ingress.Proxies{netip.MustParsePrefix("127.0.0.2/32")}, sees{From: "127.0.0.1", Proto: "http"}},
	} {
		n := start(t, &Server{TrustedProxies: tc.proxies})
		_, agent := n.addAgent(seesAgent)
		got := n.seen(asked{addr: n.Agents.Host, path: "/" + string(agent), header: said.Clone()})
		if got.From != tc.want.From || got.Proto != tc.want.Proto || got.Said != tc.want.Said {
			t.Errorf("%v: the agent sees %+v", tc.proxies, got)
		}
		n.end()
	}
}

func TestCheckURLs(t *testing.T) {
	cert, _ := certificate(t) // for 127.0.0.1
	certs := []*tls.Certificate{nil, &cert}
	for _, tc := range []struct {
		url    string
		agents Agents
		cert   int    // of certs
		want   string // "": valid
	}{
		{"", Agents{}, 1, ""},
		{"", Agents{Listen: "127.0.0.1:1", SandboxPages: true}, 0, ""},
		{"", Agents{URL: "https://agents.example"}, 0, ""},
		{"https://api.example", Agents{URL: "https://agents.example/"}, 0, ""},
		{"https://api.example", Agents{URL: "https://api.example:8443"}, 0, ""},
		{"https://api.example/tandem/", Agents{URL: "http://api.example"}, 0, ""},
		{"https://api.example", Agents{Domain: "agents.example"}, 0, ""},
		{"", Agents{Domain: "localhost"}, 0, ""},
		{"https://api.example", Agents{}, 0, "needs one for its agents"},
		{"https://api.example", Agents{URL: "https://API.example:443"}, 0, "have the same host and port"},
		{"api.example", Agents{URL: "https://agents.example"}, 0, "--url api.example is not a URL"},
		{"", Agents{URL: "agents.example"}, 0, "--agents-url agents.example is not a URL"},
		{"", Agents{URL: "ftp://agents.example"}, 0, "is not a URL"},
		{"", Agents{URL: "https://"}, 0, "is not a URL"},
		{"", Agents{URL: "https://me@agents.example"}, 0, "is not a URL"},
		{"", Agents{URL: "https://agents.example/all"}, 0, "has more than"},
		{"", Agents{URL: "https://agents.example?all"}, 0, "has more than"},
		{"", Agents{Domain: "*.agents.example"}, 0, "is not a domain"},
		{"", Agents{Domain: "agents.example."}, 0, "is not a domain"},
		{"", Agents{Domain: "https://agents.example"}, 0, "is not a domain"},
		{"", Agents{Domain: "agents.example:443"}, 0, "is not a domain"},
		{"", Agents{Domain: "10.0.0.1"}, 0, "is not a domain"},
		{"", Agents{Domain: strings.Repeat("a", 64) + ".example"}, 0, "is not a domain"},
		{"", Agents{Domain: "agents.example", Listen: ":1"}, 0, "are for agents in path form"},
		{"", Agents{Domain: "agents.example", URL: "https://a.example"}, 0, "are for agents in path form"},
		{"", Agents{Domain: "agents.example", SandboxPages: true}, 0, "are for agents in path form"},
		{"", Agents{Domain: "agents.example"}, 1, "must be for *.agents.example"},
	} {
		err := (&Server{URL: tc.url, Agents: tc.agents, Certificate: certs[tc.cert]}).checkURLs()
		if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) ||
			tandem.KindOf(err) != tandem.Invalid) {
			t.Errorf("--url %q, %+v: %v; want %q", tc.url, tc.agents, err, tc.want)
		}
	}
}

// A node behind a proxy tells the public addresses, and knows its own.
func TestPublicAddresses(t *testing.T) {
	for _, tc := range []struct {
		url    string
		agents Agents
		site   ingress.Site
		host   string
		ports  []uint16
		names  []string
	}{
		{"", Agents{}, ingress.Site{Scheme: "http"}, "", nil, []string{"127.0.0.1"}},
		{
			"https://api.example", Agents{URL: "https://agents.example/"},
			ingress.Site{Scheme: "https", Host: "agents.example"},
			"agents.example", []uint16{443}, []string{"api.example", "agents.example"},
		},
		{
			"http://api.example:8080", Agents{URL: "http://agents.example:81"},
			ingress.Site{Scheme: "http", Host: "agents.example:81"}, "agents.example", []uint16{81},
			[]string{"api.example", "agents.example"},
		},
		{
			"https://api.example:8443/", Agents{Domain: "agents.example"},
			ingress.Site{Scheme: "https", Host: "agents.example:8443", Domain: true}, "*.agents.example", []uint16{8443},
			[]string{"api.example"},
		},
	} {
		s := &Server{URL: tc.url, Agents: tc.agents, HTTP: "127.0.0.1:0", MQTT: "127.0.0.1:0"}
		if tc.agents.Domain == "" {
			s.Agents.Listen = "127.0.0.1:0"
		}
		n := &node{Server: s}
		if err := n.listen(); err != nil {
			t.Fatal(err)
		}
		site := n.site()
		own := n.own(site)
		if tc.site.Host == "" {
			tc.site.Host = n.agentsDoor.Addr().String()
		}
		if site != tc.site || own.Host != tc.host || !slices.Equal(own.Names, tc.names) {
			t.Errorf("%s: %+v, %+v", tc.url, site, own)
		}
		web, mqtt := portAt(n.http.Addr().String()), portAt(n.mqtt.Addr().String())
		ports, agents := tc.ports, []uint16(nil)
		if site.Domain {
			ports = append(ports, web)
		} else {
			agents = []uint16{portAt(n.agentsDoor.Addr().String())}
		}
		if !slices.Equal(own.Closed, []uint16{web, mqtt}) || !slices.Equal(own.Ports, ports) ||
			!slices.Equal(own.Agents, agents) {
			t.Errorf("%s: %+v; want closed %d and %d, ports %v, agents %v", tc.url, own, web, mqtt, ports, agents)
		}
		n.close()
	}
}

// A node says so when strangers may open pages that share an origin.
func TestSharedOriginIsSaid(t *testing.T) {
	for _, tc := range []struct {
		agents Agents
		want   bool
	}{
		{Agents{}, false}, {Agents{Listen: ":0"}, true}, {Agents{Listen: ":0", SandboxPages: true}, false},
		{Agents{URL: "https://agents.example"}, true}, {Agents{Domain: "agents.example"}, false},
	} {
		var log bytes.Buffer
		start(t, &Server{Agents: tc.agents, Logger: slog.New(slog.NewTextHandler(&log, nil))}).end()
		if got := strings.Contains(log.String(), "have one origin"); got != tc.want {
			t.Errorf("%+v: %s", tc.agents, log.String())
		}
	}
}
