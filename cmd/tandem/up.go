package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/server"
)

type upCmd struct {
	Data    string   `placeholder:"DIR" default:"tandem-data" help:"Where the node keeps everything (${default})."`
	HTTP    string   `name:"http" placeholder:"ADDR" default:"${http}" help:"Where to listen for HTTP: agent URLs, the API, MQTT over WebSocket at /mqtt (${default})."`
	MQTT    string   `name:"mqtt" placeholder:"ADDR" default:"${mqtt}" help:"Where to listen for MQTT (${default})."`
	MQTTS   string   `name:"mqtts" placeholder:"ADDR" help:"Where to listen for MQTT over TLS; needs --cert and --key."`
	Cert    string   `placeholder:"FILE" help:"Certificate chain in PEM; HTTP speaks TLS then."`
	Key     string   `placeholder:"FILE" help:"The certificate's private key in PEM."`
	URL     string   `placeholder:"URL" help:"Where the world reaches the HTTP listener, when that is not its address."`
	Egress  []string `placeholder:"CIDR" help:"Private network that agents may send HTTP requests to; may be given more than once."`
	Verbose bool     `short:"v" help:"Say more."`
}

func (c *upCmd) Run(ctx context.Context, s *streams) error {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	node := &server.Server{
		Dir: c.Data, HTTP: c.HTTP, MQTT: c.MQTT, MQTTS: c.MQTTS, URL: c.URL, Version: version(),
		Logger: slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level})),
		Ready: func(n *server.Node) {
			fmt.Fprintf(s.err, "HTTP at %s, MQTT at %s, data in %s\n", n.URL, n.MQTT, c.Data)
		},
	}
	for _, e := range c.Egress {
		prefix, err := netip.ParsePrefix(e)
		if err != nil {
			return tandem.Errorf(tandem.Invalid, "--egress %s is not a network such as 10.1.0.0/16", e)
		}
		node.Egress = append(node.Egress, prefix)
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
