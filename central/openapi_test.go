package central

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// operation is what the tests need of an operation of the description.
type operation struct {
	method, path string // as the routes have them
	At           string `json:"x-tandem-at"`
	Needs        string `json:"x-tandem-needs"`
	List         bool   `json:"x-tandem-list"`    // it lists objects of that kind
	Glimpse      bool   `json:"x-tandem-glimpse"` // who sees a part of the object sees it
	Object       string `json:"x-tandem-object"`  // in the place of the example of the path
	RequestBody  *struct {
		Required bool
		Content  map[string]struct{ Example json.RawMessage }
	}
	Responses map[string]struct {
		Content map[string]json.RawMessage
	}
	examples map[string]string // of the path's parameters
}

// api is the description, read once.
type api struct {
	operations []*operation
	compiler   *jsonschema.Compiler
	mu         sync.Mutex
	schemas    map[string]*jsonschema.Schema // by where they are
}

var methods = []string{"get", "post", "put", "patch", "delete"}

var readAPI = sync.OnceValues(func() (*api, error) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(description, &doc); err != nil {
		return nil, err
	}
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(description))
	if err != nil {
		return nil, err
	}
	a := &api{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	a.compiler.DefaultDraft(jsonschema.Draft2020)
	a.compiler.AssertFormat()
	if err := a.compiler.AddResource("http://x.test/openapi.json", raw); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		var parameters []struct{ Name, Example string }
		if text := doc.Paths[path]["parameters"]; text != nil {
			if err := json.Unmarshal(text, &parameters); err != nil {
				return nil, err
			}
		}
		for _, method := range methods {
			text := doc.Paths[path][method]
			if text == nil {
				continue
			}
			o := &operation{method: strings.ToUpper(method), path: routePath(path), examples: map[string]string{}}
			if err := json.Unmarshal(text, o); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			for _, p := range parameters {
				o.examples[p.Name] = p.Example
			}
			a.operations = append(a.operations, o)
		}
	}
	return a, nil
})

func theAPI(t *testing.T) *api {
	t.Helper()
	a, err := readAPI()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var braces = regexp.MustCompile(`\{([^}]*)\}`)

// routePath is a path of the description as the routes have it.
func routePath(path string) string { return braces.ReplaceAllString(path[1:], ":$1") }

// pathOf is the reverse of routePath.
func pathOf(route string) string {
	return "/" + regexp.MustCompile(`:([^/]*)`).ReplaceAllString(route, "{$1}")
}

// of returns the operation that a request is for, nil if there is none.
func (a *api) of(method, path string) *operation {
	path, _, _ = strings.Cut(path, "?")
	c := &call{path: strings.Split(strings.Trim(path, "/"), "/")}
	for _, r := range routes { // in their order, which decides
		if r.method != method || !r.matches(c) {
			continue
		}
		for _, o := range a.operations {
			if o.method == method && o.path == r.path {
				return o
			}
		}
	}
	return nil
}

// check compares JSON with a schema of the description.
func (a *api) check(where []string, data []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	for i, w := range where {
		where[i] = url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(w))
	}
	at := "http://x.test/openapi.json#/" + strings.Join(where, "/")
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.schemas[at]
	if s == nil {
		if s, err = a.compiler.Compile(at); err != nil {
			return err
		}
		a.schemas[at] = s
	}
	return s.Validate(v)
}

const contentAPI = "application/vnd.api+json"

// conforms checks that an answer, and a request that was accepted, are as the description says.
func (w *world) conforms(method, path, body string, status int, header http.Header, answer string) {
	w.t.Helper()
	a := theAPI(w.t)
	o := a.of(method, path)
	if o == nil {
		if status != http.StatusNotFound {
			w.t.Errorf("%s %s: %d, and the description does not have it", method, path, status)
		} else if err := a.check([]string{"components", "schemas", "Errors"}, []byte(answer)); err != nil {
			w.t.Errorf("%s %s: %v", method, path, err)
		}
		return
	}
	begin := []string{"paths", pathOf(o.path), strings.ToLower(method)}
	code := fmt.Sprint(status)
	if _, ok := o.Responses[code]; !ok {
		code = "default"
		if status < 400 {
			w.t.Errorf("%s %s: %d is not in the description", method, path, status)
		}
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	content := o.Responses[code].Content
	switch {
	case len(content) == 0:
		if answer != "" {
			w.t.Errorf("%s %s: %d with %s", method, path, status, answer)
		}
	case err != nil || content[contentAPI] == nil && content[header.Get("Content-Type")] == nil ||
		content[contentAPI] != nil && kind != contentAPI:
		w.t.Errorf("%s %s: the content is %s", method, path, header.Get("Content-Type"))
	case kind == contentAPI:
		err := a.check(append(begin, "responses", code, "content", contentAPI, "schema"), []byte(answer))
		if err != nil {
			w.t.Errorf("%s %s answers not as described: %v\n%s", method, path, err, answer)
		}
	}
	if body = strings.TrimSpace(body); status >= 300 || body == "" || body == "null" {
		if o.RequestBody != nil && o.RequestBody.Required && status < 300 {
			w.t.Errorf("%s %s without the body that is required", method, path)
		}
		return
	}
	if o.RequestBody == nil {
		return // it is not read
	}
	err = a.check(append(begin, "requestBody", "content", contentAPI, "schema"), []byte(body))
	if err != nil {
		w.t.Errorf("%s %s took what is not described: %v\n%s", method, path, err, body)
	}
}

// TestDescription: the description has the routes with their texts, parameters and rules, and nothing
// else. The flag -update writes these into it; the schemas and x-tandem-at are written by hand.
func TestDescription(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(description, &doc); err != nil {
		t.Fatal(err)
	}
	paths := doc["paths"].(map[string]any)
	left := map[string]bool{}
	for _, o := range theAPI(t).operations {
		left[o.method+" "+o.path] = true
	}
	for _, r := range routes {
		name := r.method + " " + r.path
		if !left[name] {
			t.Errorf("%s is not in openapi.json: describe its request and its answer there", name)
			continue
		}
		delete(left, name)
		item := paths[pathOf(r.path)].(map[string]any)
		describe(r, item[strings.ToLower(r.method)].(map[string]any))
		rule := needs[name]
		if rule == "" {
			t.Errorf("%s has no rule: say in needs who may do it", name)
		}
		if r.open != (rule == needsNothing) {
			t.Errorf("%s is open, or its rule is", name)
		}
	}
	for name := range left {
		t.Errorf("%s is described, and no route", name)
	}
	for name := range needs {
		if !slices.ContainsFunc(routes, func(r route) bool { return r.method+" "+r.path == name }) {
			t.Errorf("the rule for %s is of no route", name)
		}
	}
	want := layOut(doc, "") + "\n"
	if *update {
		if err := os.WriteFile("openapi.json", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(description) != want {
		t.Errorf("openapi.json is not what the routes are: go test ./central -run %s -update", t.Name())
	}
}

// describe writes what a route says into its operation.
func describe(r route, o map[string]any) {
	o["description"] = r.about
	o["x-tandem-needs"] = needs[r.method+" "+r.path]
	delete(o, "security")
	if r.open {
		o["security"] = []any{}
	}
	list, _ := o["parameters"].([]any)
	list = slices.DeleteFunc(slices.Clone(list), func(p any) bool { return p.(map[string]any)["in"] == "query" })
	names := slices.Clone(params[r.method+" "+r.path])
	if r.method == "GET" {
		for _, p := range pageParams {
			list = append(list, map[string]any{"name": p, "in": "query", "schema": map[string]any{"type": "integer"}})
		}
	}
	for _, p := range names {
		list = append(list, map[string]any{"name": p, "in": "query", "schema": map[string]any{"type": "string"}})
	}
	delete(o, "parameters")
	if len(list) > 0 {
		o["parameters"] = list
	}
}

// layOut is JSON for people: what is short is on one line.
func layOut(v any, indent string) string {
	var short bytes.Buffer
	e := json.NewEncoder(&short)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // it was read from JSON
	}
	line := strings.TrimSpace(short.String())
	if len(line)+len(indent) <= 110 {
		return line
	}
	in := indent + "  "
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, in+fmt.Sprintf("%q: ", k)+layOut(v[k], in))
		}
		return "{\n" + strings.Join(parts, ",\n") + "\n" + indent + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, in+layOut(x, in))
		}
		return "[\n" + strings.Join(parts, ",\n") + "\n" + indent + "]"
	}
	return line
}
