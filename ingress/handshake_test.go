package ingress

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem/admit"
)

// late is a connection of a client whose second write, in a TLS handshake its last word, comes late.
type late struct {
	net.Conn
	by     time.Duration
	writes int
}

func (c *late) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 2 {
		<-time.After(c.by)
	}
	return c.Conn.Write(p)
}

// TestSlowHandshake: TLS has as long on the HTTP listener, where WebSockets come, as on that of MQTT.
func TestSlowHandshake(t *testing.T) {
	example := httptest.NewTLSServer(nil)
	conf := example.TLS.Clone()
	example.Close()
	for _, by := range []time.Duration{admit.Opening - time.Second, admit.Opening + time.Second} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			s := NewServer(&Guard{Handler: &Handler{Agents: answer(200, "in")}})
			l := &oneConn{conns: make(chan net.Conn, 1), closed: make(chan bool)}
			l.conns <- server
			done := make(chan error, 1)
			go func() { done <- s.Serve(tls.NewListener(l, conf)) }()
			c := tls.Client(&late{Conn: client, by: by}, &tls.Config{InsecureSkipVerify: true})
			_, err := io.WriteString(c, "GET /"+agentID+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			if err == nil {
				_, err = io.ReadAll(c)
			}
			if (err == nil) != (by < admit.Opening) {
				t.Errorf("a handshake of %v: %v", by, err)
			}
			client.Close()
			s.Close()
			if err := <-done; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
	}
}
