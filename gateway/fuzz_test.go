package gateway

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// panicky is an echoHost that panics at what a device does: at a message that begins with p, or at
// its connection.
type panicky struct {
	*echoHost
	atConnect bool
}

func (h panicky) Connect(ctx context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string) error {
	if h.atConnect {
		panic("at Connect")
	}
	return h.echoHost.Connect(ctx, id, l, next, address)
}

func (h panicky) FromDevice(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string,
	m tandem.Message, handled func()) error {
	if len(m.Data) > 0 && m.Data[0] == 'p' {
		panic("at FromDevice")
	}
	return h.echoHost.FromDevice(ctx, id, ref, seq, topic, m, handled)
}

// FuzzConnection gives a connection whatever bytes, as a stranger and as a device that was let in,
// and then hangs up. It must end and leave nothing, also when the host panics.
func FuzzConnection(f *testing.F) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		var all []byte
		for _, p := range []mqtt.Packet{
			&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.Subscription{{Filter: "device/#", QoS: 2}, {Filter: "#"}}},
			&mqtt.Publish{Topic: "agent/x", Payload: []byte("1"), QoS: 1, PacketID: 2},
			&mqtt.Publish{Topic: "agent/x", Payload: []byte("p"), QoS: 2, PacketID: 3},
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
		f.Add(all, v == mqtt.V5, true, false)
		f.Add(all, v == mqtt.V5, true, true)
		f.Add(all, v == mqtt.V5, false, false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, v5, letIn, atConnect bool) {
		g := forEverybody(&Gateway{Host: panicky{newEchoHost(), atConnect}})
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
		if g.count != 0 || len(g.devices) != 0 || len(g.unknown) != 0 || len(g.arriving) != 0 {
			t.Errorf("%d connections are left", g.count)
		}
	})
}
