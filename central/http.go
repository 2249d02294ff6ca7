package central

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
)

// maxBody bounds a request to the API: two sides of code, and what JSON makes
// of it.
const maxBody = 8 << 20

// call is one request to the API.
type call struct {
	*Service
	ctx     context.Context
	running context.Context // ends with the node
	r       *http.Request
	w       http.ResponseWriter
	path    []string // below /v5, unescaped; clients put names where ids belong
	account store.Account
}

// Handler returns the API, for paths below /v5. Log streams end when ctx does.
// It routes by itself, because
// clients put names of any shape into paths and want 404 for them, never a
// redirect to a cleaner path.
func (s *Service) Handler(ctx context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest := strings.TrimLeft(strings.TrimPrefix(r.URL.Path, "/v5"), "/")
		c := &call{Service: s, ctx: r.Context(), running: ctx, r: r, w: w, path: strings.Split(strings.TrimRight(rest, "/"), "/")}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := c.serve(); err != nil {
			c.fail(err)
		}
	})
}

// route is what a method on a path does. Words in the path that begin with a
// colon stand for anything.
type route struct {
	method, path string
	do           func(*call) error
	open         bool // needs no token
}

var routes = []route{
	{"POST", "auth/token", (*call).exchangeKey, true},
	{"GET", "logstream/:id", (*call).readStream, true}, // the id is the secret
	{"GET", "accounts/me", (*call).getAccount, false},
	{"GET", "products", (*call).listProducts, false},
	{"POST", "products", (*call).addProduct, false},
	{"GET", "products/:id", (*call).getProduct, false},
	{"DELETE", "products/:id", (*call).deleteProduct, false},
	{"GET", "devicegroups", (*call).listGroups, false},
	{"POST", "devicegroups", (*call).addGroup, false},
	{"GET", "devicegroups/:id", (*call).getGroup, false},
	{"DELETE", "devicegroups/:id", (*call).deleteGroup, false},
	{"POST", "devicegroups/:id/restart", (*call).restartGroup, false},
	{"POST", "devicegroups/:id/relationships/devices", (*call).assignDevices, false},
	{"DELETE", "devicegroups/:id/relationships/devices", (*call).unassignDevices, false},
	{"GET", "deployments", (*call).listDeployments, false},
	{"POST", "deployments", (*call).addDeployment, false},
	{"GET", "deployments/:id", (*call).getDeployment, false},
	{"GET", "devices", (*call).listDevices, false},
	{"POST", "devices", (*call).addDevice, false},
	{"GET", "devices/:id", (*call).getDevice, false},
	{"PATCH", "devices/:id", (*call).renameDevice, false},
	{"DELETE", "devices/:id", (*call).deleteDevice, false},
	{"POST", "devices/:id/restart", (*call).restartDevice, false},
	{"GET", "devices/:id/logs", (*call).listLogs, false},
	{"POST", "logstream", (*call).openStream, false},
	{"PUT", "logstream/:id/:device", (*call).addToStream, false},
	{"DELETE", "logstream/:id/:device", (*call).dropFromStream, false},
}

func (r route) matches(c *call) bool {
	words := strings.Split(r.path, "/")
	if len(words) != len(c.path) {
		return false
	}
	for i, w := range words {
		if w != c.path[i] && (w[0] != ':' || c.path[i] == "") {
			return false
		}
	}
	return true
}

func (c *call) serve() error {
	known := false
	for _, r := range routes {
		if !r.matches(c) {
			continue
		}
		known = true
		if r.method != c.r.Method {
			continue
		}
		if !r.open {
			if err := c.authorize(); err != nil {
				return err
			}
		}
		return r.do(c)
	}
	if known {
		c.w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	return tandem.Errorf(tandem.NotFound, "there is nothing at %s", c.r.URL.Path)
}

// arg returns word i of the path.
func (c *call) arg(i int) string { return c.path[i] }

// statuses is how kinds of error look in HTTP, with the API's code for each.
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
		return // nobody is there any more
	}
	var bad *CompileError
	if errors.As(err, &bad) {
		c.failCompile(bad)
		return
	}
	how := statuses[tandem.KindOf(err)]
	detail := err.Error()
	var known *tandem.Error
	if errors.As(err, &known) {
		if title, rest, ok := strings.Cut(known.Msg, ": "); ok && isTitle(title) {
			how.title, detail = title, rest
		}
	}
	c.failWith(how.status, how.code, how.title, detail, []struct{}{{}})
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

func (c *call) failCompile(bad *CompileError) {
	type place struct {
		Row    int    `json:"row"`
		Column int    `json:"column"`
		Text   string `json:"text"`
		Type   string `json:"type"`
		File   string `json:"file"`
	}
	var places []place
	for _, p := range bad.Problems {
		places = append(places, place{p.Line, p.Column, p.Text, "error", p.Side.String() + "_code"})
	}
	c.failWith(http.StatusBadRequest, "CX005", "Compilation Error", bad.Error(), places)
}

func (c *call) failWith(status int, code, title, detail string, meta any) {
	type failure struct {
		Status string `json:"status"`
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Meta   any    `json:"meta"`
	}
	c.send(status, map[string]any{"errors": []failure{{strconv.Itoa(status), code, title, detail, meta}}})
}

func (c *call) send(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/vnd.api+json")
	c.w.WriteHeader(status)
	_, err = c.w.Write(data)
	if err != nil {
		return nil // nobody is there any more
	}
	return nil
}

func (c *call) noContent() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// object is a resource as it is sent.
type object struct {
	Type          string            `json:"type"`
	ID            string            `json:"id"`
	Links         map[string]string `json:"links"`
	Attributes    any               `json:"attributes"`
	Relationships map[string]ref    `json:"relationships"`
}

// ref is a flat relationship, as this API has them.
type ref struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// refs leaves out the relationships that are not there: clients look for the
// key.
func refs(all map[string]ref) map[string]ref {
	maps.DeleteFunc(all, func(_ string, r ref) bool { return r.ID == "" })
	return all
}

// received is a resource as it is sent to us. Clients that have nothing to say
// send null.
type received struct {
	Data struct {
		Type          string          `json:"type"`
		Attributes    json.RawMessage `json:"attributes"`
		Relationships map[string]ref  `json:"relationships"`
	} `json:"data"`
}

// read reads the request's resource and its attributes.
func (c *call) read(attributes any) (received, error) {
	var in received
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return in, &tandem.Error{Kind: tandem.Limit, Msg: "the request is too large, or was cut off", Err: err}
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return in, &tandem.Error{Kind: tandem.Invalid, Msg: "the request is not the JSON it should be", Err: err}
	}
	if len(in.Data.Attributes) > 0 {
		if err := json.Unmarshal(in.Data.Attributes, attributes); err != nil {
			return in, &tandem.Error{Kind: tandem.Invalid, Msg: "the attributes are not what they should be", Err: err}
		}
	}
	return in, nil
}

// sizes of a page of a list.
const (
	defaultPage = 20
	largestPage = 100
)

func (c *call) page() (number int, p store.Page) {
	number, size := 1, defaultPage
	q := c.r.URL.Query()
	if n, err := strconv.Atoi(q.Get("page[number]")); err == nil && n > 0 {
		number = n
	}
	if n, err := strconv.Atoi(q.Get("page[size]")); err == nil && n > 0 {
		size = min(n, largestPage)
	}
	return number, store.Page{Offset: (number - 1) * size, Limit: size}
}

func (c *call) filter(name string) string { return c.r.URL.Query().Get("filter[" + name + "]") }

// sendList sends one page of a list.
func sendList[T any](c *call, number int, p store.Page, total int, list []T, show func(T) any) error {
	data := make([]any, len(list))
	for i, x := range list {
		data[i] = show(x)
	}
	base := c.URL + c.r.URL.Path
	at := func(n int) string {
		return base + "?page[number]=" + strconv.Itoa(n) + "&page[size]=" + strconv.Itoa(p.Limit)
	}
	last := max(1, (total+p.Limit-1)/p.Limit)
	links := map[string]string{"self": at(number), "first": at(1), "last": at(last)}
	if number > 1 {
		links["prev"] = at(number - 1)
	}
	if number < last {
		links["next"] = at(number + 1)
	}
	return c.send(http.StatusOK, map[string]any{"data": data, "links": links})
}

func (c *call) sendObject(status int, o object) error {
	return c.send(status, map[string]any{"data": o})
}

// self returns the links of a resource.
func (c *call) self(collection, id string) map[string]string {
	return map[string]string{"self": c.URL + "/v5/" + collection + "/" + id}
}
