package runner

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// told is an error of a library, with words for those who run the device: what is wrong, and what
// to do next.
type told struct {
	words string
	err   error
}

func (e *told) Error() string { return e.words }
func (e *told) Unwrap() error { return e.err }

// inWords puts the reason why a server cannot be reached, or is not any more, into words. An
// error that has its own is left as it is.
func inWords(addr string, err error) error {
	addr = cmp.Or(addr, "the node")
	for _, words := range []func(string, error) string{certificateWords, protocolWords, networkWords, otherWords} {
		if text := words(addr, err); text != "" {
			return &told{text, err}
		}
	}
	return err
}

// certificateWords is about certificates, the server's and the device's.
func certificateWords(addr string, err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var alert *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "no authority that this machine knows has signed the certificate of " + addr +
			": name the authority with --ca, in PEM"
	case errors.As(err, &name):
		names := strings.Join(name.Certificate.DNSNames, ", ")
		for _, ip := range name.Certificate.IPAddresses {
			names = strings.TrimPrefix(names+", "+ip.String(), ", ")
		}
		if names == "" {
			names = "no name"
		}
		return "the certificate of " + addr + " is for " + names + ", not for " + name.Host +
			": connect to a name that it is for"
	case errors.As(err, &alert) && alert.Op == "remote error": // crypto/tls exports no type of its own
		return addr + " has refused TLS (" + strings.TrimPrefix(alert.Err.Error(), "tls: ") +
			"): if it asks for a certificate of the device, name one with --client-cert and --client-key, " +
			"or have one issued"
	}
	return ""
}

// protocolWords is about servers that speak something else.
func protocolWords(addr string, err error) string {
	var record tls.RecordHeaderError
	var status *notWebSocket
	switch {
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return addr + " does not speak TLS: use tcp:// or ws://, or the port of the node for TLS"
	case errors.As(err, &status) && status.text != "":
		return addr + " answers " + status.text + " and does not speak MQTT over WebSocket: " +
			"a node does at its HTTP address, with the path /mqtt"
	}
	return ""
}

// networkWords is about the way to the server.
func networkWords(addr string, err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no host " + dns.Name + ": check the address of the node"
	case errors.As(err, &dns):
		return "the address of " + dns.Name + " cannot be looked up: check the network of this machine"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing answers at " + addr + ": check the address and the port, and that the node runs"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way from this machine to " + addr + ": check its network"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return addr + " has closed the connection: if this goes on, see the node's log, " +
			"and check that it is the node's address for connections of this kind"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return "the connection to " + addr + " was cut: the node has ended, or something between refuses connections"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return addr + " does not answer: check the address, and firewalls on the way"
	}
	return ""
}

// otherWords is about what else goes wrong before there is a WebSocket: net/http has many errors, and exports
// few of them.
func otherWords(addr string, err error) string {
	var web *notWebSocket
	if !errors.As(err, &web) {
		return ""
	}
	return addr + " has closed the connection, or does not speak HTTP: a node takes MQTT over WebSocket at its HTTP " +
		"address, with the path /mqtt"
}

// notWebSocket says that a server has answered the request for a WebSocket with something else.
type notWebSocket struct {
	text string // status of the answer; "": there was none
	err  error
}

func (e *notWebSocket) Error() string { return e.err.Error() }
func (e *notWebSocket) Unwrap() error { return e.err }

// webSocketErr keeps the status of an answer that is none of a WebSocket.
func webSocketErr(r *http.Response, err error) error {
	if r == nil || r.StatusCode == http.StatusSwitchingProtocols {
		return &notWebSocket{"", err}
	}
	return &notWebSocket{r.Status, err}
}
