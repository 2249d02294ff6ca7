package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"time"
)

// hosts are network namespaces, each with an address of its own on one bridge. The
// database and the callers are at the bridge itself. Blocked packets are dropped silently,
// as in a real network.
type hosts struct {
	bridge string
	prefix string // the first three numbers of all addresses
	names  []string
}

// newHosts makes the bridge. It needs root and Linux.
func newHosts() (*hosts, error) {
	n := os.Getpid() % 200
	h := &hosts{bridge: fmt.Sprintf("tdm%d", n), prefix: fmt.Sprintf("10.213.%d", n)}
	err := commands(
		"ip link add "+h.bridge+" type bridge",
		"ip addr add "+h.address(1)+"/24 dev "+h.bridge,
		"ip link set "+h.bridge+" up",
	)
	if err != nil {
		_ = commands("ip link del " + h.bridge) // it may not exist
		return nil, err
	}
	return h, nil
}

func (h *hosts) address(last int) string { return fmt.Sprintf("%s.%d", h.prefix, last) }

// add makes a host and returns its name and its address.
func (h *hosts) add() (name, address string, err error) {
	i := len(h.names)
	name, address = fmt.Sprintf("%sn%d", h.bridge, i), h.address(10+i)
	h.names = append(h.names, name)
	port, inside := h.port(name), name+"x"
	return name, address, commands(
		"ip netns add "+name,
		"ip link add "+port+" type veth peer name "+inside,
		"ip link set "+inside+" netns "+name,
		"ip netns exec "+name+" ip addr add "+address+"/24 dev "+inside,
		"ip netns exec "+name+" ip link set "+inside+" up",
		"ip netns exec "+name+" ip link set lo up",
		"ip link set "+port+" master "+h.bridge+" up",
	)
}

// port returns the bridge's end of a host's link.
func (h *hosts) port(name string) string { return name + "p" }

// cut takes a host's link down, or up again.
func (h *hosts) cut(name string, out bool) error {
	if out {
		return commands("ip link set " + h.port(name) + " nomaster")
	}
	return commands("ip link set " + h.port(name) + " master " + h.bridge)
}

// split blocks the packets between two hosts, but not those of other hosts, or ends that.
func (h *hosts) split(a, b string, apart bool) error {
	state := map[bool]string{true: "on", false: "off"}[apart]
	return commands(
		"bridge link set dev "+h.port(a)+" isolated "+state,
		"bridge link set dev "+h.port(b)+" isolated "+state,
	)
}

// slow limits the rate of a host's link in both directions, with a long queue: packets are
// delayed by up to 150 ms each way, and lost when the queue is full. Or it removes the
// limit.
func (h *hosts) slow(name string, on bool) error {
	out, in := "tc qdisc del dev "+h.port(name)+" root", "ip netns exec "+name+" tc qdisc del dev "+name+"x root"
	if on {
		const pipe = " root tbf rate 3mbit burst 16kb latency 150ms"
		out, in = "tc qdisc replace dev "+h.port(name)+pipe, "ip netns exec "+name+" tc qdisc replace dev "+name+"x"+pipe
	}
	return commands(out, in)
}

func (h *hosts) close() error {
	var errs []error
	for _, name := range h.names {
		errs = append(errs, commands("ip netns del "+name)) // which also deletes the link
	}
	return errors.Join(append(errs, commands("ip link del "+h.bridge))...)
}

func commands(lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(line)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// Faults of the network.

// cutPastLease takes a node off the network until other nodes own its agents.
func cutPastLease(_ context.Context, d *load, n *proc, _ *rand.Rand) error {
	d.did("%s is cut off for 8 s", n.Name)
	return d.lab.during(8*time.Second, func(on bool) error { return d.lab.hosts.cut(n.host, on) })
}

// splitPair blocks the packets between two nodes.
func splitPair(_ context.Context, d *load, n *proc, random *rand.Rand) error {
	other := d.lab.nodes[random.IntN(len(d.lab.nodes))]
	for other == n {
		other = d.lab.nodes[random.IntN(len(d.lab.nodes))]
	}
	d.did("%s and %s do not hear of each other for 6 s", n.Name, other.Name)
	return d.lab.during(6*time.Second, func(on bool) error { return d.lab.hosts.split(n.host, other.host, on) })
}

func slowDown(_ context.Context, d *load, n *proc, _ *rand.Rand) error {
	d.did("the network of %s is slow and loses packets for 5 s", n.Name)
	return d.lab.during(5*time.Second, func(on bool) error { return d.lab.hosts.slow(n.host, on) })
}

// flicker drops all packets of a node for a third of the time.
func flicker(_ context.Context, d *load, n *proc, random *rand.Rand) error {
	d.did("the network of %s comes and goes for 5 s", n.Name)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		off := time.Duration(20+random.IntN(160)) * time.Millisecond
		if err := d.lab.during(off, func(on bool) error { return d.lab.hosts.cut(n.host, on) }); err != nil {
			return err
		}
		<-time.After(2 * off)
	}
	return nil
}

// during causes a fault, and undoes it after a while.
func (l *lab) during(wait time.Duration, do func(on bool) error) error {
	err := do(true)
	<-time.After(wait)
	return errors.Join(err, do(false))
}
