package gateway

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/coder/websocket"

	"github.com/tandem-iot/tandem/admit"
)

// ServeHTTP accepts a connection over WebSocket. The subprotocol is mqtt, as in the
// standard. Web pages of any origin may connect, because a device authenticates by
// its key and not by a cookie.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.setUp()
	pong := seldom(g.elapsed)
	h := &hijacker{ResponseWriter: w, elapsed: g.elapsed}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols: []string{"mqtt"}, InsecureSkipVerify: true,
		OnPingReceived: func(context.Context, []byte) bool { return pong() },
	})
	if err != nil {
		g.Logger.Debug("WebSocket connection refused", "address", r.RemoteAddr, "err", err)
		return // Accept has answered the client
	}
	if ws.Subprotocol() != "mqtt" {
		ws.Close(websocket.StatusPolicyViolation, "ask for the subprotocol mqtt")
		return
	}
	gate := admit.From(r.Context())
	// The request is answered: from now on the connection waits for its client, and gives way
	// like others until the device has logged in.
	gate.End()
	defer gate.Begin()
	if c := g.enter(websocket.NetConn(context.Background(), ws, websocket.MessageBinary), gate, g.peer(r)); c != nil {
		c.paced = h.paced
		c.certify(r.TLS)
		c.run()
	}
}

// peer returns the address of a request's client, zero if it is not known.
func (g *Gateway) peer(r *http.Request) netip.Addr {
	if g.Address == nil {
		return admit.Addr(r.RemoteAddr)
	}
	return g.Address(r)
}
