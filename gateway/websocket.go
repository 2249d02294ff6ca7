package gateway

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

// ServeHTTP accepts a connection over WebSocket. The subprotocol is mqtt, as in the
// standard. Web pages of any origin may connect, because a device authenticates by
// its key and not by a cookie.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.setUp()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}, InsecureSkipVerify: true})
	if err != nil {
		g.Logger.Info("WebSocket connection refused", "address", r.RemoteAddr, "err", err)
		return // Accept has answered the client
	}
	if ws.Subprotocol() != "mqtt" {
		ws.Close(websocket.StatusPolicyViolation, "ask for the subprotocol mqtt")
		return
	}
	if c := g.enter(websocket.NetConn(context.Background(), ws, websocket.MessageBinary)); c != nil {
		c.certify(r.TLS)
		c.run()
	}
}
