package central

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/ingress"
	"github.com/tandem-iot/tandem/squirrel/syntax"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// call is one request to the API.
type call struct {
	*Service
	ctx     context.Context
	r       *http.Request
	w       http.ResponseWriter
	path    []string // below /v5, unescaped; clients put names where ids belong
	account store.Account
	need    record.Role             // that the caller must have at the place of each object
	shared  []record.Grant          // what others share with the caller; nil: not read yet
	trail   *store.Trail            // of what the call changes; nil: it changes nothing
	query   url.Values              // which the route knows
	began   int                     // After of the page, if the index was walked to it; see store.Page
	groups  map[string]record.Group // groups looked up for this answer
	room    *admit.Holder[string]   // for the body, if it is large
	lost    atomic.Bool             // the body gives way to another
	whole   bool                    // all of the body has been read
}

// Handler returns the API, for paths below /v5. It has a router of its own, because
// clients put names of any shape into paths and expect 404 for an unknown one, not a
// redirect to a cleaner path.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest := strings.TrimLeft(strings.TrimPrefix(r.URL.Path, "/v5"), "/")
		c := &call{Service: s, ctx: r.Context(), r: r, w: w, path: strings.Split(strings.TrimSuffix(rest, "/"), "/")}
		defer c.end()
		if err := c.serve(); err != nil {
			c.fail(err)
		}
	})
}

// NoRoute answers a request at a path that is none of the API's.
func (s *Service) NoRoute(w http.ResponseWriter, r *http.Request) {
	c := &call{Service: s, ctx: r.Context(), r: r, w: w}
	const msg = "no route for %s %s: the paths of the API begin with /v5/"
	c.fail(tandem.Errorf(tandem.NotFound, msg, r.Method, r.URL.Path))
}

// arg returns word i of the path.
func (c *call) arg(i int) string { return c.path[i] }

// statuses maps kinds of errors to HTTP statuses and the API's codes and titles.
var statuses = map[tandem.Kind]struct {
	status      int
	code, title string
}{
	tandem.Internal:     {500, "XX001", "Internal Error"},
	tandem.NotFound:     {404, "NF001", "Not Found"},
	tandem.Invalid:      {400, "VX001", "Invalid Request"},
	tandem.Conflict:     {409, "CX001", "Conflict"},
	tandem.Unauthorized: {401, "PX001", "Unauthorized"},
	tandem.Forbidden:    {403, "PX002", "Invalid Permission"},
	tandem.Limit:        {409, "CX002", "Limit Reached"},
	tandem.Unavailable:  {503, "XX002", "Unavailable"},
}

// fail answers with an error.
func (c *call) fail(err error) {
	if errors.Is(err, context.Canceled) && c.ctx.Err() != nil {
		return // the client has closed the connection
	}
	var wait *slowed
	if errors.As(err, &wait) {
		c.failSlowed(wait)
		return
	}
	var second *secondFactor
	if errors.As(err, &second) {
		c.failSecondFactor(second)
		return
	}
	var over *overRate
	if errors.As(err, &over) {
		c.failOverRate(over)
		return
	}
	var body *errBody
	if errors.As(err, &body) {
		c.failBody(body)
		return
	}
	var bad *CompileError
	if errors.As(err, &bad) {
		c.failCompile(bad)
		return
	}
	var at *syntax.Error
	if errors.As(err, &at) { // the error is in a library
		c.failAt(err, []place{{
			int(at.Pos.Line), int(at.Pos.Col), at.Msg, "error", at.File, plainOf(at), excerptOf(at.Excerpt),
		}})
		return
	}
	f := failureOf(err)
	status := statuses[tandem.KindOf(err)].status
	c.failWith(status, f)
}

// failure is an error in the form in which it is sent.
type failure struct {
	Status string `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Meta   any    `json:"meta"` // clients print nothing when it is an empty list
}

func failureOf(err error) failure {
	how := statuses[tandem.KindOf(err)]
	f := failure{strconv.Itoa(how.status), how.code, how.title, err.Error(), []struct{}{{}}}
	var known *tandem.Error
	if errors.As(err, &known) {
		if title, detail, ok := strings.Cut(known.Msg, ": "); ok && isTitle(title) {
			f.Title, f.Detail = title, detail
		}
	}
	return f
}

// isTitle recognises the API's own titles, such as "Duplicate Resource".
func isTitle(s string) bool {
	for w := range strings.FieldsSeq(s) {
		if w[0] < 'A' || w[0] > 'Z' {
			return false
		}
	}
	return s != ""
}

// place is a place at which code does not compile.
type place struct {
	Row    int    `json:"row"`
	Column int    `json:"column"`
	Text   string `json:"text"`
	Type   string `json:"type"`
	File   string `json:"file"`

	Plain   string   `json:"plain,omitempty"` // Text in plain words; "" where it is plain
	Excerpt *excerpt `json:"excerpt,omitempty"`
}

// excerpt is where the offending text begins; Row and Column are where it ends, as Squirrel
// counts.
type excerpt struct {
	File   string `json:"file"`
	Row    int    `json:"row"`
	Column int    `json:"column"` // in characters, from 1
	Text   string `json:"text"`   // of the line, without what is far away
	Caret  int    `json:"caret"`  // how many characters of Text are before the place
}

func excerptOf(x syntax.Excerpt) *excerpt {
	if x.Line == 0 {
		return nil
	}
	return &excerpt{x.File, x.Line, x.Col, x.Text, x.Caret}
}

// plainOf returns the plain words of an error, "" where its text has them.
func plainOf(e *syntax.Error) string {
	if plain := e.Plain(); plain != e.Msg {
		return plain
	}
	return ""
}

func (c *call) failCompile(bad *CompileError) {
	var places []place
	for _, p := range bad.Problems {
		places = append(places, place{
			p.Line, p.Column, p.Text, "error", cmp.Or(p.File, imp.SourceName(p.Side)), p.Plain, excerptOf(p.Excerpt),
		})
	}
	c.failAt(bad, places)
}

func (c *call) failAt(err error, places []place) {
	c.failWith(http.StatusBadRequest, failure{"400", "CX005", "Compilation Error", err.Error(), places})
}

func (c *call) failWith(status int, list ...failure) {
	if c.r.ContentLength != 0 && !c.whole {
		ingress.HangUp(c.w, c.r)
	}
	c.send(status, map[string]any{"errors": list})
}

func (c *call) send(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/vnd.api+json")
	c.w.WriteHeader(status)
	// An error means that the client has closed the connection, or is too slow.
	_ = admit.NewAnswer(c.w, nil).Write(data)
	return nil
}

func (c *call) noContent() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// object is a resource in the form in which it is sent.
type object struct {
	Type          string            `json:"type"`
	ID            string            `json:"id"`
	Links         map[string]string `json:"links"`
	Attributes    any               `json:"attributes"`
	Relationships map[string]ref    `json:"relationships"`
}

// ref is a relationship, which is flat in this API.
type ref struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// refs returns the relationships without the empty ones, because clients test
// whether the key is there.
func refs(all map[string]ref) map[string]ref {
	maps.DeleteFunc(all, func(_ string, r ref) bool { return r.ID == "" })
	return all
}

// received is a resource in the form in which clients send it. A client without
// attributes sends null, or leaves them out.
type received struct {
	Data struct {
		Type          string          `json:"type"`
		ID            string          `json:"id"`
		Attributes    json.RawMessage `json:"attributes"`
		Relationships map[string]ref  `json:"relationships"`
	} `json:"data"`
}

// read reads the request's resource and its attributes.
func (c *call) read(attributes any) (received, error) {
	var in received
	if err := c.readJSON(&in); err != nil {
		return in, err
	}
	if len(in.Data.Attributes) > 0 {
		if err := c.decode(in.Data.Attributes, attributes); err != nil {
			return in, err
		}
	}
	return in, nil
}

func (c *call) readJSON(v any) error {
	data, err := c.readBody()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return c.decode(data, v)
}

// decode decodes JSON. Much of it takes milliseconds, in which nothing else runs on the processor.
func (c *call) decode(data []byte, v any) error {
	if len(data) > admit.FirstRead {
		if err := c.begin(c.ctx); err != nil {
			return err
		}
		defer c.finish()
	}
	return strict(bytes.TrimSpace(data), reflect.ValueOf(v), "")
}

func (c *call) sendObject(status int, o object) error {
	return c.send(status, map[string]any{"data": o})
}

// self returns the links of a resource.
func (c *call) self(collection, id string) map[string]string {
	return map[string]string{"self": c.URL + "/v5/" + collection + "/" + id}
}
