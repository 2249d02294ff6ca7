package egress

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Node describes the node to which a Fetcher belongs. Its own addresses, all those of
// the machine's interfaces, are refused even where they are public, because a connection
// from inside passes no firewall. Fetcher.Allow opens them, except for the ports of Closed.
type Node struct {
	Closed []uint16 // ports of listeners that agents cannot reach
	// Agents can be reached by agents where the world reaches them, at public or allowed
	// addresses: at the ports of listeners that serve nothing else, and under the hosts of
	// their URLs at ports that may serve more to other hosts.
	Agents []uint16
	Host   string // of agents' URLs; *.example.net is any host below example.net; "" is none
	Ports  []uint16
	Names  []string // hosts under which the world reaches the node; Closed is refused there, too
}

// leadsToAgents reports whether a connection that is made for a host to a port of the
// node reaches agents and nothing else.
func (n Node) leadsToAgents(host string, port uint16) bool {
	return slices.Contains(n.Agents, port) || n.agentHost(host) && slices.Contains(n.Ports, port)
}

// agentHost reports whether host is one of agents' URLs.
func (n Node) agentHost(host string) bool {
	host = strings.TrimSuffix(host, ".")
	domain, below := strings.CutPrefix(n.Host, "*")
	if i := len(host) - len(domain); below && i > 0 {
		host = host[i:]
	}
	return n.Host != "" && strings.EqualFold(host, domain)
}

// machine is what is known of the machine's addresses at a moment.
type machine struct {
	here  []netip.Prefix // what the machine takes for itself
	named []netip.Addr   // where Node.Names lead
}

// always are the addresses that lead to any machine itself.
var always = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("0.0.0.0/32"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("::/128"),
}

// Addresses of a machine change while it runs, so what was read is used for a while only.
// A look at the interfaces takes less time than a connection.
const (
	machineFor = 5 * time.Second
	namedFor   = time.Minute
	namedWait  = 2 * time.Second // for the resolver
)

// surroundings reads the machine's addresses and remembers them. The zero value is ready
// to use.
type surroundings struct {
	mu    sync.Mutex
	last  machine
	here  time.Time // when last.here was read
	named time.Time // when last.named was read
}

// read returns the machine's addresses. What cannot be read now stays as it was.
func (s *surroundings) read(ctx context.Context, hosts []string, resolver *net.Resolver) (machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.here.IsZero() || now.Sub(s.here) >= machineFor {
		list, err := readInterfaces()
		switch {
		case err == nil:
			s.last.here, s.here = append(list, always...), now
		case s.here.IsZero():
			return machine{}, err
		}
	}
	if len(hosts) > 0 && (s.named.IsZero() || now.Sub(s.named) >= namedFor) {
		if named := resolve(ctx, hosts, resolver); named != nil {
			s.last.named = named
		}
		s.named = now
	}
	return s.last, nil
}

// readInterfaces returns the addresses of all interfaces. A loopback interface takes the
// whole network of each of its addresses.
func readInterfaces() (list []netip.Prefix, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has gone since
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue // not IP
			}
			addr, bits := p.Addr().Unmap(), p.Bits()
			if i.Flags&net.FlagLoopback == 0 {
				bits = addr.BitLen()
			}
			list = append(list, netip.PrefixFrom(addr, bits))
		}
	}
	return list, nil
}

// resolve returns the addresses of hosts, nil if there are none to be found.
func resolve(ctx context.Context, hosts []string, resolver *net.Resolver) (list []netip.Addr) {
	// Others use the result too, so the caller's patience does not count.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), namedWait)
	defer cancel()
	for _, host := range hosts {
		addrs, err := resolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			continue // then no agent finds it there either, or it was known before
		}
		for _, addr := range addrs {
			list = append(list, embedded(addr))
		}
	}
	return list
}

// dial makes a connection if agents may have it. Each address that the name resolves to
// is checked right before it is used.
func (x *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	m, err := x.machine.read(ctx, x.Node.Names, x.resolver)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{
		Timeout: connectTimeout, Resolver: x.resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return x.check(host, to, m)
		},
	}
	return dialer.DialContext(ctx, network, address)
}
