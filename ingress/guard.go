package ingress

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

// Limits of the server that NewServer makes. A response must be written within
// responseTimeout of the request, so that is longer than an agent may take.
const (
	responseTimeout = tandem.AnswerWait + admit.Grace
	maxHeader       = 64 << 10
	streams         = 100       // of an HTTP/2 connection
	frame           = 16 << 10  // of HTTP/2
	window          = 128 << 10 // of a stream and of a connection: what no handler has read yet

	// bufferSize is how much the server buffers of a response before it sends it, with the headers.
	bufferSize = 2 << 10
)

// Guard stands before all handlers of a listener. It gives bodies deadlines, counts the
// requests of a connection, and keeps a panic to the request that met it.
type Guard struct {
	Handler http.Handler
	Logger  *slog.Logger // nil: nothing is logged

	panics atomic.Int64
	over   atomic.Int64
}

// Panics returns how many requests ended in a panic.
func (g *Guard) Panics() int64 { return g.panics.Load() }

// Over returns how many requests were refused because their connection, or the listener,
// had too many.
func (g *Guard) Over() int64 { return g.over.Load() }

// NewServer returns a server for g that slow or silent clients cannot block. The caller
// calls its Serve and Shutdown. Handlers that respond for longer than an agent may must
// extend their write deadline.
func NewServer(g *Guard) *http.Server {
	logger := g.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: admit.Opening, // and of the TLS handshake
		ReadTimeout:       admit.Opening, // replaced by Pace
		WriteTimeout:      responseTimeout,
		IdleTimeout:       admit.Grace,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       admit.Context,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams, MaxReadFrameSize: frame, WriteByteTimeout: admit.Grace,
			MaxReceiveBufferPerConnection: window, MaxReceiveBufferPerStream: window,
		},
	}
}

func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := admit.From(r.Context())
	if !c.Begin() {
		g.over.Add(1)
		TurnAway(w, r, errManyAtOnce)
		return
	}
	defer c.End()
	defer g.recover(c, r)
	if r.ContentLength < 0 || r.ContentLength > admit.FirstRead || r.Header["Expect"] != nil {
		// A copy: what the server does with the rest of a body that no handler reads depends on
		// the type of the body in its own request, except for a small one, which it reads.
		r = r.WithContext(r.Context())
	}
	admit.Pace(w, r)
	g.Handler.ServeHTTP(w, r)
}

// recover ends the request of a handler that has panicked. Part of the answer may have been
// sent, so there is none.
func (g *Guard) recover(c *admit.Conn, r *http.Request) {
	why := recover()
	if why == nil {
		return
	}
	if err, ok := why.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		g.panics.Add(1)
		if g.Logger != nil {
			g.Logger.Error("a request ended in a panic; please report this with the stack",
				"panic", why, "method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
		}
	}
	if c != nil && r.ProtoMajor == 1 {
		c.Close() // the server does not close a connection that a handler has taken over
	}
	panic(http.ErrAbortHandler)
}

var errManyAtOnce = tandem.Errorf(tandem.Unavailable,
	"too many requests at once come from this address: send fewer at a time")

// TurnAway answers 503 because there is too much to do, and closes the connection, so that
// it is there for others.
func TurnAway(w http.ResponseWriter, r *http.Request, err error) int {
	HangUp(w, r)
	w.Header().Set("Retry-After", "10")
	return refuse(w, http.StatusServiceUnavailable, err.Error())
}

// HangUp makes the server close the connection after the answer, without reading the rest
// of the body. With HTTP/2 only the request ends.
func HangUp(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}
