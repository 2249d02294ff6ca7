// Package egress makes the HTTP requests of agents, and their connections to MQTT
// brokers.
//
// It does what libcurl did for agents of Electric Imp: redirects are not
// followed, servers are not verified unless the agent asks, and an error is a
// number below 100 in place of the status, with a text as the body. The protocol
// is HTTP/1.1. Requests offer gzip, and agents get the body decompressed. An agent
// that sets the header Accept-Encoding itself, or asks for a range, gets the body
// as the server sent it.
//
// Agents are other people's programs inside the operator's network, so they
// reach public addresses only: loopback, private, shared (CGNAT), link-local,
// multicast and reserved ranges and the metadata services of clouds are refused
// unless [Fetcher.Allow] opens them. So are all addresses of the machine itself, and its
// listeners even then; see [Node]. The check is made on the address of each
// connection, after the name has been resolved: a name that resolves to another
// address the second time cannot evade it. Proxies named in the environment are
// not used, because the check would see only the proxy's address.
package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/meter"
)

const (
	connectTimeout = 30 * time.Second
	idleTimeout    = 90 * time.Second
	headerSize     = 64 << 10
	partSize       = 16 << 10 // at most, of a streamed body
)

// Fetcher makes requests. The zero value is ready to use and reaches public
// addresses only. Its methods may be called concurrently. The fields must not be
// changed after the first Fetch.
type Fetcher struct {
	Allow  []netip.Prefix // addresses to reach even though they are not public, or are the machine's own
	Node   Node
	Room   int64          // bytes that responses may take; 0: 64 MB
	Logger *slog.Logger   // nil: nothing is logged
	Roots  *x509.CertPool // authorities for requests that verify the server; nil: the system's

	most     int           // limit of concurrent requests; 0: three sixteenths of the file descriptors
	resolver *net.Resolver // nil: the system's

	once       sync.Once
	trusting   *http.Transport // takes any certificate
	validating *http.Transport
	outcomes   meter.Labelled
	machine    surroundings
	line       line
	memory     *admit.Queue[tandem.AgentID]
	brokers    brokers
}

// Fetch begins a request and returns. Its result, never nil, is given to done on
// another goroutine, which done may block. When f.Stream is set, the body is given
// to part before that, piece by piece in order, and the response has no body. part
// owns the piece, and nothing more is read from the server until part returns.
// Otherwise the body is bounded by tandem.FetchBodySize.
//
// The deadline of ctx also counts while the request waits for a worker. When it is
// over the result is a timeout.
func (x *Fetcher) Fetch(ctx context.Context, f *tandem.Fetch, part func([]byte), done func(*tandem.Response)) {
	x.once.Do(x.setUp)
	x.line.enter(&request{ctx: ctx, since: time.Now(), fetch: f, part: part, done: done})
}

// make makes a request, unless its time was over before a worker took it.
func (x *Fetcher) make(q *request) {
	r := x.contained(q)
	name := outcomeName(r.Status)
	if errors.Is(q.ctx.Err(), context.Canceled) {
		name = "cancelled"
	}
	x.outcomes.Add(name, 1)
	q.done(r)
}

// contained makes a request. What a server sends may meet a mistake in our code: a panic ends
// this request only.
func (x *Fetcher) contained(q *request) (r *tandem.Response) {
	defer func() {
		if fault := recover(); fault != nil {
			if x.Logger != nil {
				x.Logger.Error("a fault of the server in a request of an agent", "panic", fault, "stack", string(debug.Stack()))
			}
			r = failed(tandem.FetchReceiveFailed, "the server met a fault of its own")
		}
	}()
	return x.fetch(q.ctx, q.fetch, q.part)
}

// Outcomes counts the results of all requests: by 2xx and so on for statuses, by
// names for errors.
func (x *Fetcher) Outcomes() map[string]int64 { return x.outcomes.All() }

func (x *Fetcher) fetch(ctx context.Context, f *tandem.Fetch, part func([]byte)) *tandem.Response {
	req, failure := newRequest(ctx, f)
	if failure != nil {
		return failure
	}
	if ctx.Err() != nil {
		return outcome(ctx, req.URL, ctx.Err())
	}
	if x.Node.agentHost(req.URL.Hostname()) {
		req.Host = "" // the URL's: more than agents may be served there to other hosts
	}
	transport := x.trusting
	if f.Validate {
		transport = x.validating
	}
	// Not http.Client: it would follow redirects and change headers.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return outcome(ctx, req.URL, err)
	}
	defer resp.Body.Close()
	out := &tandem.Response{Status: resp.StatusCode, Headers: headers(resp.Header)}
	if f.Stream {
		err = stream(resp.Body, part)
	} else {
		err = x.receive(ctx, f.Agent, resp, out)
	}
	if err != nil {
		return outcome(ctx, req.URL, err)
	}
	return out
}

// Close ends the connections that are kept for later requests, and idle workers.
func (x *Fetcher) Close() {
	x.once.Do(x.setUp)
	x.line.close()
	x.trusting.CloseIdleConnections()
	x.validating.CloseIdleConnections()
}

// Waited returns how many requests had to wait because as many as allowed were running.
func (x *Fetcher) Waited() int64 { return x.line.waited.Load() }

func (x *Fetcher) setUp() {
	if x.most == 0 {
		x.most = max(1, admit.Descriptors()*3/16) // see package server for the others
	}
	x.line.most, x.line.do = x.most, x.make
	x.memory = newMemory(x.Room)
	x.brokers.most = int64(max(1, x.most/6)) // of the file descriptors one in 32
	x.trusting = x.transport(&tls.Config{InsecureSkipVerify: true})
	x.validating = x.transport(&tls.Config{RootCAs: x.Roots})
}

func (x *Fetcher) transport(conf *tls.Config) *http.Transport {
	idle := max(1, x.most/8)
	return &http.Transport{
		DialContext:            x.dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConns:           idle,
		MaxIdleConnsPerHost:    idle, // the agents of a fleet mostly use the same host
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: headerSize,
		ExpectContinueTimeout:  time.Second,
	}
}

// newRequest returns the request, or the response that says why it is invalid.
func newRequest(ctx context.Context, f *tandem.Fetch) (*http.Request, *tandem.Response) {
	u, err := url.Parse(f.URL)
	switch {
	case err != nil:
		return nil, failed(tandem.FetchBadURL, "the URL is not valid")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, failed(tandem.FetchUnsupportedProtocol, "the URL must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, failed(tandem.FetchBadURL, "the URL has no host")
	}
	body := f.Chunks
	if body == nil {
		body = bytes.NewReader(f.Body)
	}
	req, err := http.NewRequestWithContext(ctx, f.Method, f.URL, body)
	if err != nil {
		return nil, failed(tandem.FetchSendFailed, "the method is not valid")
	}
	req.URL.RawQuery = plainQuery(req.URL.RawQuery)
	if f.Chunks != nil {
		req.ContentLength, req.TransferEncoding = -1, []string{"chunked"}
	}
	req.Header.Set("User-Agent", "tandem")
	for i, h := range f.Headers {
		if !validHeader(h) {
			return nil, failed(tandem.FetchSendFailed, "the header "+strconv.Quote(h.Name)+" is not valid")
		}
		switch name := http.CanonicalHeaderKey(h.Name); name {
		case "Host":
			req.Host = h.Value
		case "Connection":
			req.Close = req.Close || strings.EqualFold(h.Value, "close")
		case "Content-Length", "Transfer-Encoding", "Keep-Alive", "Te", "Trailer", "Upgrade", "Proxy-Connection":
			// These headers belong to the body's framing and the connection.
		default:
			first := !slices.ContainsFunc(f.Headers[:i], func(o tandem.Header) bool { return strings.EqualFold(o.Name, h.Name) })
			if first {
				req.Header.Set(name, h.Value) // in place of the default, if there is one
			} else {
				req.Header.Add(name, h.Value)
			}
		}
	}
	if u.User != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	return req, nil
}

// validHeader reports whether h is a valid header of one line.
func validHeader(h tandem.Header) bool {
	for _, c := range []byte(h.Name) {
		if c <= ' ' || c >= 0x7F || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return h.Name != "" && !strings.ContainsAny(h.Value, "\r\n\x00")
}

// headers returns the header lines with lower-case names, sorted by name. A name
// that came more than once has as many lines, in the server's order.
func headers(h http.Header) []tandem.Header {
	list := make([]tandem.Header, 0, len(h))
	for name, values := range h {
		name = strings.ToLower(name)
		for _, v := range values {
			list = append(list, tandem.Header{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(list, func(a, b tandem.Header) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func stream(r io.Reader, part func([]byte)) error {
	buf := make([]byte, partSize)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			part(bytes.Clone(buf[:n]))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
