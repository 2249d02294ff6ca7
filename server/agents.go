package server

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/egress"
	"github.com/tandem-iot/tandem/ingress"
)

// DefaultAgents is the address at which a node listens for requests to agents in path
// form.
const DefaultAgents = "127.0.0.1:7881"

// Agents says how the world reaches agents over HTTP. An agent's pages can do everything
// at their origin, so agents are never at the origin of the API. In path form they have a
// listener of their own. In domain form each agent has an origin of its own, on the HTTP
// listener.
type Agents struct {
	Domain string // agents are at hosts below it; "": path form
	// In path form only:
	Listen string // address to listen at; "" is DefaultAgents
	URL    string // public origin of the listener, for a node behind a proxy; "" derives it from Listen
	// SandboxPages gives each page an origin that is none of the agent's; see
	// ingress.Handler.
	SandboxPages bool
}

// checkURLs checks the public addresses.
func (s *Server) checkURLs() error {
	main, err := parseURL("--url", s.URL)
	if err != nil {
		return err
	}
	a := s.Agents
	if a.Domain != "" {
		return s.checkDomain()
	}
	agents, err := parseURL("--agents-url", a.URL)
	if err != nil {
		return err
	}
	switch {
	case a.URL == "" && s.URL != "":
		return tandem.Errorf(tandem.Invalid, "a node with a public address (--url) needs one for its agents, too: "+
			"give --agents-url or --agent-domain")
	case a.URL != "" && (strings.Trim(agents.Path, "/") != "" || agents.RawQuery != "" || agents.Fragment != ""):
		return tandem.Errorf(tandem.Invalid, "--agents-url %s has more than a scheme, a host and a port", a.URL)
	case a.URL != "" && agents.Scheme == main.Scheme && strings.EqualFold(hostPort(agents), hostPort(main)):
		return tandem.Errorf(tandem.Invalid, "--agents-url and --url have the same host and port: pages of agents could "+
			"use the API as its own; give agents another host or port")
	}
	return nil
}

func (s *Server) checkDomain() error {
	a := s.Agents
	switch {
	case a.Listen != "" || a.URL != "" || a.SandboxPages:
		return tandem.Errorf(tandem.Invalid,
			"--agents, --agents-url and --sandbox-pages are for agents in path form; leave them out with --agent-domain")
	case !domainName(a.Domain):
		return tandem.Errorf(tandem.Invalid, "--agent-domain %s is not a domain such as example.net", a.Domain)
	case s.Certificate == nil:
		return nil // TLS ends at a proxy, or there is none
	}
	leaf, err := x509.ParseCertificate(s.Certificate.Certificate[0])
	if err != nil {
		return &tandem.Error{Kind: tandem.Invalid, Msg: "the certificate cannot be read", Err: err}
	}
	if err := leaf.VerifyHostname("a." + a.Domain); err != nil {
		return &tandem.Error{Kind: tandem.Invalid, Msg: "the certificate must be for *." + a.Domain + ", too", Err: err}
	}
	return nil
}

// domainName reports whether text is a domain name without a dot at its ends.
func domainName(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
		if part == "" || len(part) > 63 || strings.Trim(strings.ToLower(part), letters) != "" {
			return false
		}
	}
	return len(text) < 200 && net.ParseIP(text) == nil
}

// parseURL parses the value of a flag, which may be empty.
func parseURL(flag, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err == nil && (text == "" || (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil) {
		return u, nil
	}
	return nil, tandem.Errorf(tandem.Invalid, "%s %s is not a URL such as https://tandem.example.net", flag, text)
}

// hostPort returns host and port of a URL, whether it names the port or not.
func hostPort(u *url.URL) string { return net.JoinHostPort(u.Hostname(), strconv.Itoa(int(portOf(u)))) }

// portOf returns the port of a URL, 0 if it has none that is valid.
func portOf(u *url.URL) uint16 {
	text := u.Port()
	switch {
	case text == "" && u.Scheme == "https":
		text = "443"
	case text == "" && u.Scheme == "http":
		text = "80"
	}
	port, _ := strconv.ParseUint(text, 10, 16)
	return uint16(port)
}

// site returns where the world finds agents.
func (n *node) site() ingress.Site {
	if n.Agents.URL != "" {
		u, _ := url.Parse(n.Agents.URL) // checkURLs has
		return ingress.Site{Scheme: u.Scheme, Host: u.Host}
	}
	if n.Agents.Domain == "" {
		return ingress.Site{Scheme: n.scheme(), Host: n.agentsDoor.Addr().String()}
	}
	u, _ := url.Parse(n.url())
	s := ingress.Site{Scheme: u.Scheme, Host: n.Agents.Domain, Domain: true}
	if port := u.Port(); port != "" {
		s.Host += ":" + port
	}
	return s
}

// warn says that agents share an origin, where others than the operator may open their
// pages.
func (n *node) warn(site ingress.Site) {
	if site.Domain || n.Agents.SandboxPages {
		return
	}
	at, err := netip.ParseAddrPort(n.agentsDoor.Addr().String())
	if n.Agents.URL != "" || err != nil || !at.Addr().IsLoopback() {
		n.logger.Warn("the pages of all agents have one origin: one that is hostile can act as the others in a browser; " +
			"--agent-domain or --sandbox-pages prevents that (docs/agents.md)")
	}
}

// own returns what agents' requests must know about the node.
func (n *node) own(site ingress.Site) egress.Node {
	main, _ := url.Parse(n.url())
	agents, _ := url.Parse(site.Scheme + "://" + site.Host)
	o := egress.Node{Names: []string{main.Hostname()}}
	for _, l := range []net.Listener{n.http, n.mqtt, n.mqtts} {
		if l != nil {
			o.Closed = append(o.Closed, portAt(l.Addr().String()))
		}
	}
	if c := n.Cluster; c != nil && c.NATS == "" {
		o.Closed = append(o.Closed, portAt(c.listen()))
		if host, _, err := net.SplitHostPort(c.Advertise); err == nil {
			o.Names = append(o.Names, host)
		}
	}
	if site.Domain {
		o.Host = "*." + n.Agents.Domain
		o.Ports = []uint16{portOf(agents), portAt(n.http.Addr().String())}
		return o
	}
	if n.Agents.URL != "" {
		o.Host = agents.Hostname()
		o.Ports = []uint16{portOf(agents)}
		o.Names = append(o.Names, o.Host)
	}
	// The port may be that of the API at another address of the machine.
	if port := portAt(n.agentsDoor.Addr().String()); !slices.Contains(o.Closed, port) {
		o.Agents = []uint16{port}
	}
	return o
}

// portAt returns the port of host:port, 0 if it has none.
func portAt(address string) uint16 {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, _ := net.LookupPort("tcp", text)
	return uint16(port)
}

// httpDoors returns what serves the HTTP listeners until ctx is done.
func (n *node) httpDoors(ctx context.Context) []func() error {
	agents := &ingress.Handler{
		Agents: known{n.agents, n.store}, Most: n.mostRequests(), Room: n.room(256<<20, 8),
		Domain: n.Agents.Domain, SandboxPages: n.Agents.SandboxPages, Proxies: n.TrustedProxies,
		Logger: n.logger, LoopbackIsSecure: n.LoopbackIsSecure,
	}
	main, only := n.guard(n.mainHandler(agents)), n.guard(agents)
	doors := []func() error{
		func() error { return n.serveHTTP(ctx, n.http, main, agents) },
		func() error { n.watch(ctx, agents); return nil },
		func() error { return n.central.RunHooks(ctx, n.logger) },
	}
	if n.agentsDoor != nil {
		doors = append(doors, func() error { return n.serveHTTP(ctx, n.agentsDoor, only, agents) })
	}
	return doors
}

// mainHandler serves the HTTP listener.
func (n *node) mainHandler(agents *ingress.Handler) http.Handler {
	api := n.central.Handler()
	metrics := n.metrics(agents)
	nothing := ingress.Elsewhere{Site: n.central.Agents, Else: front{
		url: n.central.URL, agents: n.central.Agents.String() + "/AGENT-ID", api: http.HandlerFunc(n.central.NoRoute),
	}}
	manual := manual(nothing.Else)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case agents.Owns(r):
			agents.ServeHTTP(w, r)
		case path == "/health":
			n.admission.health.ServeHTTP(w, r)
		case path == "/metrics":
			metrics.ServeHTTP(w, r)
		case n.overloaded(w, r):
		case path == mqttPath && r.Header.Get("Upgrade") != "":
			n.gateway.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/v5/") || path == "/v5":
			api.ServeHTTP(w, r)
		case central.Joins(r):
			n.central.Join(w, r)
		case strings.HasPrefix(path, "/docs/") || path == "/docs":
			manual.ServeHTTP(w, r)
		default:
			nothing.ServeHTTP(w, r)
		}
	})
}
