package gateway

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/tandem-iot/tandem/mqtt"
)

// FuzzConnection gives a connection whatever bytes, as a stranger and as a
// device that was let in, and then hangs up. It must end and leave nothing.
func FuzzConnection(f *testing.F) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		var all []byte
		for _, p := range []mqtt.Packet{
			&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.Subscription{{Filter: "device/#", QoS: 2}, {Filter: "#"}}},
			&mqtt.Publish{Topic: "agent/x", Payload: []byte("1"), QoS: 1, PacketID: 2},
			&mqtt.Publish{Topic: "agent/x", Payload: []byte("2"), QoS: 2, PacketID: 3},
			&mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: 3},
			&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: 1},
			&mqtt.Unsubscribe{PacketID: 4, Filters: []string{"device/#"}},
			&mqtt.Ping{},
			&mqtt.Disconnect{},
		} {
			var err error
			if all, err = mqtt.Append(all, p, v); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(all, v == mqtt.V5, true)
		f.Add(all, v == mqtt.V5, false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, v5, letIn bool) {
		h := newEchoHost()
		g := forEverybody(&Gateway{Host: h})
		g.setUp()
		client, server := net.Pipe()
		c := g.enter(server, nil, netip.Addr{})
		ended, heard := make(chan bool), make(chan bool)
		go func() { c.run(); close(ended) }()
		go func() { io.Copy(io.Discard, client); close(heard) }()
		if letIn {
			v := mqtt.V311
			if v5 {
				v = mqtt.V5
			}
			connect, err := mqtt.Append(nil, connecting(v), v)
			if err != nil {
				t.Fatal(err)
			}
			raw = append(connect, raw...)
		}
		client.Write(raw) // fails when the gateway has heard enough
		client.Close()
		<-ended
		<-heard
		if g.count != 0 || len(g.devices) != 0 || len(g.unknown) != 0 {
			t.Errorf("%d connections are left", g.count)
		}
	})
}
