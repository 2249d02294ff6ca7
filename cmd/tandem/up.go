package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/internal/version"
	"github.com/tandem-iot/tandem/server"
)

type upCmd struct {
	Data      string        `placeholder:"DIR" default:"${data}" help:"The node's data directory (${default})."`
	HTTP      string        `name:"http" placeholder:"ADDR" default:"${http}" help:"${help_up_http}"`
	Agents    string        `placeholder:"ADDR" default:"${agents}" help:"${help_up_agents}"`
	MQTT      string        `name:"mqtt" placeholder:"ADDR" default:"${mqtt}" help:"Where to listen for MQTT (${mqtt})."`
	MQTTS     string        `name:"mqtts" placeholder:"ADDR" help:"${help_up_mqtts}"`
	Cert      string        `placeholder:"FILE" help:"Certificate chain in PEM; HTTP then uses TLS."`
	Key       string        `placeholder:"FILE" help:"The certificate's private key in PEM."`
	ClientCAs []string      `name:"client-ca" placeholder:"FILE" help:"${help_up_client_ca}"`
	Auth      string        `name:"device-auth" placeholder:"PROOF" default:"any" help:"${help_up_auth}"`
	URL       string        `placeholder:"URL" help:"${help_up_url}"`
	AgentsURL string        `name:"agents-url" placeholder:"URL" help:"${help_up_agents_url}"`
	Domain    string        `name:"agent-domain" placeholder:"DOMAIN" help:"${help_up_agent_domain}"`
	Sandbox   bool          `name:"sandbox-pages" help:"${help_up_sandbox}"`
	Proxies   []string      `name:"trusted-proxy" placeholder:"CIDR" help:"${help_up_proxy}"`
	Database  string        `placeholder:"URL" env:"TANDEM_DATABASE" help:"${help_up_database}"`
	Node      string        `placeholder:"NAME" help:"${help_up_node}"`
	NATS      string        `name:"nats" placeholder:"URL" env:"TANDEM_NATS" help:"${help_up_nats}"`
	Cluster   string        `placeholder:"ADDR" default:"${cluster}" help:"${help_up_cluster}"`
	Advertise string        `placeholder:"ADDR" help:"${help_up_advertise}"`
	Egress    []string      `placeholder:"CIDR" help:"${help_up_egress}"`
	Memory    memorySize    `placeholder:"SIZE" help:"${help_up_memory}"`
	Clock     time.Duration `name:"clock-offset" hidden:"" placeholder:"DURATION" help:"${help_up_clock}"`
	Verbose   bool          `short:"v" help:"Log more."`
}

func (c *upCmd) Run(ctx context.Context, s *streams) error {
	level := slog.LevelInfo
	switch {
	case c.Verbose:
		level = slog.LevelDebug
	case s.quiet:
		level = slog.LevelWarn
	}
	node := &server.Server{
		Dir: c.Data, HTTP: c.HTTP, MQTT: c.MQTT, MQTTS: c.MQTTS, URL: c.URL, Version: version.String(), ClockOffset: c.Clock,
		MemoryTarget: int64(c.Memory), ClientCAs: c.ClientCAs, DeviceAuth: central.DeviceAuth(c.Auth),
		Logger: slog.New(s.logHandler(s.err, level)),
		Ready: func(n *server.Node) {
			if s.json {
				addresses := map[string]string{"http": n.URL, "mqtt": n.MQTT, "agents": fmt.Sprint(n.Agents), "data": c.Data}
				_ = encode(s.out, addresses) // ignored as for text: a node runs without a reader, too
				return
			}
			s.say("HTTP at %s, MQTT at %s, agents at %s, data in %s, manual at %s/docs/",
				n.URL, n.MQTT, n.Agents, c.Data, n.URL)
			adviseAccount(ctx, s, n.Central, c.Data)
		},
		Agents: server.Agents{Domain: c.Domain, Listen: c.Agents, URL: c.AgentsURL, SandboxPages: c.Sandbox},
	}
	if c.Domain != "" && c.Agents == server.DefaultAgents {
		node.Agents.Listen = ""
	}
	var err error
	if node.Egress, err = networks("--egress", c.Egress); err != nil {
		return err
	}
	if node.TrustedProxies, err = networks("--trusted-proxy", c.Proxies); err != nil {
		return err
	}
	if err := c.joinCluster(node); err != nil {
		return err
	}
	if (c.Cert == "") != (c.Key == "") {
		return tandem.Errorf(tandem.Invalid, "--cert and --key need each other; give both or none")
	}
	if c.Cert != "" {
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return &tandem.Error{
				Kind: tandem.Invalid,
				Msg:  fmt.Sprintf("the certificate %s cannot be used with the key %s", c.Cert, c.Key),
				Err:  errors.New(strings.TrimPrefix(inWords(err), "tls: ")),
			}
		}
		node.Certificate = &cert
	}
	return node.Run(ctx)
}

// networks parses the values of a flag: networks, or addresses.
func networks(flag string, values []string) (list []netip.Prefix, err error) {
	for _, text := range values {
		p, err := netip.ParsePrefix(text)
		if addr, notAddr := netip.ParseAddr(text); notAddr == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, tandem.Errorf(tandem.Invalid, "%s %s is not a network such as 10.1.0.0/16", flag, text)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// joinCluster makes the node part of a cluster if the flags say so.
func (c *upCmd) joinCluster(node *server.Server) error {
	if c.Database == "" {
		if c.NATS != "" || c.Node != "" || c.Advertise != "" {
			return tandem.Errorf(tandem.Invalid,
				"--node, --nats and --advertise are for a cluster, which needs --database")
		}
		return nil
	}
	if c.NATS != "" && c.Advertise != "" {
		return tandem.Errorf(tandem.Invalid,
			"--advertise is for nodes that connect to each other; leave it out with --nats")
	}
	node.Cluster = &server.Cluster{
		Database: c.Database, Node: c.Node, NATS: c.NATS, Listen: c.Cluster, Advertise: c.Advertise,
	}
	return nil
}
