package server

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/internal/pgtest"
)

// reachAgent answers with what comes of a request to the address in the query.
const reachAgent = `
http.onrequest(function(q, r) {
    local x = http.get(q.query.url).sendsync();
    r.send(200, x.statuscode + " " + x.body);
});`

// listening returns the ports at which this process listens.
func listening(t *testing.T) (ports []string) {
	t.Helper()
	sockets := map[string]bool{}
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no open files: this needs Linux (%v)", err)
	}
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil {
			sockets[to] = true
		}
	}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue // no IPv6
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != "0A" || !sockets["socket:["+fields[9]+"]"] {
				continue
			}
			port, err := strconv.ParseUint(fields[1][strings.LastIndexByte(fields[1], ':')+1:], 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			ports = append(ports, fmt.Sprint(port))
		}
	}
	return ports
}

// TestOwnListeners goes through all listeners of a node's process, whatever opened them:
// agents reach none of them, except for their own, even where all of loopback is allowed.
func TestOwnListeners(t *testing.T) {
	others := listening(t)
	cert, trust := certificate(t)
	n := start(t, &Server{
		MQTTS: "127.0.0.1:0", Certificate: &cert, Egress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Cluster: &Cluster{Database: pgtest.Start(t), Node: "n1", Listen: freeAddr(t)},
	})
	g, err := n.Central.EnsureGroup(t.Context(), "reach", "reach")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Central.Deploy(t.Context(), g.ID, central.Code{Agent: reachAgent}); err != nil {
		t.Fatal(err)
	}
	d, _, err := n.Central.AddDevice(t.Context(), central.NewDevice{Group: g.ID})
	if err != nil {
		t.Fatal(err)
	}
	reach := func(url string) string {
		status, body := n.get(n.Agents.URL(d.Agent)+"?url="+url, trust)
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		return body
	}
	closed := 0
	for _, port := range listening(t) {
		switch {
		case slices.Contains(others, port):
		case strings.HasSuffix(n.Agents.Host, ":"+port):
			if got := reach(n.Agents.String()); !strings.HasPrefix(got, "404 there is no agent") {
				t.Errorf("the listener for agents: %s", got)
			}
		case strings.Contains(reach("http://127.0.0.1:"+port), `\"server_id\":\"N`):
			// The NATS server of the node has a port for clients, which is at a random number and needs
			// a token that only this process has.
		default:
			closed++
			for _, host := range []string{"127.0.0.1", "127.9.9.9", "localhost", "0.0.0.0"} {
				if got := reach("http://" + host + ":" + port); !strings.HasPrefix(got, "9 ") {
					t.Errorf("%s:%s: %s", host, port, got)
				}
			}
		}
	}
	if closed < 4 { // HTTP, MQTT with and without TLS, and the one for other nodes
		t.Errorf("the node has %d listeners for others than agents", closed)
	}
}
