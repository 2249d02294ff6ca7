package server

import (
	"context"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
)

// linkHost is what host and cluster offer a gateway.
type linkHost interface {
	Connect(ctx context.Context, id tandem.DeviceID, l host.Link, address string) error
	Disconnect(ctx context.Context, id tandem.DeviceID, l host.Link, clean bool)
	FromDevice(ctx context.Context, id tandem.DeviceID, l host.Link, topic string, m tandem.Message, handled func())
}

// devices is the gateway.Host of a linkHost, which knows links by their values
// and numbers their messages itself.
type devices struct {
	host linkHost

	mu    sync.Mutex
	links map[tandem.LinkRef]tandem.Link
}

func (d *devices) Connect(ctx context.Context, id tandem.DeviceID, l tandem.Link, _ uint64, address string) error {
	d.mu.Lock()
	d.links[l.Ref()] = l
	d.mu.Unlock()
	return d.host.Connect(ctx, id, hostLink{l}, address)
}

func (d *devices) FromDevice(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, _ uint64, topic string,
	m tandem.Message, handled func()) error {
	d.mu.Lock()
	l := d.links[ref]
	d.mu.Unlock()
	d.host.FromDevice(ctx, id, hostLink{l}, topic, m, handled)
	return nil
}

func (d *devices) Disconnect(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	d.mu.Lock()
	l := d.links[ref]
	delete(d.links, ref)
	d.mu.Unlock()
	d.host.Disconnect(ctx, id, hostLink{l}, end.Clean)
	return nil
}

// hostLink is a link without a reference: the cluster gives it one of its own.
type hostLink struct{ link tandem.Link }

func (l hostLink) Send(topic string, m tandem.Message) bool { return l.link.Send(topic, m) }
func (l hostLink) Close(why string)                         { l.link.Close(why) }
