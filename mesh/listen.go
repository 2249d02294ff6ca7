package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/tandem-iot/tandem"
)

// ListenOptions are the options of a node that makes links to the others.
type ListenOptions struct {
	Identity  *Identity
	Listen    string       // host:port for the other nodes; port 0: any free one
	Advertise string       // host:port at which others reach us, when that is not Listen
	Logger    *slog.Logger // nil: discard
}

// Listen opens the port for other nodes. It makes links to those that Know is told of.
func Listen(ctx context.Context, o ListenOptions) (*Network, error) {
	if o.Identity == nil {
		return nil, tandem.Errorf(tandem.Invalid, "a node of a cluster needs an identity; make one with NewIdentity")
	}
	if _, _, err := splitAddress("listen on", o.Listen); err != nil {
		return nil, err
	}
	if o.Advertise != "" {
		if _, _, err := splitAddress("advertise", o.Advertise); err != nil {
			return nil, err
		}
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, listenError(o.Listen, err)
	}
	address := o.Advertise
	if address == "" {
		address = l.Addr().String()
		if a, err := netip.ParseAddrPort(address); err == nil && a.Addr().IsUnspecified() {
			return nil, errors.Join(tandem.Errorf(tandem.Invalid,
				"%s is every address of this machine: give --advertise the one at which the other nodes reach it, "+
					"as host:port", o.Listen), l.Close())
		}
	}
	n := newNetwork(o.Logger)
	n.carrier = newLinks(n, o.Identity, l, address)
	return n, nil
}

// Addr returns the address at which the other nodes reach this one, or "" when it has no
// port for them.
func (n *Network) Addr() string {
	if h, ok := n.carrier.(*links); ok {
		return h.address
	}
	return ""
}

func splitAddress(what, address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = net.LookupPort("tcp", text)
	}
	if err == nil && what != "listen on" && (host == "" || port == 0) {
		err = errors.New("host or port is missing: " + strconv.Quote(address))
	}
	if err != nil {
		return "", 0, &tandem.Error{
			Kind: tandem.Invalid,
			Msg:  fmt.Sprintf("cannot %s %q; write it as host:port", what, address),
			Err:  err,
		}
	}
	return host, port, nil
}

func listenError(address string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &tandem.Error{
			Kind: tandem.Conflict,
			Msg:  "another process listens on " + address + "; stop it, or give the cluster another port",
			Err:  err,
		}
	case errors.Is(err, syscall.EACCES):
		return &tandem.Error{
			Kind: tandem.Forbidden,
			Msg:  "no permission to listen on " + address + "; choose a port above 1023",
			Err:  err,
		}
	case errors.As(err, &dns):
		return &tandem.Error{
			Kind: tandem.Invalid,
			Msg:  "the host of " + address + " cannot be resolved; listen on an address of this machine",
			Err:  err,
		}
	}
	return &tandem.Error{
		Kind: tandem.Invalid,
		Msg:  "cannot listen on " + address + "; use an address of this machine",
		Err:  err,
	}
}
