package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"

	"github.com/tandem-iot/tandem"
)

var errTooLarge = errors.New("egress: response is too large")

// tlsFailed is libcurl's number for a failed TLS handshake.
const tlsFailed = 35

// outcomeName returns the name under which a status is counted.
func outcomeName(status int) string {
	switch status {
	case tandem.FetchUnsupportedProtocol, tandem.FetchBadURL:
		return "bad_url"
	case tandem.FetchHostNotFound:
		return "no_host"
	case tandem.FetchRefused:
		return "refused"
	case tandem.FetchTimeout:
		return "timeout"
	case tlsFailed, tandem.FetchWrongHost, tandem.FetchUntrusted:
		return "tls"
	case tandem.FetchTooLarge:
		return "too_large"
	}
	if status < 100 {
		return "connection"
	}
	return strconv.Itoa(status/100) + "xx"
}

// failed returns the response of a request that failed. The text is for the
// person who reads the agent's log.
func failed(code int, text string) *tandem.Response {
	return &tandem.Response{Status: code, Body: []byte(text)}
}

// outcome translates err to libcurl's numbers. Texts name the host as the agent
// did, and no address, because agents must not learn the addresses of internal
// names.
func outcome(ctx context.Context, u *url.URL, err error) *tandem.Response {
	var (
		network  net.Error
		dns      *net.DNSError
		op       *net.OpError
		hostname x509.HostnameError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
	)
	host := u.Host
	switch {
	case errors.Is(err, errTooLarge):
		return failed(tandem.FetchTooLarge, fmt.Sprintf("the response is larger than %d bytes: ask for less, "+
			"or stream it", tandem.FetchBodySize))
	case errors.Is(err, errRefused):
		return failed(tandem.FetchRefused, fmt.Sprintf("%s has no public address; the operator of this server can "+
			"allow agents to reach it", host))
	case errors.Is(err, errHere):
		return failed(tandem.FetchRefused, fmt.Sprintf("%s is an address of this server, whose operator can allow agents "+
			"to reach it", host))
	case errors.Is(err, errClosed):
		return failed(tandem.FetchRefused, fmt.Sprintf("%s is this server's own listener, which agents cannot reach", host))
	case ctx.Err() != nil, errors.As(err, &network) && network.Timeout():
		return failed(tandem.FetchTimeout, "no complete response in time from "+host)
	case errors.As(err, &dns):
		return failed(tandem.FetchHostNotFound, "there is no host "+u.Hostname())
	case errors.As(err, &hostname):
		return failed(tandem.FetchWrongHost, "the server's certificate is not for "+host)
	case errors.As(err, &verify):
		return failed(tandem.FetchUntrusted, "the certificate of "+host+" cannot be trusted: "+verify.Err.Error())
	case errors.As(err, &record):
		return failed(tlsFailed, host+" does not speak TLS")
	case errors.As(err, &op):
		return broken(op, host)
	case errors.Is(err, io.EOF):
		return failed(tandem.FetchEmptyReply, host+" closed the connection without a response")
	}
	return failed(tandem.FetchReceiveFailed, "the response of "+host+" cannot be read: "+err.Error())
}

// broken returns the response for a network operation that failed.
func broken(op *net.OpError, host string) *tandem.Response {
	switch op.Op {
	case "dial":
		return failed(tandem.FetchNoConnection, "cannot connect to "+host)
	case "remote error", "local error": // the names that package tls uses
		return failed(tlsFailed, "TLS handshake with "+host+" failed: "+op.Err.Error())
	case "write":
		return failed(tandem.FetchSendFailed, "the connection to "+host+" broke while sending")
	}
	return failed(tandem.FetchReceiveFailed, "the connection to "+host+" broke while receiving")
}
