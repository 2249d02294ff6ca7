package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/cluster"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/server"
)

// site is what an attack has for itself: a node, or a cluster of two with its database.
type site struct {
	kind   siteKind
	binary string // of tandem
	dir    string
	target int // of memory, in MiB
	nodes  []*member
	pg     *pgtest.Server
	db     string // URL of the database

	api   client.API
	key   string // the operator's login key
	quiet pair
}

// member is a node of a site.
type member struct {
	node.Process
	addr addresses
	data string
}

// addresses are where a node listens; "" is nowhere.
type addresses struct{ HTTP, Agents, MQTT, MQTTS, Cluster string }

// pair is a device and its agent.
type pair struct {
	ID, Key, Agent, URL string
	Group               string
}

// login is the device's.
func (p pair) login() client.Login { return client.Login{ID: p.ID, User: p.ID, Password: p.Key} }

// address returns the host and port, and the path, of the agent's URL.
func (p pair) address() (host, path string) {
	u, err := url.Parse(p.URL)
	if err != nil {
		return "", ""
	}
	return u.Host, u.Path
}

// at is the node that the quiet users are connected to.
func (s *site) at() *member { return s.nodes[0] }

// newSite starts a site.
func newSite(ctx context.Context, o options, kind siteKind) (s *site, err error) {
	s = &site{kind: kind, binary: o.tandem, target: o.memory}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(o.keep))
			s = nil
		}
	}()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a certificate of our own
	s.api.HTTP = &http.Client{Timeout: 30 * time.Second, Transport: transport}
	if s.dir, err = pgtest.MakeDir(); err != nil {
		return s, err
	}
	nodes := 1
	switch kind {
	case secure:
		err = node.Certify(s.dir)
	case clustered:
		nodes = 2
		if s.pg, err = pgtest.StartServer(s.dir, 0); err == nil {
			s.db, err = s.pg.Create(ctx)
		}
	}
	for range nodes {
		if err == nil {
			err = s.add(ctx)
		}
	}
	if err == nil {
		err = s.login(ctx)
	}
	if err == nil && kind == clustered {
		err = s.settled(ctx)
	}
	if err == nil {
		s.quiet, err = s.pair(ctx, "quiet", quietCode)
	}
	return s, err
}

// add starts a node.
func (s *site) add(ctx context.Context) (err error) {
	m := &member{data: filepath.Join(s.dir, fmt.Sprint("node", len(s.nodes)+1))}
	m.Process = node.Process{Name: fmt.Sprint("n", len(s.nodes)+1), Log: m.data + ".log"}
	places := []*string{&m.addr.HTTP, &m.addr.Agents, &m.addr.MQTT, &m.addr.Cluster}
	if s.kind == secure {
		places = append(places, &m.addr.MQTTS)
	}
	for _, at := range places {
		if *at, err = node.FreeAddr(); err != nil {
			return err
		}
	}
	m.Web = m.addr.HTTP
	s.nodes = append(s.nodes, m)
	return m.Start(ctx, append([]string{"env", fmt.Sprintf("GOMEMLIMIT=%dMiB", s.target), s.binary}, s.arguments(m)...)...)
}

// arguments are those of a node's command.
func (s *site) arguments(m *member) []string {
	args := []string{"up", "--data", m.data, "--http", m.addr.HTTP, "--agents", m.addr.Agents, "--mqtt", m.addr.MQTT,
		"--egress", "127.0.0.0/8"}
	switch s.kind {
	case secure:
		args = append(args, "--mqtts", m.addr.MQTTS, "--cert", filepath.Join(s.dir, "cert"),
			"--key", filepath.Join(s.dir, "key"))
	case clustered:
		args = append(args, "--database", s.db, "--node", m.Name, "--cluster", m.addr.Cluster)
	}
	return args
}

// web is the base of the API's URLs.
func (s *site) web() string {
	if s.kind == secure {
		return "https://" + s.at().addr.HTTP
	}
	return "http://" + s.at().addr.HTTP
}

// login gets the operator's token, when the access file is there.
func (s *site) login(ctx context.Context) error {
	err := client.Soon(ctx, func() error {
		a, err := central.ReadAccess(filepath.Join(s.at().data, server.AccessFile))
		s.key = a.Key
		return err
	})
	if err != nil {
		return err
	}
	return s.api.Login(ctx, s.web(), s.key)
}

// settled waits until each node of the cluster has its share of the shards.
func (s *site) settled(ctx context.Context) error {
	for deadline := time.Now().Add(slowest); ; {
		var out struct {
			Data struct{ Attributes cluster.Status }
		}
		err := s.api.Call(ctx, s.web(), "GET", "/cluster", "", &out)
		status, even := out.Data.Attributes, 0
		for _, n := range status.Nodes {
			if n.Alive && n.Leaving == 0 && n.Shards > status.Shards/3 {
				even++
			}
		}
		if err == nil && even == len(s.nodes) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the cluster does not settle: %+v", status), err)
		}
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// pair makes a device in a group of its own, whose agent runs the code.
func (s *site) pair(ctx context.Context, name, code string) (p pair, err error) {
	product, err := s.api.Create(ctx, s.web(), "product", map[string]string{"name": name}, nil)
	if err != nil {
		return p, err
	}
	in := map[string]string{"product": product.ID}
	group, err := s.api.Create(ctx, s.web(), "devicegroup", map[string]string{"name": name}, in)
	if err != nil {
		return p, err
	}
	p.Group = group.ID
	if err := s.deploy(ctx, p, code); err != nil {
		return p, err
	}
	d, err := s.device(ctx, group.ID, name)
	if err != nil {
		return p, err
	}
	p.ID = d.ID
	p.Key = d.Attributes.Key
	p.Agent = d.Attributes.Agent
	p.URL = d.Attributes.URL
	return p, nil
}

// device makes a device in a group.
func (s *site) device(ctx context.Context, group, name string) (client.Made, error) {
	in := map[string]string{"devicegroup": group}
	return s.api.Create(ctx, s.web(), "device", map[string]string{"name": name}, in)
}

func (s *site) deploy(ctx context.Context, p pair, code string) error {
	_, err := s.api.Create(ctx, s.web(), "deployment", map[string]string{"agent_code": code, "device_code": ""},
		map[string]string{"devicegroup": p.Group})
	return err
}

// restart restarts an agent, as the operator does.
func (s *site) restart(ctx context.Context, p pair) error {
	return s.api.Call(ctx, s.web(), "POST", "/devices/"+p.ID+"/restart?side=agent", "", nil)
}

// noted returns what a node has logged after its first bytes.
func (m *member) noted(after int64) string {
	data, err := os.ReadFile(m.Log)
	if err != nil || int64(len(data)) < after {
		return ""
	}
	return string(data[after:])
}

// anonymous returns the memory of a node that is not backed by files, in MiB: its heap,
// stacks and tables.
func (m *member) anonymous() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.PID()))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, found := bytes.CutPrefix(line, []byte("RssAnon:")); found {
			kb, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
			if err != nil {
				return 0
			}
			return kb >> 10
		}
	}
	return 0
}

// metrics returns a node's metrics by their names with labels.
func (s *site) metrics(ctx context.Context, m *member) (map[string]float64, error) {
	scheme, _, _ := strings.Cut(s.web(), "://")
	req, err := http.NewRequestWithContext(ctx, "GET", scheme+"://"+m.addr.HTTP+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := s.api.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				values[name] = v
			}
		}
	}
	return values, err
}

// runs reports whether all nodes run.
func (s *site) runs() bool {
	for _, m := range s.nodes {
		if !m.Runs() {
			return false
		}
	}
	return true
}

// close stops the site.
func (s *site) close(keep bool) error {
	for _, m := range s.nodes {
		m.Kill()
	}
	var errs []error
	if s.pg != nil {
		errs = append(errs, s.pg.Quit())
	}
	if keep {
		fmt.Fprintln(os.Stderr, "the nodes' directories and logs are kept in", s.dir)
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, pgtest.Remove(s.dir))...)
}
