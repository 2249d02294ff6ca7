package egress

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// TestCheck is the decision about an address of the node, of itself.
func TestCheck(t *testing.T) {
	m := machine{here: append(prefixes("5.6.7.8/32", "10.0.0.1/32", "2a00::1/128"), always...),
		named: []netip.Addr{netip.MustParseAddr("9.9.9.9")}}
	paths := Node{Closed: []uint16{80, 1883}, Agents: []uint16{81}}
	names := Node{Closed: []uint16{80, 1883}, Host: "*.agents.example", Ports: []uint16{80}}
	proxied := Node{Closed: []uint16{80, 1883}, Agents: []uint16{81}, Host: "agents.example", Ports: []uint16{443}}
	for _, tc := range []struct {
		node  Node
		allow []netip.Prefix
		host  string
		to    string
		want  error
	}{
		// What is not the node's.
		{paths, nil, "h", "1.1.1.1:80", nil},
		{paths, nil, "h", "10.0.0.2:80", errRefused},
		{paths, prefixes("10.0.0.0/8"), "h", "10.0.0.2:80", nil},
		{paths, prefixes("10.0.0.0/8"), "h", "[64:ff9b::a00:2]:80", nil},
		{paths, prefixes("64:ff9b::/96"), "h", "[64:ff9b::a00:2]:80", nil},
		{paths, prefixes("64:ff9b::/96"), "h", "[64:ff9b::a00:1]:80", errClosed},
		// Its public addresses, at a port that is another program's.
		{paths, nil, "h", "5.6.7.8:22", errHere},
		{paths, nil, "h", "[::ffff:5.6.7.8]:22", errHere},
		{paths, nil, "h", "[64:ff9b::506:708]:22", errHere},
		{paths, nil, "h", "[2a00::1]:22", errHere},
		{paths, prefixes("5.6.7.8/32"), "h", "5.6.7.8:22", nil},
		// Its listeners, whatever is allowed.
		{paths, nil, "h", "5.6.7.8:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "5.6.7.8:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "5.6.7.8:1883", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "[::ffff:5.6.7.8]:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "[64:ff9b::506:708]:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "127.0.0.1:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "127.1.2.3:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "0.0.0.0:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "[::]:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "[::1]:80", errClosed},
		{paths, prefixes("0.0.0.0/0", "::/0"), "h", "[2a00::1]:1883", errClosed},
		{paths, prefixes("127.0.0.0/8"), "h", "127.0.0.1:8000", nil},
		{paths, nil, "h", "127.0.0.1:8000", errRefused},
		// The addresses under which the world reaches it.
		{paths, nil, "h", "9.9.9.9:80", errClosed},
		{paths, nil, "h", "9.9.9.9:443", nil},
		// Where the world finds agents, agents do.
		{paths, nil, "h", "5.6.7.8:81", nil},
		{paths, nil, "h", "127.0.0.1:81", errRefused},
		{paths, prefixes("127.0.0.0/8"), "h", "127.0.0.1:81", nil},
		{names, nil, "x.agents.example", "5.6.7.8:80", nil},
		{names, nil, "X.Agents.Example.", "9.9.9.9:80", nil},
		{names, nil, "x.agents.example", "5.6.7.8:1883", errClosed},
		{names, nil, "x.agents.example", "10.0.0.1:80", errClosed},
		{names, prefixes("10.0.0.0/8"), "x.agents.example", "10.0.0.1:80", nil},
		{names, nil, "agents.example", "5.6.7.8:80", errClosed},
		{names, nil, "5.6.7.8", "5.6.7.8:80", errClosed},
		{proxied, nil, "agents.example", "5.6.7.8:443", nil},
		{proxied, nil, "AGENTS.example.", "5.6.7.8:443", nil},
		{proxied, nil, "x.agents.example", "5.6.7.8:443", errHere},
		{proxied, nil, "gents.example", "5.6.7.8:443", errHere},
		{proxied, nil, "api.example", "5.6.7.8:443", errHere},
		{proxied, nil, "", "5.6.7.8:443", errHere},
		{paths, nil, "", "5.6.7.8:443", errHere},
		{proxied, nil, "agents.example", "5.6.7.8:80", errClosed},
	} {
		x := &Fetcher{Allow: tc.allow, Node: tc.node}
		if got := x.check(tc.host, netip.MustParseAddrPort(tc.to), m); got != tc.want {
			t.Errorf("%s at %s with %v: %v, want %v", tc.host, tc.to, tc.allow, got, tc.want)
		}
	}
}

// TestOwnAddresses goes through all addresses of this machine: an agent reaches nothing
// there, and with everything allowed nothing at the ports of the node.
func TestOwnAddresses(t *testing.T) {
	list, err := readInterfaces()
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	reached := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	s.Listener.Close()
	if s.Listener, err = net.Listen("tcp", ":0"); err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Close()
	port := uint16(s.Listener.Addr().(*net.TCPAddr).Port)
	all := prefixes("0.0.0.0/0", "::/0")
	for _, p := range list {
		addr := p.Addr()
		if addr.IsLinkLocalUnicast() {
			continue // needs a zone
		}
		host := netip.AddrPortFrom(addr, port).String()
		for _, x := range []*Fetcher{{}, {Allow: all, Node: Node{Closed: []uint16{port}}}} {
			r := fetch(t.Context(), x, &tandem.Fetch{Method: "GET", URL: "http://" + host}, nil)
			if r.Status != tandem.FetchRefused || reached != 0 {
				t.Errorf("%s: %d %s", host, r.Status, r.Body)
			}
			if conn, err := x.DialBroker(t.Context(), "tcp://"+host); err == nil {
				conn.Close()
				t.Errorf("%s is connected to as a broker", host)
			} else if len(x.Allow) > 0 && !strings.Contains(err.Error(), "own listener") {
				t.Errorf("%s: %v", host, err)
			}
			x.Close()
		}
		x := &Fetcher{Allow: all, Node: Node{Closed: []uint16{port + 1}}}
		want(t, fetch(t.Context(), x, &tandem.Fetch{Method: "GET", URL: "http://" + host}, nil), 200, "")
		x.Close()
		reached = 0
	}
}

// TestHostOfAgent: a request to a name in the domain of agents cannot name another host
// of the same listener in its header.
func TestHostOfAgent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Host)) }))
	defer s.Close()
	port := s.Listener.Addr().(*net.TCPAddr).Port
	x := &Fetcher{Allow: loopback, Node: Node{
		Closed: []uint16{uint16(port)}, Host: "*.agents.test", Ports: []uint16{uint16(port)},
	}}
	x.resolver = names(t, func(string) []string { return []string{"127.0.0.1"} })
	defer x.Close()
	for host, status := range map[string]int{"x.agents.test": 200, "main.test": tandem.FetchRefused} {
		at := host + ":" + strconv.Itoa(port)
		r := fetch(t.Context(), x, &tandem.Fetch{
			Method: "GET", URL: "http://" + at, Headers: []tandem.Header{{Name: "host", Value: "main.test"}},
		}, nil)
		if r.Status != status || status == 200 && string(r.Body) != at {
			t.Errorf("%s: %d %s", host, r.Status, r.Body)
		}
	}
}

// TestNamedAddresses: the names of the node are resolved again after a while, and what
// was found stays when nothing is.
func TestNamedAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s surroundings
		answer := "192.0.2.1"
		resolver := &net.Resolver{PreferGo: true}
		look := func() string {
			m, err := s.read(t.Context(), []string{answer}, resolver)
			if err != nil || len(m.named) != 1 {
				t.Fatal(m, err)
			}
			return m.named[0].String()
		}
		if got := look(); got != answer {
			t.Error(got)
		}
		answer = "192.0.2.2"
		<-time.After(namedFor - 1)
		if got := look(); got != "192.0.2.1" {
			t.Error("it is resolved each time: " + got)
		}
		<-time.After(1)
		if got := look(); got != answer {
			t.Error(got)
		}
		answer = "bad name"
		<-time.After(namedFor)
		if got := look(); got != "192.0.2.2" {
			t.Error(got)
		}
	})
}

// TestInterfacesAreReadAgain: addresses that the machine has got are noticed, and a request
// that is given up does not keep the names of the node from others.
func TestInterfacesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s surroundings
		look := func() int {
			m, err := s.read(t.Context(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			return len(m.here)
		}
		all := look()
		s.last.here = nil
		<-time.After(machineFor - 1)
		if n := look(); n != 0 {
			t.Errorf("they are read each time: %d", n)
		}
		<-time.After(1)
		if n := look(); n != all {
			t.Errorf("%d, not %d", n, all)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var s surroundings
	resolver := names(t, func(string) []string { return []string{"192.0.2.1"} })
	if m, err := s.read(ctx, []string{"node.test"}, resolver); err != nil || len(m.named) == 0 {
		t.Errorf("for a request that was given up: %+v, %v", m, err)
	}
}

// TestReadInterfaces: a loopback network is the machine's as a whole.
func TestReadInterfaces(t *testing.T) {
	list, err := readInterfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.Addr().IsLoopback() && p.Addr().Is4() {
			if !p.Contains(netip.MustParseAddr("127.255.0.1")) {
				t.Errorf("%v is a single address", p)
			}
		} else if p.Bits() != p.Addr().BitLen() {
			t.Errorf("%v is a network", p)
		}
	}
}
