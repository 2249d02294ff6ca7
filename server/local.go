package server

import (
	"net"
	"strconv"
)

// localURL returns the URL of the HTTP listener on this machine, for tools here: the
// node's public URL may be that of a proxy, which they need not reach. It is "" when there
// is no other URL, and when there is TLS, whose certificate is for the public name.
func (n *node) localURL() string {
	addr, ok := n.http.Addr().(*net.TCPAddr)
	if n.URL == "" || n.Certificate != nil || !ok {
		return ""
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
