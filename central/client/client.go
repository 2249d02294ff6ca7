// Package client is a typed client of a node's HTTP API, which docs/api.md describes. The tandem
// command is made of it.
//
//	c := client.New("https://node.example.com", client.Login{Key: key}, nil)
//	for d, err := range c.Devices(ctx, client.DeviceFilter{Group: group}) {
//		…
//	}
//
// A Client gets an access token with its first call, and another one when that has expired. Errors
// are *tandem.Error with the kind that the node has given them, *NotCompiled for code that does not
// compile, and *SecondFactor for a login that needs a one-time password, too.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
)

// Headers that confirm a call.
const (
	passwordHeader = "X-Electricimp-Password"
	otpHeader      = "X-Electricimp-OTP-Token"
)

// contentType is that of the API's documents.
const contentType = "application/vnd.api+json"

// mostAnswer bounds an answer that is read whole.
const mostAnswer = 64 << 20

// Login has what an access token is exchanged for: a login key or a refresh token.
type Login struct{ Key, Refresh string }

// Client calls a node for one account. Any goroutine may use it.
type Client struct {
	base  string // with /v5
	login Login
	http  *http.Client

	mu    sync.Mutex
	token string // access token; "" before the first call
}

// New returns a client of the node at a URL. transport is nil for the default one.
func New(node string, login Login, transport http.RoundTripper) *Client {
	return &Client{
		base: strings.TrimRight(node, "/") + "/v5", login: login, http: &http.Client{Transport: transport},
	}
}

// Node returns the URL of the node.
func (c *Client) Node() string { return strings.TrimSuffix(c.base, "/v5") }

// Tokens are what a login with a password gives.
type Tokens struct {
	Access  string    `json:"access_token"`
	Refresh string    `json:"refresh_token"`
	Expires time.Time `json:"expires_at"`
}

// SecondFactor is the error of a login with a password that needs a one-time password, too: see
// LogInTwice.
type SecondFactor struct {
	Token string // for LogInTwice
	msg   string
}

func (e *SecondFactor) Error() string { return e.msg }

// LogIn exchanges a user name or an e-mail address and a password for tokens, which the client
// uses from then on.
func (c *Client) LogIn(ctx context.Context, name, password string) (Tokens, error) {
	return c.logIn(ctx, map[string]string{"id": name, "password": password}, nil)
}

// LogInTwice completes a login that has failed with a *SecondFactor, by a one-time password or a
// recovery code.
func (c *Client) LogInTwice(ctx context.Context, token, code string) (Tokens, error) {
	return c.logIn(ctx, map[string]string{"login_token": token}, header{otpHeader, code})
}

func (c *Client) logIn(ctx context.Context, in map[string]string, more header) (t Tokens, err error) {
	err = c.attempt(ctx, call{method: "POST", path: "/auth", in: in, headers: more}, &t)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.token, c.login = t.Access, Login{Refresh: t.Refresh}
	}
	return t, err
}

// Authenticate exchanges the login for an access token, which every other call does by itself.
func (c *Client) Authenticate(ctx context.Context) error {
	_, err := c.renew(ctx, "")
	return err
}

// renew returns an access token other than old.
func (c *Client) renew(ctx context.Context, old string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != old {
		return c.token, nil // another call has renewed it
	}
	in := map[string]string{"key": c.login.Key}
	if c.login.Refresh != "" {
		in = map[string]string{"token": c.login.Refresh}
	}
	var t Tokens
	err := c.attempt(ctx, call{method: "POST", path: "/auth/token", in: in}, &t)
	if kind := tandem.KindOf(err); kind == tandem.NotFound || kind == tandem.Unauthorized {
		return "", tandem.Errorf(tandem.Unauthorized, "%s: %v", c.Node(), err)
	}
	if err != nil {
		return "", err
	}
	c.token = t.Access
	return c.token, nil
}

// header has names and values, in turn.
type header []string

// call is one request.
type call struct {
	method, path string
	query        url.Values
	in           any // nil: no body
	headers      header
	token        string
}

// do makes a call as the account. out may be nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	r, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	return c.decode(r, out)
}

// send makes a call as the account, whose response the caller must close.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	token, err := c.renew(ctx, "")
	if err != nil {
		return nil, err
	}
	k.token = token
	r, err := c.request(ctx, k)
	if tandem.KindOf(err) != tandem.Unauthorized {
		return r, err
	}
	if k.token, err = c.renew(ctx, token); err != nil { // the token has expired
		return nil, err
	}
	return c.request(ctx, k)
}

// attempt makes a call as it is.
func (c *Client) attempt(ctx context.Context, k call, out any) error {
	r, err := c.request(ctx, k)
	if err != nil {
		return err
	}
	return c.decode(r, out)
}

// decode reads the body of a response, and closes it.
func (c *Client) decode(r *http.Response, out any) error {
	defer r.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, mostAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%s does not answer as a node does: %w", c.Node(), err)
	}
	return nil
}

// request makes a call, and again while the account is over its rate. The caller must close the
// response's body.
func (c *Client) request(ctx context.Context, k call) (*http.Response, error) {
	var body []byte
	if k.in != nil {
		var err error
		if body, err = json.Marshal(k.in); err != nil {
			return nil, err
		}
	}
	for {
		r, err := c.once(ctx, k, body)
		if err != nil {
			return nil, err
		}
		if r.StatusCode < 300 {
			return r, nil
		}
		if r.StatusCode != http.StatusTooManyRequests || r.Header.Get("X-RateLimit-Limit") == "" {
			defer r.Body.Close()
			return nil, failure(r)
		}
		r.Body.Close()
		select {
		case <-time.After(pause(r.Header.Get("Retry-After"))):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pause reads a Retry-After.
func pause(text string) time.Duration {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 {
		seconds = 1
	}
	return time.Duration(min(seconds, 60)) * time.Second
}

func (c *Client) once(ctx context.Context, k call, body []byte) (*http.Response, error) {
	address := c.base + k.path
	if len(k.query) > 0 {
		address += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	if k.token != "" {
		req.Header.Set("Authorization", "Bearer "+k.token)
	}
	for pair := range slices.Chunk(k.headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	r, err := c.http.Do(req)
	if err == nil {
		return r, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	return nil, &tandem.Error{
		Kind: tandem.Unavailable, Msg: fmt.Sprintf("no node answers at %s: is it running?", c.Node()), Err: err,
	}
}

// kinds are the kinds of errors by their statuses.
var kinds = map[int]tandem.Kind{
	http.StatusNotFound:           tandem.NotFound,
	http.StatusConflict:           tandem.Conflict,
	http.StatusUnauthorized:       tandem.Unauthorized,
	http.StatusForbidden:          tandem.Forbidden,
	http.StatusTooManyRequests:    tandem.Limit,
	http.StatusServiceUnavailable: tandem.Unavailable,
}

// failure returns the error in a response.
func failure(r *http.Response) error {
	var out struct {
		Errors []struct {
			Code, Detail string
			Meta         json.RawMessage
		}
	}
	kind, known := kinds[r.StatusCode]
	switch {
	case known:
	case r.StatusCode < 500:
		kind = tandem.Invalid
	default:
		kind = tandem.Internal
	}
	if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&out) != nil || len(out.Errors) == 0 {
		return tandem.Errorf(kind, "the node answered %s", r.Status)
	}
	first := out.Errors[0]
	switch first.Code {
	case "CX005":
		bad := &NotCompiled{}
		if json.Unmarshal(first.Meta, &bad.Places) == nil && len(bad.Places) > 0 {
			return bad
		}
	case "CX002":
		kind = tandem.Limit
	case "PX200":
		var meta struct {
			Token string `json:"login_token"`
		}
		if json.Unmarshal(first.Meta, &meta) == nil && meta.Token != "" {
			return &SecondFactor{meta.Token, first.Detail}
		}
	}
	texts := make([]string, len(out.Errors)) // of several when some of a list of devices have failed
	for i, e := range out.Errors {
		texts[i] = e.Detail
	}
	return tandem.Errorf(kind, "%s", strings.Join(texts, "\n"))
}

// NotCompiled is the error of code that does not compile.
type NotCompiled struct{ Places []Place }

func (e *NotCompiled) Error() string {
	lines := make([]string, len(e.Places))
	for i, p := range e.Places {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", p.File, p.Row, p.Column, p.Text)
	}
	return strings.Join(lines, "\n")
}

// Place is a mistake in code.
type Place struct {
	Row    int    `json:"row"`
	Column int    `json:"column"`
	Text   string `json:"text"`
	File   string `json:"file"` // as the node names it

	Plain   string  `json:"plain,omitempty"` // Text in plain words; "" where it is plain
	Excerpt Excerpt `json:"excerpt"`
}

// Excerpt is where the offending text of a Place begins; Row is 0 when there is none.
type Excerpt struct {
	File   string `json:"file"`
	Row    int    `json:"row"`
	Column int    `json:"column"`
	Text   string `json:"text"`  // of the line
	Caret  int    `json:"caret"` // characters of Text before the place
}
