package central

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

// Limits of the bytes of a request to the API. A request with an access token holds at most
// the code of both sides, escaped as JSON. One that needs no token holds a login key.
const (
	maxBody       = 8 << 20
	maxOpenBody   = 4 << 10
	bodiesOfAll   = 128 << 20
	bodiesOfOwner = bodiesOfAll / 4 // of an account
)

// slowed is the error of a client that guesses too fast.
type slowed struct{ wait time.Duration }

func (e *slowed) Error() string {
	return fmt.Sprintf("too many failed logins from this address: try again in %d s", e.seconds())
}

func (e *slowed) seconds() int { return int((e.wait + time.Second - 1) / time.Second) }

// login checks a secret, unless its client has to wait. A secret is wrong when the error of
// check is of the kind NotFound or Unauthorized.
func (s *Service) login(r *http.Request, secret string, check func() error) error {
	return s.attempt(r, admit.Attempt{Secret: secret}, check)
}

func (s *Service) attempt(r *http.Request, a admit.Attempt, check func() error) error {
	a.Source = admit.SourceOf(s.Proxies.ClientAddress(r))
	now := time.Now()
	logins := s.guesses()
	if wait := logins.Delay(now, a); wait > 0 {
		return &slowed{wait}
	}
	err := check()
	switch kind := tandem.KindOf(err); {
	case err == nil:
		logins.Succeeded(now, a)
		admit.From(r.Context()).Trust()
	case kind == tandem.NotFound, kind == tandem.Unauthorized:
		logins.Failed(now, a)
	}
	return err
}

// issued says that a client has got a new secret, and so does not have to wait when it uses
// it.
func (s *Service) issued(r *http.Request, secret string) {
	s.guesses().Succeeded(time.Now(), admit.Attempt{Source: admit.SourceOf(s.Proxies.ClientAddress(r)), Secret: secret})
}

// failSlowed answers a client that guesses too fast.
func (c *call) failSlowed(e *slowed) {
	c.w.Header().Set("Retry-After", strconv.Itoa(e.seconds()))
	c.failWith(http.StatusTooManyRequests, failure{
		"429", "RX001", "Too Many Requests", e.Error(), []struct{}{{}},
	})
}

// errBody is the reason why a body is not read to its end.
type errBody struct {
	status int
	error
}

// readBody reads the request's body, which counts for the account until the request has
// ended.
func (c *call) readBody() ([]byte, error) {
	limit := int64(maxOpenBody)
	if c.account.ID != "" {
		limit = maxBody
	}
	grow := func(n int64) bool {
		if c.room != nil {
			return c.room.Grow(n)
		}
		c.room = c.Service.bodies().Enter(c.account.ID, n, c.giveWay)
		return c.room != nil
	}
	data, err := admit.ReadBody(c.r.Body, c.r.ContentLength, limit, grow)
	switch {
	case err == nil:
		c.whole = true
		if c.room != nil {
			c.room.Works()
		}
		return data, nil
	case errors.Is(err, admit.ErrLarge):
		c.Service.over.Add(tandem.OverAPIBody, 1)
		return nil, &errBody{http.StatusRequestEntityTooLarge, fmt.Errorf("the request is larger than %d bytes", limit)}
	case errors.Is(err, admit.ErrFull), c.lost.Load():
		c.Service.over.Add(tandem.OverAPIBody, 1)
		return nil, &errBody{
			http.StatusServiceUnavailable, errors.New("too many large requests are being handled: try again in a moment"),
		}
	}
	return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "the request was cut off, or is not well-formed HTTP", Err: err}
}

func (c *call) giveWay() {
	c.lost.Store(true)
	if b, ok := c.r.Body.(*admit.Body); ok {
		b.Interrupt()
	}
}

// failBody answers a request whose body is not read to its end.
func (c *call) failBody(e *errBody) {
	if e.status == http.StatusServiceUnavailable {
		c.w.Header().Set("Retry-After", "2")
	}
	c.failWith(e.status, failure{
		strconv.Itoa(e.status), "VX002", http.StatusText(e.status), e.Error(), []struct{}{{}},
	})
}

// end gives back what the call holds.
func (c *call) end() {
	if c.room != nil {
		c.room.Leave()
	}
}

func (s *Service) setUp() {
	s.once.Do(func() {
		all := int64(bodiesOfAll)
		if s.Room > 0 {
			all = max(s.Room, 2*maxBody)
		}
		s.working = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
		s.changed = make(chan struct{}, 1)
		s.hooks = make(chan struct{}, 1)
		s.pool = admit.NewPool[string](all, max(all/4, maxBody))
		if s.Logins == nil {
			s.Logins = new(admit.Logins)
		}
	})
}

func (s *Service) guesses() *admit.Logins { s.setUp(); return s.Logins }

// bodies has the shares of accounts.
func (s *Service) bodies() *admit.Pool[string] { s.setUp(); return s.pool }

// Over counts how often the limits of the API were reached, by the names of tandem.Over.
func (s *Service) Over() map[string]int64 { return s.over.All() }

// Operates returns nil when key is a login key of the operator, who may control the node
// itself. Its error is of the kind Limit when the client has to wait.
func (s *Service) Operates(r *http.Request, key string) error {
	err := s.login(r, key, func() error { return s.operates(r.Context(), key) })
	var wait *slowed
	if errors.As(err, &wait) {
		return tandem.Errorf(tandem.Limit, "%v", wait)
	}
	return err
}

func (s *Service) operates(ctx context.Context, key string) error {
	owner, err := s.operator(ctx)
	if err != nil {
		return err
	}
	k, err := s.Store.LoginKey(ctx, key)
	if tandem.KindOf(err) == tandem.NotFound || err == nil && k.Account != owner.ID {
		return tandem.Errorf(tandem.Unauthorized, "this is not a login key of the node's operator")
	}
	return err
}
