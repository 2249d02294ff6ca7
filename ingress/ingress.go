// Package ingress gives agents their URLs: it turns HTTP requests into requests
// to an agent, and agents' answers into HTTP responses.
//
// Agents have addresses in one of two forms. In path form the agent's id is the first
// element of the path, https://host/<id>/path. In domain form, when [Handler.Domain] is
// set, each agent has a host name, https://<label>.<domain>/path, and
// https://<label>.<domain>/<id>/path is the same. Nothing else may be served at the
// origins of agents, because their pages can read all of their origin.
//
// Errors are answered here, in plain text for the person who reads it:
//
//	404  there is no such agent, or it takes no requests
//	413  the body is larger than 512 KB
//	502  the agent's answer is not HTTP
//	503  the server is stopping, or too much waits for the agent; see Retry-After
//	504  the agent could not be reached or did not answer in time
//
// Otherwise status, headers and body of a response are the agent's own, except for
// headers that act on more than the agent: those of the connection are dropped, and in
// path form, where agents share an origin, those that act on all of it; see withheld.
// Cookies are kept to the agent. Nothing is added for CORS.
//
// [Handler] must not stand behind an http.ServeMux, which cleans paths: agents must
// get paths as clients sent them.
package ingress

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
)

// Agents passes requests to agents. The error's kind is NotFound when there is no
// such agent, Limit when too many requests wait for it, Unavailable when it did
// not answer in time.
type Agents interface {
	// Exists returns nil when there is such an agent.
	Exists(ctx context.Context, id tandem.AgentID) error
	Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error)
}

// Handler serves the URLs of agents.
type Handler struct {
	Agents  Agents
	Domain  string       // agents have host names below it; "": path form
	Proxies Proxies      // whose word about their clients is believed
	Logger  *slog.Logger // nil: nothing is logged
	// SandboxPages gives each page a new origin, by the header Content-Security-Policy.
	// It is for path form: a page can read no other agent then, and neither cookies,
	// storage nor, without CORS, its own agent.
	SandboxPages bool
	// LoopbackIsSecure makes requests from this machine count as https, as in browsers.
	// It is for developers, whose agents may insist on https, and not for a node behind
	// a proxy on the same machine.
	LoopbackIsSecure bool
	// Most limits the requests that are handled at a time; 0: no limit.
	Most int
	// Room is how many bytes bodies of requests may take, and as many those of answers that
	// are not read. 0: 256 MB.
	Room int64

	stopping atomic.Bool
	pressure atomic.Int32 // an admit.Pressure
	running  atomic.Int64
	budgets  budgets
	waiting  waiting
	counts   counts
}

// Stop makes the handler answer new requests with 503. Running requests go on.
func (h *Handler) Stop() { h.stopping.Store(true) }

// Owns reports whether the host of r is in the domain of agents, where there is nothing
// else.
func (h *Handler) Owns(r *http.Request) bool {
	_, ok := below(r.Host, h.Domain)
	return ok
}

// address returns the agent that a request is for, and the path without it.
// X-Forwarded-Host does not count, even of a trusted proxy: proxies pass it on as clients
// send it, and then a page could reach another agent, or the API, as its own origin.
func (h *Handler) address(r *http.Request) (id tandem.AgentID, path string, ok bool) {
	first, rest := cutAgent(r.URL.Path)
	if h.Domain == "" {
		return first, rest, first.Valid()
	}
	text, _ := below(r.Host, h.Domain)
	if id, ok = named(text); ok && id == first {
		return id, rest, true
	}
	return id, r.URL.Path, ok && strings.HasPrefix(r.URL.Path, "/")
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began, status := time.Now(), 0
	defer func() { h.counts.answered(status, time.Since(began)) }()
	status = h.serve(w, r)
}

// serve answers a request and returns the status. It panics when the client has
// disconnected.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) int {
	id, path, ok := h.address(r)
	switch {
	case h.stopping.Load():
		return unavailable(w, errStopping)
	case !ok:
		return refuse(w, http.StatusNotFound, "there is no agent at this address")
	case h.short():
		h.counts.over.Add(tandem.OverNodeMemory, 1)
		return TurnAway(w, r, errShort)
	}
	client, ok := h.begin(r)
	if !ok {
		h.counts.over.Add(tandem.OverNodeRequests, 1)
		return TurnAway(w, r, errManyRequests)
	}
	defer h.end(client)
	var body []byte
	if r.ContentLength != 0 {
		in := &intake{h: h, r: r, agent: id}
		defer in.release()
		var err error
		if body, err = in.read(); err != nil {
			return in.refuse(w, err)
		}
	}
	ctx := &held{ctx: r.Context(), line: &h.waiting}
	defer ctx.leave()
	answer, err := h.Agents.Request(ctx, id, h.request(r, path, body))
	if err != nil {
		return h.fail(w, r.WithContext(ctx), id, err)
	}
	return h.respond(w, r, id, answer)
}

// request returns the request in the form in which the agent gets it.
func (h *Handler) request(r *http.Request, path string, body []byte) *tandem.Request {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr // not TCP
	}
	client := h.Proxies.ClientAddress(r)
	if len(h.Proxies) > 0 && client.IsValid() {
		from = client.String()
	}
	proto := "http"
	if h.Proxies.secure(r) || h.LoopbackIsSecure && client.IsLoopback() {
		proto = "https"
	}
	h.Proxies.clean(r)
	r.Header["X-Forwarded-Proto"] = []string{proto}
	r.Header["Host"] = []string{r.Host} // net/http removes it from the headers
	return &tandem.Request{
		Method: r.Method, Path: path, Query: r.URL.RawQuery, Headers: r.Header,
		Body: body, Proto: proto, From: from,
	}
}

var errManyRequests = tandem.Errorf(tandem.Unavailable,
	"too many requests are being handled: try again in a moment")

// fail answers a request that the agent has not answered.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, id tandem.AgentID, err error) int {
	ctx := r.Context()
	switch kind := tandem.KindOf(err); {
	case shed(ctx):
		h.counts.over.Add(tandem.OverNodeMemory, 1)
		return TurnAway(w, r, errShort)
	case ctx.Err() != nil:
		panic(http.ErrAbortHandler) // the client has disconnected
	case kind == tandem.NotFound:
		return refuse(w, http.StatusNotFound, err.Error())
	case kind == tandem.Limit, kind == tandem.Unavailable && h.stopping.Load():
		return unavailable(w, err)
	case kind == tandem.Unavailable:
		return refuse(w, http.StatusGatewayTimeout, err.Error())
	}
	if h.Logger != nil {
		h.Logger.Error("request to an agent failed", "agent", id, "err", err)
	}
	return refuse(w, http.StatusInternalServerError, "the server could not pass the request to the agent; "+
		"see the server's log")
}

func unavailable(w http.ResponseWriter, err error) int {
	w.Header().Set("Retry-After", "2")
	return refuse(w, http.StatusServiceUnavailable, err.Error())
}

// refuse answers with an error of this package and returns the status.
func refuse(w http.ResponseWriter, status int, text string) int {
	text += "\n"
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // an error means that the client has disconnected
	return status
}
