package ingress

import (
	"encoding/base32"
	"encoding/base64"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Agent ids are 72 bits in the alphabet of base64url, which tells upper from
// lower case. Host names do not, so there the same bits are in base32.
var label = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Label returns the agent's name in the domain of agents, 15 letters and
// digits, "" when the id is not valid.
func Label(id tandem.AgentID) string {
	bits, err := base64.RawURLEncoding.DecodeString(string(id))
	if err != nil || !id.Valid() {
		return ""
	}
	return label.EncodeToString(bits)
}

// named returns the agent of a label in the domain of agents. Each agent has one
// label: 15 characters have 3 bits more than an id, which must be zero.
func named(text string) (tandem.AgentID, bool) {
	text = strings.ToLower(text)
	bits, err := label.DecodeString(text)
	if err != nil {
		return "", false
	}
	id := tandem.AgentID(base64.RawURLEncoding.EncodeToString(bits))
	return id, id.Valid() && Label(id) == text
}

// Site is where the world finds the agents of a node, in one of two forms. In path
// form all agents have one origin, and an agent's id is the first element of the path.
// In domain form each agent has a host name of its own, and so an origin of its own.
type Site struct {
	Scheme string // http or https
	Host   string // with the port, if it is not the scheme's; in domain form the domain
	Domain bool   // domain form
}

// URL returns the address of an agent. Its last 12 characters are the agent's id in
// both forms, because programs written for Electric Imp take the id from there.
func (s Site) URL(id tandem.AgentID) string {
	if s.Domain {
		return s.Scheme + "://" + Label(id) + "." + s.Host + "/" + string(id)
	}
	return s.Scheme + "://" + s.Host + "/" + string(id)
}

// String returns the origin of all agents, or the pattern of their origins.
func (s Site) String() string {
	if s.Domain {
		return s.Scheme + "://*." + s.Host
	}
	return s.Scheme + "://" + s.Host
}

// below returns what a host name has before a domain, and whether it is in the domain.
// The host may have a port, and a dot at its end.
func below(host, domain string) (string, bool) {
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	host = strings.TrimSuffix(host, ".")
	n := len(host) - len(domain)
	if domain == "" || n < 1 || host[n-1] != '.' || !strings.EqualFold(host[n:], domain) {
		return "", false
	}
	return host[:n-1], true
}

// cutAgent takes the first element off a path.
func cutAgent(path string) (id tandem.AgentID, rest string) {
	first, ok := strings.CutPrefix(path, "/")
	if !ok {
		return "", ""
	}
	if i := strings.IndexByte(first, '/'); i >= 0 {
		first, rest = first[:i], first[i:]
	}
	return tandem.AgentID(first), rest
}
