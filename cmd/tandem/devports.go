package main

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/tandem-iot/tandem/server"
)

// Where dev looks for free ports: the usual ones, then those each so many higher, and at last any.
const (
	portStep  = 10
	portTries = 20
)

// runNode runs the node at the addresses that were named, and for the rest at the usual ones. Where
// another program has one of these it uses others, of which the agent's keeps the distance to the rest.
func (d *dev) runNode(ctx context.Context, node server.Server) error {
	for try := 0; ; try++ {
		n := node
		n.HTTP = d.listenAt(d.HTTP, server.DefaultHTTP, try)
		n.Agents.Listen = d.listenAt(d.Agents, server.DefaultAgents, try)
		n.MQTT = d.listenAt(d.MQTT, server.DefaultMQTT, try)
		d.usual = try == 0
		err := n.Run(ctx)
		used := new(server.AddressInUse)
		named := errors.As(err, &used) && (used.Addr == d.HTTP || used.Addr == d.Agents || used.Addr == d.MQTT)
		if used.Addr == "" || named || try == portTries {
			return err
		}
	}
}

// listenAt returns the address to be tried: the named one, or else the usual one with another port.
func (d *dev) listenAt(named, usual string, try int) string {
	if named != "" {
		return named
	}
	host, port, _ := net.SplitHostPort(usual)
	n, _ := strconv.Atoi(port)
	n += portStep * try
	if try == portTries {
		n = 0
	}
	return net.JoinHostPort(host, strconv.Itoa(n))
}
