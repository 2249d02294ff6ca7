package ingress

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

// Limits of the bytes of bodies of requests that are being received or wait for an answer,
// and of answers that clients have not read. Bodies up to admit.FirstRead are not counted:
// the number of connections limits them. Room is taken as bytes arrive, and a transfer that
// makes no progress gives way to one that does.
const (
	bodiesOfAll    = 256 << 20
	bodiesOfAgent  = bodiesOfAll / 4
	bodiesOfSource = bodiesOfAll / 4
	leastRoom      = 4 * tandem.ResponseBodySize // so that each body has room
)

// budgets are the shares of all that.
type budgets struct {
	once    sync.Once
	sources *admit.Pool[admit.Source]
	agents  *admit.Pool[tandem.AgentID]
	answers *admit.Pool[admit.Source]

	clientsOnce sync.Once
	clients     *admit.Pool[admit.Source] // requests of proxies' clients
}

func (h *Handler) setUp() {
	b := &h.budgets
	b.once.Do(func() {
		all := int64(bodiesOfAll)
		if h.Room > 0 {
			all = max(h.Room, leastRoom)
		}
		b.sources = admit.NewPool[admit.Source](all, all/4)
		b.agents = admit.NewPool[tandem.AgentID](all, all/4)
		b.answers = admit.NewPool[admit.Source](all, all/4)
	})
}

// intake receives the body of one request.
type intake struct {
	h        *Handler
	r        *http.Request
	agent    tandem.AgentID
	bySource *admit.Holder[admit.Source] // nil: the body is small so far
	byAgent  *admit.Holder[tandem.AgentID]
	lost     atomic.Bool // the body gives way to another
	unknown  error       // why the agent cannot have it
}

var (
	errTooLarge = tandem.Errorf(tandem.Limit, "the request's body is larger than %d bytes", tandem.RequestBodySize)
	errBusy     = tandem.Errorf(tandem.Unavailable, "too many large requests are being handled: try again in a moment")
	errStopping = tandem.Errorf(tandem.Unavailable, "this server is being stopped: try again in a moment")
)

// read reads the body. The room for it is taken until release is called.
func (in *intake) read() ([]byte, error) {
	var grow func(int64) bool
	if n := in.r.ContentLength; n < 0 || n > admit.FirstRead { // others need no room
		grow = in.grow
	}
	body, err := admit.ReadBody(in.r.Body, in.r.ContentLength, tandem.RequestBodySize, grow)
	switch {
	case in.unknown != nil:
		return nil, in.unknown
	case errors.Is(err, admit.ErrLarge):
		in.h.counts.over.Add(tandem.OverRequestBody, 1)
		return nil, errTooLarge
	case errors.Is(err, admit.ErrFull), in.lost.Load():
		in.h.counts.over.Add(tandem.OverRequestMemory, 1)
		return nil, errBusy
	case err != nil:
		return nil, err
	}
	if in.bySource != nil { // all of it is there, so it does not give way any more
		in.bySource.Works()
		in.byAgent.Works()
	}
	return body, nil
}

// grow takes room for n more bytes. A stranger's word is not enough that there is such an
// agent.
func (in *intake) grow(n int64) bool {
	if in.bySource != nil {
		return in.bySource.Grow(n) && in.byAgent.Grow(n)
	}
	if in.unknown = in.h.Agents.Exists(in.r.Context(), in.agent); in.unknown != nil {
		return false
	}
	in.h.setUp()
	in.bySource = in.h.budgets.sources.Enter(in.h.source(in.r), n, in.giveWay)
	if in.bySource == nil {
		return false
	}
	in.byAgent = in.h.budgets.agents.Enter(in.agent, n, in.giveWay)
	return in.byAgent != nil
}

func (in *intake) giveWay() {
	in.lost.Store(true)
	if b, ok := in.r.Body.(*admit.Body); ok {
		b.Interrupt()
	}
}

// release gives the room back.
func (in *intake) release() {
	if in.bySource != nil {
		in.bySource.Leave()
	}
	if in.byAgent != nil {
		in.byAgent.Leave()
	}
}

// refuse answers a request whose body cannot be taken. The rest of it is not read.
func (in *intake) refuse(w http.ResponseWriter, err error) int {
	HangUp(w, in.r)
	switch {
	case in.unknown != nil:
		return in.h.fail(w, in.r, in.agent, err)
	case errors.Is(err, errTooLarge):
		return refuse(w, http.StatusRequestEntityTooLarge, err.Error())
	case errors.Is(err, errBusy):
		return unavailable(w, err)
	case gone(err):
		in.h.sent(err)
		panic(http.ErrAbortHandler) // the client has disconnected or is too slow
	}
	return refuse(w, http.StatusBadRequest, "the request's body is not well-formed HTTP: "+err.Error())
}

// gone reports whether err, from reading a body, is an error of the connection.
func gone(err error) bool {
	var failed net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &failed)
}

// send sends the body of an answer to a client, which has to make progress. When there is
// no room for answers, clients that do not read lose theirs.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, body []byte) {
	if len(body) <= bufferSize { // sent when the handler returns, within the server's WriteTimeout
		_, err := w.Write(body)
		h.sent(err)
		return
	}
	if len(body) <= admit.FirstRead {
		// A server without deadlines, such as a recorder in tests, returns an error.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(admit.Grace))
		_, err := w.Write(body)
		h.sent(err)
		return
	}
	h.setUp()
	var room *admit.Holder[admit.Source]
	answer := admit.NewAnswer(w, func() {
		room.Works()
		room.Waits()
	})
	var lost atomic.Bool
	room = h.budgets.answers.Enter(h.source(r), int64(len(body)), func() {
		lost.Store(true)
		answer.Interrupt()
	})
	if room == nil {
		lost.Store(true)
	} else {
		defer room.Leave()
		h.sent(answer.Write(body))
	}
	if lost.Load() {
		h.counts.over.Add(tandem.OverAnswerMemory, 1)
		panic(http.ErrAbortHandler) // the header has been sent
	}
}

// sent counts clients that are too slow. Otherwise an error means that the client has
// disconnected.
func (h *Handler) sent(err error) {
	if err == nil {
		return
	}
	var failed net.Error
	if errors.As(err, &failed) && failed.Timeout() {
		h.counts.over.Add(tandem.OverSlowClient, 1)
	}
}

// source returns the client's address, as limits count it.
func (h *Handler) source(r *http.Request) admit.Source {
	return admit.SourceOf(h.Proxies.ClientAddress(r))
}

// begin counts a request that is to be passed to an agent, until end is called. It returns
// false when there are too many. Of a trusted proxy, whose connections do not count for an
// address, each client has half of what there is for all.
func (h *Handler) begin(r *http.Request) (client *admit.Holder[admit.Source], ok bool) {
	if h.running.Add(1) > int64(h.Most) && h.Most > 0 {
		h.running.Add(-1)
		return nil, false
	}
	if h.Most == 0 || len(h.Proxies) == 0 || !h.Proxies.trusts(peer(r)) {
		return nil, true
	}
	h.budgets.clientsOnce.Do(func() {
		h.budgets.clients = admit.NewPool[admit.Source](int64(h.Most), int64(max(1, h.Most/2)))
	})
	client = h.budgets.clients.Enter(h.source(r), 1, func() {})
	if client == nil {
		h.running.Add(-1)
		return nil, false
	}
	client.Works()
	return client, true
}

func (h *Handler) end(client *admit.Holder[admit.Source]) {
	h.running.Add(-1)
	if client != nil {
		client.Leave()
	}
}

// Shed ends up to n of the requests that wait for an agent's answer, the oldest first, with
// 503. It returns how many.
func (h *Handler) Shed(n int) int { return h.waiting.shed(n) }

// Waiting returns how many requests wait for an agent's answer.
func (h *Handler) Waiting() int { return h.waiting.len() }

// Under tells the handler how short memory is. When it is short, new requests are answered
// with 503.
func (h *Handler) Under(p admit.Pressure) { h.pressure.Store(int32(p)) }

func (h *Handler) short() bool { return admit.Pressure(h.pressure.Load()) >= admit.Short }
