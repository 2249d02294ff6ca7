package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/cluster"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/server"
	"github.com/tandem-iot/tandem/store"
)

// lab is a cluster of real processes on loopback with a real database.
type lab struct {
	tandem string // the binary
	dir    string
	pg     *pgtest.Server
	db     string // URL of the database
	nodes  []*proc
	http   *http.Client
	client client.API

	agentCode, deviceCode string
	skews                 []time.Duration // offsets of the nodes' clocks; empty: none
	hosts                 *hosts          // nil: all nodes are on loopback
	disks                 bool            // each node gets a disk of its own
	forward               *balancer       // from the hosts to the database
	failed                bool            // keep the nodes' directories, for inspection
}

// proc is a node.
type proc struct {
	node.Process
	dir         string
	host        string // "" on loopback
	skew        time.Duration
	disk        string // where a disk of its own is mounted; "": it has none
	mqtt, nodes string // its other addresses
}

// newLab starts the database. close stops everything.
func newLab(ctx context.Context, tandem string) (l *lab, err error) {
	dir, err := pgtest.MakeDir()
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: 2 * time.Second}
	l = &lab{tandem: tandem, dir: dir, agentCode: code, http: &http.Client{
		Timeout:   40 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 512, MaxIdleConns: 2048, DialContext: dialer.DialContext},
	}}
	l.client.HTTP = l.http
	if l.pg, err = pgtest.StartServer(dir, 0); err != nil {
		return l, err
	}
	l.db, err = l.pg.Create(ctx)
	return l, err
}

// network makes each added node a host of its own, if want says so.
func (l *lab) network(want string) (err error) {
	switch want {
	case "on", "auto":
	case "off":
		fmt.Println("all nodes are on one host: the faults of the network are left out")
		return l.away("127.0.0.1")
	default:
		return fmt.Errorf("-net must be on, off or auto, not %q", want)
	}
	if l.hosts, err = newHosts(); err != nil {
		l.hosts = nil
		if want == "auto" {
			fmt.Println("all nodes are on one host: the faults of the network are left out, because there can be no hosts:", err)
			return l.away("127.0.0.1")
		}
		return err
	}
	l.disks = true
	return l.away(l.hosts.address(1))
}

// away puts a forwarder at an address between the nodes and the database.
func (l *lab) away(address string) error {
	u, err := url.Parse(l.db)
	if err != nil {
		return err
	}
	if l.forward, err = newBalancer(net.JoinHostPort(address, "0"), u.Host); err != nil {
		return err
	}
	u.Host = l.forward.addr()
	l.db = u.String()
	return nil
}

// close stops the processes and removes their files.
func (l *lab) close() error {
	var errs []error
	for _, n := range l.nodes {
		n.Kill()
		switch {
		case l.failed:
		case n.disk != "":
			errs = append(errs, unix.Unmount(n.disk, 0), os.RemoveAll(n.dir))
		default:
			errs = append(errs, os.RemoveAll(n.dir))
		}
	}
	if l.forward != nil {
		errs = append(errs, l.forward.close())
	}
	if l.hosts != nil {
		errs = append(errs, l.hosts.close())
	}
	if l.pg != nil {
		errs = append(errs, l.pg.Quit())
	}
	return errors.Join(append(errs, pgtest.Remove(l.dir))...)
}

// add starts another node, and waits until it answers. If alone is set, the node has a
// database of its own.
func (l *lab) add(ctx context.Context, alone bool) (*proc, error) {
	dir, err := os.MkdirTemp("", "tandem-lab-")
	if err != nil {
		return nil, err
	}
	n := &proc{dir: dir, Process: node.Process{Name: fmt.Sprintf("n%d", len(l.nodes)+1), Log: filepath.Join(dir, "log")}}
	if i := len(l.nodes); i < len(l.skews) {
		n.skew = l.skews[i]
	}
	if err := l.place(n); err != nil {
		return nil, err
	}
	l.nodes = append(l.nodes, n)
	if l.disks {
		if err := n.mountDisk(); err != nil {
			return nil, err
		}
	}
	return n, l.start(ctx, n, alone)
}

// place sets a node's addresses.
func (l *lab) place(n *proc) (err error) {
	if l.hosts != nil {
		var address string
		if n.host, address, err = l.hosts.add(); err != nil {
			return err
		}
		n.Web = address + ":7880"
		n.Agents = address + ":7881"
		n.mqtt = address + ":7883"
		n.nodes = address + ":7884"
		return nil
	}
	for _, addr := range []*string{&n.Web, &n.Agents, &n.mqtt, &n.nodes} {
		if *addr, err = node.FreeAddr(); err != nil {
			return err
		}
	}
	return nil
}

// start starts a node that is not running.
func (l *lab) start(ctx context.Context, n *proc, alone bool) error {
	return n.Start(ctx, l.command(n, alone)...)
}

// command returns the command that starts a node.
func (l *lab) command(n *proc, alone bool) []string {
	args := []string{
		"up", "--data", filepath.Join(n.dir, "data"), "--http", n.Web, "--agents", n.Agents, "--mqtt", n.mqtt,
	}
	if !alone {
		args = append(args, "--database", l.db, "--node", n.Name, "--cluster", n.nodes)
	}
	if n.skew != 0 {
		args = append(args, "--clock-offset="+n.skew.String())
	}
	command := append([]string{l.tandem}, args...)
	if n.host != "" {
		command = append([]string{"ip", "netns", "exec", n.host}, command...)
	}
	return command
}

// dirs returns the nodes' directories, with their logs and data.
func (l *lab) dirs() (list []string) {
	for _, n := range l.nodes {
		list = append(list, n.dir)
	}
	return list
}

// logs returns the end of each node's log.
func (l *lab) logs() (list []error) {
	for _, n := range l.nodes {
		list = append(list, fmt.Errorf("the end of the log of %s, %s:\n%s", n.Name, n.Log, n.Tail()))
	}
	return list
}

// api makes a call to a node's API. out may be nil.
func (l *lab) api(ctx context.Context, n *proc, method, path, body string, out any) error {
	if err := l.login(ctx, n); err != nil {
		return err
	}
	return l.client.Call(ctx, n.Web, method, path, body, out)
}

// login gets a token, which is valid at all nodes, unless there is one.
func (l *lab) login(ctx context.Context, n *proc) error {
	if l.client.LoggedIn() {
		return nil
	}
	a, err := central.ReadAccess(filepath.Join(n.dir, "data", server.AccessFile))
	if err != nil {
		return err
	}
	return l.client.Login(ctx, n.Web, a.Key)
}

// agents creates devices and deploys the code to them.
func (l *lab) agents(ctx context.Context, n *proc, count int) (list []*subject, err error) {
	return l.group(ctx, n, "lab", count)
}

// group is agents in a product and a group with a name.
func (l *lab) group(ctx context.Context, n *proc, name string, count int) (list []*subject, err error) {
	if err := l.login(ctx, n); err != nil {
		return nil, err
	}
	product, err := l.client.Create(ctx, n.Web, "product", map[string]string{"name": name}, nil)
	if err != nil {
		return nil, err
	}
	group, err := l.client.Create(ctx, n.Web, "devicegroup", map[string]string{"name": name},
		map[string]string{"product": product.ID})
	if err != nil {
		return nil, err
	}
	code := map[string]string{"agent_code": l.agentCode, "device_code": l.deviceCode}
	if _, err = l.client.Create(ctx, n.Web, "deployment", code, map[string]string{"devicegroup": group.ID}); err != nil {
		return nil, err
	}
	for i := range count {
		d, err := l.client.Create(ctx, n.Web, "device", map[string]string{"name": fmt.Sprint(name, " ", i)},
			map[string]string{"devicegroup": group.ID})
		if err != nil {
			return nil, err
		}
		list = append(list, &subject{id: d.Attributes.Agent, device: d.ID, key: d.Attributes.Key})
	}
	return list, nil
}

func (l *lab) status(ctx context.Context, n *proc) (cluster.Status, error) {
	var out struct {
		Data struct{ Attributes cluster.Status }
	}
	err := l.api(ctx, n, "GET", "/cluster", "", &out)
	return out.Data.Attributes, err
}

// emptied waits until a node has no shards.
func (l *lab) emptied(ctx context.Context, at, leaver *proc) error {
	return l.until(ctx, at, func(st cluster.Status) bool {
		for _, n := range st.Nodes {
			if n.ID == leaver.Name {
				return n.Shards == 0
			}
		}
		return false
	})
}

// settling is how long a cluster may take until all is as it should be, also on a slow machine.
const settling = 3 * time.Minute

// settled waits until a number of nodes are alive, and each has its share of the shards,
// or none if it is drained.
func (l *lab) settled(ctx context.Context, at *proc, nodes int) error {
	return l.until(ctx, at, func(st cluster.Status) bool { return balanced(st, nodes) })
}

// well waits until a node says that it serves, and that it keeps log lines.
func (l *lab) well(ctx context.Context, n *proc) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for {
		says, err := l.health(ctx, n)
		if err == nil && strings.HasPrefix(says, "ok\n") && !strings.Contains(says, "\nlog: ") {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s still fails after %v: %q", n.Name, settling, says), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// health returns what a node says of itself.
func (l *lab) health(ctx context.Context, n *proc) (string, error) {
	_, body, err := l.fetch(ctx, http.MethodGet, "http://"+n.Web+"/health")
	return body, err
}

// until waits until a node's status of the cluster meets a condition.
func (l *lab) until(ctx context.Context, at *proc, wanted func(cluster.Status) bool) error {
	deadline := time.Now().Add(settling)
	for {
		st, err := l.status(ctx, at)
		if err == nil && wanted(st) {
			return nil
		}
		if time.Now().After(deadline) {
			for _, n := range l.nodes {
				n.Dump()
			}
			return errors.Join(append([]error{fmt.Errorf("the cluster does not settle: %+v", st), err}, l.logs()...)...)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func balanced(st cluster.Status, nodes int) bool {
	weight, alive := 0.0, 0
	for _, n := range st.Nodes {
		if n.Alive {
			alive++
			if !n.Draining {
				weight += n.Weight
			}
		}
	}
	if st.Orphan > 0 || alive != nodes || weight == 0 || len(st.Nodes) != nodes {
		return false
	}
	for _, n := range st.Nodes {
		if n.Leaving > 0 || n.Draining && n.Shards > 0 || !n.Draining &&
			float64(n.Shards) < 0.8*n.Weight/weight*float64(st.Shards) {
			return false
		}
	}
	return true
}

// owners returns the node that owns each agent, from the database.
func (l *lab) owners(ctx context.Context, d *load) (map[*subject]string, error) {
	s, err := store.OpenPostgres(ctx, l.db)
	if err != nil {
		return nil, err
	}
	m, err := s.Membership(ctx, -1)
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	owners := map[*subject]string{}
	for _, a := range d.subjects {
		owners[a] = m.Shards[placement.ShardOf(tandem.AgentID(a.id), m.Count)].Owner
	}
	return owners, nil
}
