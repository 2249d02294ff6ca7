package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/server"
)

// Ports of the nodes. One takes TLS, the other does not.
const (
	httpPort   = "7880"
	agentsPort = "7881"
	mqttPort   = "7883"
	tlsHTTP    = "7890"
	tlsAgents  = "7891"
	tlsMQTT    = "7894"
	tlsPlain   = "7893"
)

// pair is a device, and the URL of its agent.
type pair struct{ ID, Key, URL string }

// site is a node.
type site struct {
	node.Process
	dir  string
	api  client.API
	tls  bool
	data string
}

// startSite starts a node that listens at all addresses.
func startSite(ctx context.Context, binary, dir string, secure bool) (*site, error) {
	name, ports := "plain", []string{httpPort, agentsPort, mqttPort}
	if secure {
		name, ports = "tls", []string{tlsHTTP, tlsAgents, tlsPlain}
	}
	s := &site{dir: dir, tls: secure, data: filepath.Join(dir, name)}
	s.Process = node.Process{Name: name, Log: s.data + ".log", Web: "127.0.0.1:" + ports[0]}
	args := []string{binary, "up", "--data", s.data, "--http", "0.0.0.0:" + ports[0], "--agents", "0.0.0.0:" + ports[1],
		"--mqtt", "0.0.0.0:" + ports[2]}
	if secure {
		if err := node.Certify(dir); err != nil {
			return nil, err
		}
		args = append(args, "--mqtts", "0.0.0.0:"+tlsMQTT,
			"--cert", filepath.Join(dir, "cert"), "--key", filepath.Join(dir, "key"))
	}
	if err := s.Start(ctx, args...); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(filepath.Join(dir, "cert")); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	s.api.HTTP = trusting(roots)
	return s, s.login(ctx)
}

// web is the base of the API's URLs.
func (s *site) web() string {
	if s.tls {
		return "https://" + s.Web
	}
	return "http://" + s.Web
}

func (s *site) login(ctx context.Context) error {
	var a central.Access
	err := client.Soon(ctx, func() (err error) {
		a, err = central.ReadAccess(filepath.Join(s.data, server.AccessFile))
		return err
	})
	if err != nil {
		return err
	}
	return s.api.Login(ctx, s.web(), a.Key)
}

// pairs makes pairs whose agents run a code.
func (s *site) pairs(ctx context.Context, code string, count int) (list []pair, err error) {
	product, err := s.api.Create(ctx, s.web(), "product", map[string]string{"name": "link"}, nil)
	if err != nil {
		return nil, err
	}
	group, err := s.api.Create(ctx, s.web(), "devicegroup", map[string]string{"name": "link"},
		map[string]string{"product": product.ID})
	if err != nil {
		return nil, err
	}
	in := map[string]string{"devicegroup": group.ID}
	sides := map[string]string{"agent_code": code, "device_code": ""}
	if _, err := s.api.Create(ctx, s.web(), "deployment", sides, in); err != nil {
		return nil, err
	}
	for i := range count {
		d, err := s.api.Create(ctx, s.web(), "device", map[string]string{"name": fmt.Sprint(i)}, in)
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(d.Attributes.URL)
		if err != nil {
			return nil, err
		}
		u.Host = net.JoinHostPort(plainAddress, u.Port())
		list = append(list, pair{d.ID, d.Attributes.Key, u.String()})
	}
	return list, nil
}

// serve is the process in the nodes' namespace: it starts the nodes, makes the pairs, writes them to a
// file, says so on its output, and hands packets on until it is ended.
func serve(ctx context.Context, o options) error {
	peer, err := inherited()
	if err != nil {
		return err
	}
	addresses := []string{plainAddress}
	for i := range o.networks() {
		addresses = append(addresses, shapedAddress(i))
	}
	tun, err := openTUN(o.congestion, addresses...)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- copyPackets(peer, tun) }()
	go func() { failed <- copyPackets(tun, peer) }()
	var fleet [2][]pair
	for i := range fleet {
		s, err := startSite(ctx, o.binary, o.dir, i == 1)
		if err != nil {
			return err
		}
		defer s.Kill()
		if fleet[i], err = s.pairs(ctx, agentCode, len(o.cells())+1); err != nil {
			return err
		}
	}
	text, err := json.Marshal(fleet)
	if err == nil {
		err = os.WriteFile(filepath.Join(o.dir, "fleet.json"), text, 0o600)
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// trusting is an HTTP client that trusts the nodes.
func trusting(roots *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: tlsFor(roots)}}
}
