package gateway

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

// ServeHTTP takes a connection over WebSocket. The subprotocol is mqtt, as the
// standard has it. Web pages of any origin may connect: what lets a device in is
// its key, not a cookie.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.setUp()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}, InsecureSkipVerify: true})
	if err != nil {
		g.Logger.Info("WebSocket is not accepted", "address", r.RemoteAddr, "err", err)
		return // the client has been told
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
