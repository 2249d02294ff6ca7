package gateway

import (
	"crypto/tls"
	"strings"

	"github.com/tandem-iot/tandem"
)

// certified returns the device of the client's certificate, "" without one. The
// listener decides which authorities are trusted.
func certified(state *tls.ConnectionState) tandem.DeviceID {
	if state == nil || len(state.VerifiedChains) == 0 {
		return ""
	}
	id := tandem.DeviceID(strings.ToLower(state.PeerCertificates[0].Subject.CommonName))
	if !id.Valid() {
		return ""
	}
	return id
}

// address returns the IP address of the peer.
func (c *conn) address() string {
	if c.peer.IsValid() {
		return c.peer.String()
	}
	return c.nc.RemoteAddr().String() // not an IP network
}
