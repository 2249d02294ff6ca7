package egress

import (
	"errors"
	"net/netip"
	"slices"
)

var (
	errRefused = errors.New("egress: not a public address")
	errHere    = errors.New("egress: an address of this machine")
	errClosed  = errors.New("egress: a listener of this node")
)

// notPublic lists the IPv4 ranges that are private, local, reserved or unassigned.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("10.0.0.0/8"),       // private
	netip.MustParsePrefix("100.64.0.0/10"),    // shared, behind carrier-grade NAT
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's platform: a public address, reachable only from inside
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local, and most metadata services
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/3"),      // multicast, reserved, broadcast
}

// The public range of IPv6, and the ranges inside it that are not public or may
// lead to an IPv4 address that is not.
var (
	global6    = netip.MustParsePrefix("2000::/3")
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // an IPv4 address in the last four bytes
	notPublic6 = []netip.Prefix{
		netip.MustParsePrefix("2001::/23"),     // protocol assignments, Teredo
		netip.MustParsePrefix("2001:db8::/32"), // documentation
		netip.MustParsePrefix("2002::/16"),     // 6to4
		netip.MustParsePrefix("3fff::/20"),     // documentation
	}
)

// embedded returns the IPv4 address that an IPv6 address leads to, if it does, and
// otherwise the address itself, without its zone.
func embedded(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() && nat64.Contains(addr) {
		b := addr.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr
}

// public reports whether addr, which embedded has returned, is on the internet.
func public(addr netip.Addr) bool {
	if addr.Is4() {
		return !contains(notPublic, addr)
	}
	return global6.Contains(addr) && !contains(notPublic6, addr)
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// check returns an error unless agents may connect to an address. host is the name that
// the agent gave for it.
func (x *Fetcher) check(host string, to netip.AddrPort, m machine) error {
	addr := embedded(to.Addr())
	allowed := contains(x.Allow, addr) || contains(x.Allow, to.Addr().Unmap().WithZone(""))
	reachable := allowed || public(addr)
	here := contains(m.here, addr)
	node := here || slices.Contains(m.named, addr)
	switch {
	case node && x.Node.leadsToAgents(host, to.Port()) && reachable:
		return nil // as for the world: agents call each other by their URLs
	case node && slices.Contains(x.Node.Closed, to.Port()):
		return errClosed
	case !reachable:
		return errRefused
	case here && !allowed:
		return errHere
	}
	return nil
}
