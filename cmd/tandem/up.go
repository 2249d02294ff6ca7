package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/server"
)

type upCmd struct {
	Data      string        `placeholder:"DIR" default:"${data}" help:"Where the node keeps everything (${default})."`
	HTTP      string        `name:"http" placeholder:"ADDR" default:"${http}" help:"Where to listen for HTTP: agent URLs, the API, the manual at /docs/, figures for Prometheus at /metrics, MQTT over WebSocket at /mqtt (${default})."`
	MQTT      string        `name:"mqtt" placeholder:"ADDR" default:"${mqtt}" help:"Where to listen for MQTT (${default})."`
	MQTTS     string        `name:"mqtts" placeholder:"ADDR" help:"Where to listen for MQTT over TLS; needs --cert and --key."`
	Cert      string        `placeholder:"FILE" help:"Certificate chain in PEM; HTTP speaks TLS then."`
	Key       string        `placeholder:"FILE" help:"The certificate's private key in PEM."`
	URL       string        `placeholder:"URL" help:"Where the world reaches the HTTP listener, when that is not its address."`
	Database  string        `placeholder:"URL" env:"TANDEM_DATABASE" help:"Make the node one of a cluster, which shares this PostgreSQL database: postgres://user:password@host/name."`
	Node      string        `placeholder:"NAME" help:"The node's name in the cluster; by default one is made up and kept in the data directory."`
	NATS      string        `name:"nats" placeholder:"URL" env:"TANDEM_NATS" help:"NATS servers over which the nodes talk to each other; by default they bring their own."`
	Cluster   string        `placeholder:"ADDR" default:"${cluster}" help:"Without --nats: where to listen for the other nodes (${default})."`
	Advertise string        `placeholder:"ADDR" help:"Without --nats: where the other nodes reach this one, when that is not --cluster."`
	Join      []string      `placeholder:"ADDR" help:"Without --nats: where another node listens with its --cluster. One that is up is enough; the first node needs none."`
	Egress    []string      `placeholder:"CIDR" help:"Private network that agents may reach, by HTTP and MQTT; may be given more than once."`
	Clock     time.Duration `name:"clock-offset" hidden:"" placeholder:"DURATION" help:"How far this node's clock is to be off, to rehearse that."`
	Verbose   bool          `short:"v" help:"Say more."`
}

func (c *upCmd) Run(ctx context.Context, s *streams) error {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	node := &server.Server{
		Dir: c.Data, HTTP: c.HTTP, MQTT: c.MQTT, MQTTS: c.MQTTS, URL: c.URL, Version: version(), ClockOffset: c.Clock,
		Logger: slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level})),
		Ready: func(n *server.Node) {
			fmt.Fprintf(s.err, "HTTP at %s, MQTT at %s, data in %s, manual at %s/docs/\n", n.URL, n.MQTT, c.Data, n.URL)
		},
	}
	for _, e := range c.Egress {
		prefix, err := netip.ParsePrefix(e)
		if err != nil {
			return tandem.Errorf(tandem.Invalid, "--egress %s is not a network such as 10.1.0.0/16", e)
		}
		node.Egress = append(node.Egress, prefix)
	}
	if err := c.joinCluster(node); err != nil {
		return err
	}
	if (c.Cert == "") != (c.Key == "") {
		return tandem.Errorf(tandem.Invalid, "--cert and --key go together")
	}
	if c.Cert != "" {
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return &tandem.Error{Kind: tandem.Invalid, Msg: fmt.Sprintf("the certificate %s cannot be used with the key %s", c.Cert, c.Key), Err: err}
		}
		node.Certificate = &cert
	}
	return node.Run(ctx)
}

// joinCluster makes the node one of a cluster if the flags say so.
func (c *upCmd) joinCluster(node *server.Server) error {
	if c.Database == "" {
		if c.NATS != "" || len(c.Join) > 0 || c.Node != "" || c.Advertise != "" {
			return tandem.Errorf(tandem.Invalid, "--node, --nats, --advertise and --join are for a cluster, which needs --database")
		}
		return nil
	}
	if c.NATS != "" && (len(c.Join) > 0 || c.Advertise != "") {
		return tandem.Errorf(tandem.Invalid, "--join and --advertise are for nodes that bring their own NATS; with --nats they meet there")
	}
	node.Cluster = &server.Cluster{
		Database: c.Database, Node: c.Node, NATS: c.NATS, Listen: c.Cluster, Advertise: c.Advertise, Join: c.Join,
	}
	return nil
}
