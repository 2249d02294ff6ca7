package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ramp is the time between the beginnings of two cases, so that their first messages measure the network.
const ramp = 50 * time.Millisecond

// measure is the process in the devices' namespace. It runs the devices, and shapes the network.
func measure(ctx context.Context, o options) error {
	peer, err := inherited()
	if err != nil {
		return err
	}
	tun, err := openTUN(o.congestion, deviceAddress)
	if err != nil {
		return err
	}
	networks := map[netip.Addr]network{}
	for i, n := range o.networks() {
		networks[netip.MustParseAddr(shapedAddress(i))] = n
	}
	to := func(p []byte) (netip.Addr, bool) { _, to, ok := ends(p); return to, ok }
	from := func(p []byte) (netip.Addr, bool) { from, _, ok := ends(p); return from, ok }
	there := newShaper(peer, to, networks, o.seed)
	back := newShaper(tun, from, networks, o.seed+1)
	go copyPackets(there, tun)
	go copyPackets(back, peer)

	var fleet [2][]pair
	text, err := os.ReadFile(filepath.Join(o.dir, "fleet.json"))
	if err == nil {
		err = json.Unmarshal(text, &fleet)
	}
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	cert, err := os.ReadFile(filepath.Join(o.dir, "cert"))
	if err != nil {
		return err
	}
	roots.AppendCertsFromPEM(cert)
	a := asker{trusting(roots)}
	if o.backlog > 0 {
		return backlog(ctx, o, a, fleet[0][0])
	}
	return matrix(ctx, o, a, fleet, roots)
}

// matrix runs all cases beside each other.
func matrix(ctx context.Context, o options, a asker, fleet [2][]pair, roots *x509.CertPool) error {
	cells := o.cells()
	r := &report{Cells: make([]result, len(cells))}
	var wg sync.WaitGroup
	for i, c := range cells {
		site := 0
		if c.secure() {
			site = 1
		}
		p := fleet[site][c.pair]
		// The agent runs before the device comes.
		if _, err := a.until(ctx, p.URL, time.Minute, func(*status) bool { return true }); err != nil {
			return err
		}
		wg.Go(func() { r.Cells[i] = c.run(ctx, o, a, p, roots) })
		select {
		case <-time.After(ramp):
		case <-ctx.Done():
		}
	}
	wg.Wait()
	var err error
	r.Change, err = changes(ctx, o, fleet[0][len(cells)])
	return errors.Join(r.print(&o), err)
}
