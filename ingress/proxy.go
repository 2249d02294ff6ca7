package ingress

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies that are trusted: what they say of their
// clients in headers is believed. Of everybody else these headers are removed, since
// any client can write them.
type Proxies []netip.Prefix

// trusts reports whether addr is that of a trusted proxy.
func (p Proxies) trusts(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// ClientAddress returns the address of the client that made a request: that of the
// connection or, when it comes from a trusted proxy, the last address of
// X-Forwarded-For that is not a trusted proxy's. Addresses further left were sent by
// that client, which may have made them up. The result is the zero Addr when the
// connection is not TCP. It has no zone, and IPv4 addresses are not mapped to IPv6.
func (p Proxies) ClientAddress(r *http.Request) netip.Addr {
	client := peer(r)
	if len(p) == 0 || !p.trusts(client) {
		return client
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != ""; {
			var last string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				last, rest = rest[comma+1:], rest[:comma]
			} else {
				last, rest = rest, ""
			}
			addr, ok := parseHop(last)
			if !ok {
				return client // what is left of it cannot be relied on
			}
			if client = addr; !p.trusts(client) {
				return client
			}
		}
	}
	return client
}

// peer returns the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(ap.Addr())
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// parseHop returns the address of an element of X-Forwarded-For. Some proxies add
// the port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return plain(addr), true
	}
	ap, err := netip.ParseAddrPort(text)
	return plain(ap.Addr()), err == nil
}

// secure reports whether the client used HTTPS. Of several values of
// X-Forwarded-Proto the last one is by the nearest proxy.
func (p Proxies) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	lines := r.Header["X-Forwarded-Proto"]
	if len(lines) == 0 || !p.trusts(peer(r)) {
		return false
	}
	last := lines[len(lines)-1]
	return strings.EqualFold(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]), "https")
}

// clean removes the headers by which proxies describe their clients, unless a trusted
// proxy sent them.
func (p Proxies) clean(r *http.Request) {
	if len(p) > 0 && p.trusts(peer(r)) {
		return
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			delete(r.Header, name)
		}
	}
}
