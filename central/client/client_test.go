package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-iot/tandem"
)

// elsewhere are routes that are no part of this client: devices call one, and the other is a document.
var elsewhere = []string{"POST /enrol", "GET /openapi.json"}

// asked notes which routes are called, with : in place of the ids that the test uses.
type asked struct {
	mu     sync.Mutex
	routes []string
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/v5"), "/id", "/:")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.routes = append(a.routes, r.Method+" "+path)
	_, _ = io.WriteString(w, `{"access_token": "t", "data": {"id": "x", "attributes": {}}}`)
}

// argument returns an argument for a method of the client.
func argument(t *testing.T, typ reflect.Type) reflect.Value {
	switch typ {
	case reflect.TypeFor[context.Context]():
		return reflect.ValueOf(t.Context())
	case reflect.TypeFor[*Stream]():
		return reflect.ValueOf(&Stream{ID: "id"})
	case reflect.TypeFor[string]():
		return reflect.ValueOf("id")
	}
	return reflect.Zero(typ)
}

// TestEveryRoute: the client has a method for each route of docs/api.md, and calls no other.
func TestEveryRoute(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Routes\n")
	var want []string
	for _, m := range regexp.MustCompile("(?m)^\\| ([A-Z]+) \\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		want = append(want, m[1]+" "+regexp.MustCompile(`:\w+`).ReplaceAllString(m[2], ":"))
	}
	a := &asked{}
	s := httptest.NewServer(a)
	defer s.Close()
	c := reflect.ValueOf(New(s.URL, Login{Key: "k"}, nil))
	for method := range c.Type().Methods() {
		call := c.MethodByName(method.Name)
		var args []reflect.Value
		for i := range call.Type().NumIn() {
			if call.Type().IsVariadic() && i == call.Type().NumIn()-1 {
				break
			}
			args = append(args, argument(t, call.Type().In(i)))
		}
		for _, out := range call.Call(args) {
			if out.Kind() == reflect.Func { // a list: read its first page
				yield := reflect.MakeFunc(out.Type().In(0), func([]reflect.Value) []reflect.Value {
					return []reflect.Value{reflect.ValueOf(false)}
				})
				out.Call([]reflect.Value{yield})
			}
		}
	}
	for _, route := range want {
		if !slices.Contains(a.routes, route) && !slices.Contains(elsewhere, route) {
			t.Errorf("no method calls %s", route)
		}
	}
	for _, route := range a.routes {
		if !slices.Contains(want, route) {
			t.Errorf("%s is no route of docs/api.md", route)
		}
	}
}

// server answers with these bodies, one after the other; a body that begins with a number has that
// status.
func server(t *testing.T, bodies ...string) *Client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v5/auth/token" {
			_, _ = io.WriteString(w, `{"access_token": "t"}`)
			return
		}
		if len(bodies) == 0 {
			t.Errorf("%s %s is one call too many", r.Method, r.URL)
			return
		}
		body := bodies[0]
		bodies = bodies[1:]
		var status int
		if n, _ := fmt.Sscanf(body, "%d ", &status); n == 1 {
			w.WriteHeader(status)
			body = body[4:]
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "HERE", "http://elsewhere.invalid"))
	}))
	t.Cleanup(s.Close)
	return New(s.URL, Login{Key: "k"}, nil)
}

// TestObjects: objects are read with their attributes and relationships, over all pages of a list,
// whatever the node calls itself there.
func TestObjects(t *testing.T) {
	const device = `{"type": "device", "id": "%s", "attributes": {"name": %s, "device_online": true}, "relationships": ` +
		`{"product": {"type": "product", "id": "p"}}}`
	c := server(t,
		`{"data": [`+fmt.Sprintf(device, "a", `"desk"`)+`], "links": {"next": "HERE/v5/devices?page%5Bafter%5D=7"}}`,
		`{"data": [`+fmt.Sprintf(device, "b", "null")+`], "links": {}}`)
	var got []string
	for d, err := range c.Devices(t.Context(), DeviceFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(d.ID, d.Name, d.Online, *d.Product))
	}
	if want := []string{"adesktrue {product p }", "btrue {product p }"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestErrors: errors have the kinds of the node's statuses, and what is special about some.
func TestErrors(t *testing.T) {
	const body = ` {"errors": [{"code": "X", "detail": "no"}]}`
	for status, kind := range map[int]tandem.Kind{
		400: tandem.Invalid, 403: tandem.Forbidden, 404: tandem.NotFound, 409: tandem.Conflict, 500: tandem.Internal,
		503: tandem.Unavailable,
	} {
		_, err := server(t, fmt.Sprint(status)+body).Product(t.Context(), "p")
		if tandem.KindOf(err) != kind || err.Error() != "no" {
			t.Errorf("%d: %v of kind %s", status, err, tandem.KindOf(err))
		}
	}
	const places = `[{"row": 3, "column": 1, "text": "t", "file": "f"}]`
	_, err := server(t, `400 {"errors": [{"code": "CX005", "meta": `+places+`}]}`).
		AddDeployment(t.Context(), "g", NewDeployment{})
	var bad *NotCompiled
	if !errors.As(err, &bad) || err.Error() != "f:3:1: t" {
		t.Errorf("code that does not compile: %v", err)
	}
	_, err = server(t, `403 {"errors": [{"code": "PX200", "detail": "d", "meta": {"login_token": "l"}}]}`).
		LogIn(t.Context(), "n", "p")
	var second *SecondFactor
	if !errors.As(err, &second) || second.Token != "l" {
		t.Errorf("a second factor: %v", err)
	}
	_, err = server(t, `<html>`).Product(t.Context(), "p")
	if err == nil || !strings.Contains(err.Error(), "does not answer as a node does") {
		t.Errorf("no node: %v", err)
	}
}

// TestExpired: a token that has expired is replaced, once.
func TestExpired(t *testing.T) {
	const expired = `401 {"errors": [{"code": "PX001", "detail": "expired"}]}`
	p, err := server(t, expired, `{"data": {"type": "product", "id": "p"}}`).Product(t.Context(), "p")
	if err != nil || p.ID != "p" {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := server(t, expired, expired).Product(t.Context(), "p"); tandem.KindOf(err) != tandem.Unauthorized {
		t.Errorf("twice: %v", err)
	}
}

// TestStream: a stream goes on after the line that was shown last.
func TestStream(t *testing.T) {
	const line = "id: %d\nevent: message\ndata: {\"device_id\": \"d\", \"type\": \"status\", \"msg\": \"%d\"}\n\n"
	c := server(t,
		"retry: 3000\nevent: state_change\ndata: {\"state\": \"opened\"}\n\n: keep-alive\n\n"+fmt.Sprintf(line, 1, 1),
		`404 {"errors": [{"detail": "gone"}]}`)
	s := &Stream{ID: "x"}
	var got []string
	show := func(e tandem.LogEntry) error { got = append(got, e.Msg); return nil }
	if err := c.ReadStream(t.Context(), s, show); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("the end of a stream: %v", err)
	}
	if !slices.Equal(got, []string{"1"}) || s.last != "1" {
		t.Errorf("shown %q, last %q", got, s.last)
	}
	if err := c.ReadStream(t.Context(), s, show); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("a stream that is no more: %v", err)
	}
}
