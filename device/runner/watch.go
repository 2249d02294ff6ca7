package runner

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/device/core"
)

// Timing of the watch of the network.
const (
	settleTime = 100 * time.Millisecond // news come in groups
	pollPause  = 5 * time.Second        // where the system does not tell
)

// watch tells the core of changes of the network until ctx ends. Where the system tells of them, news brings
// what it tells; otherwise the addresses are looked at from time to time.
func watch(ctx context.Context, news <-chan struct{}, list func() []string, tell func(core.Event)) {
	known := list()
	tell(&core.Network{Addresses: known})
	pause := settleTime
	if news == nil {
		pause = pollPause
	}
	for {
		told := false
		if news != nil {
			select {
			case _, told = <-news:
				if !told {
					news, pause = nil, pollPause
				}
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if told { // what came meanwhile is seen now
			select {
			case <-news:
			default:
			}
		}
		if now := list(); told || !slices.Equal(now, known) {
			known = now
			tell(&core.Network{Addresses: now})
		}
	}
}

// addresses lists the addresses of this machine, in order.
func addresses() []string {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil // then nothing is known
	}
	list := []string{}
	for _, a := range found {
		if p, ok := a.(*net.IPNet); ok {
			list = append(list, p.IP.String())
		}
	}
	slices.Sort(list)
	return list
}
