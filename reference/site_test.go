package reference

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	anyLink = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	anyID   = regexp.MustCompile(` id="([^"]*)"`)
)

// TestSiteLinks follows every link within the site, anchors included.
func TestSiteLinks(t *testing.T) {
	ids := map[string]map[string]bool{}
	for name, data := range Site() {
		ids[name] = map[string]bool{"": true, "_": true}
		for _, m := range anyID.FindAllSubmatch(data, -1) {
			if ids[name][string(m[1])] {
				t.Errorf("%s: two elements have the id %s", name, m[1])
			}
			ids[name][string(m[1])] = true
		}
	}
	for name, data := range Site() {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		for _, m := range anyLink.FindAllSubmatch(data, -1) {
			to, anchor, _ := strings.Cut(string(m[1]), "#")
			if to == "" {
				to = name
			}
			switch {
			case strings.Contains(to, ":"):
			case Site()[to] == nil:
				t.Errorf("%s: %s leads nowhere", name, m[1])
			case !ids[to][anchor]:
				t.Errorf("%s: %s has no such anchor", name, m[1])
			}
		}
	}
}

// TestSiteIsSelfContained looks for what a page would load from elsewhere.
func TestSiteIsSelfContained(t *testing.T) {
	loads := map[string]*regexp.Regexp{
		".html": regexp.MustCompile(`src="[a-z]*:?//|<link[^>]* href="[a-z]*:?//|<style|style="`),
		".css":  regexp.MustCompile(`@import|url\(`),
		".js":   regexp.MustCompile(`^const searchIndex = [^\[]|fetch\(|import\(|XMLHttpRequest`),
	}
	for name, data := range Site() {
		if m := loads[filepath.Ext(name)].Find(data); m != nil {
			t.Errorf("%s: %s", name, m)
		}
		if strings.Contains(string(data), "ZgotmplZ") {
			t.Errorf("%s: a template was not safe", name)
		}
	}
}

func TestSearchIndex(t *testing.T) {
	data, ok := strings.CutPrefix(strings.TrimSuffix(string(Site()["index.js"]), ";\n"), "const searchIndex = ")
	var all []found
	if err := json.Unmarshal([]byte(data), &all); err != nil || !ok {
		t.Fatal(err)
	}
	have := map[string]string{}
	bodies := map[string]string{}
	for _, f := range all {
		have[f.Name] = f.Href
		bodies[f.Href] += f.Body
		if page, _, _ := strings.Cut(f.Href, "#"); Site()[page] == nil {
			t.Errorf("%s: there is no page %s", f.Name, page)
		}
	}
	for name, want := range map[string]string{
		"server.save": "server.html#server.save", "server": "server.html", "blob": "blob.html#blob", "print": "base.html#print",
		"The device link": "link.html", "DIGITAL_IN": "pin.html#DIGITAL_IN",
	} {
		if have[name] != want {
			t.Errorf("%s: %s, and not %s", name, have[name], want)
		}
	}
	for href, want := range map[string]string{
		"server.html#server.save": "64", "link.html#topics": "publishes log", "limits.html": "which agent it was",
	} {
		if !strings.Contains(bodies[href], want) {
			t.Errorf("%s cannot be found by %q: %q", href, want, bodies[href])
		}
	}
}

func TestHandler(t *testing.T) {
	h := Handler()
	for _, tc := range []struct {
		path   string
		status int
		typ    string
		body   string
	}{
		{"/docs/", 200, "text/html; charset=utf-8", "<h1>The manual</h1>"},
		{"/docs/server.html", 200, "text/html; charset=utf-8", `id="server.save"`},
		{"/docs/style.css", 200, "text/css; charset=utf-8", ":root"},
		{"/docs/search.js", 200, "text/javascript; charset=utf-8", "searchIndex"},
		{"/docs/nothing.html", 404, "text/plain; charset=utf-8", "it begins at /docs/"},
		{"/docs/../server.go", 404, "text/plain; charset=utf-8", ""},
		{"/docs", 301, "text/html; charset=utf-8", "/docs/"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tc.path, nil))
		if w.Code != tc.status || w.Header().Get("Content-Type") != tc.typ || !strings.Contains(w.Body.String(), tc.body) {
			t.Errorf("%s: %d %s", tc.path, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "manual")
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range Site() {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != string(want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMarkdown(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"[link](../link.md#data)", `<a href="link.html#data">`},
		{"[link](link.md)", `<a href="link.html">`},
		{"[ex](../../examples/sync/README.md)", `<a href="` + repository + `examples/sync/README.md">`},
		{"[web](https://example.com/)", `<a href="https://example.com/">`},
		{"`server.save`", `<a class="code" href="server.html#server.save"><code>server.save</code></a>`},
		{"`server.save(table)`", `<a class="code" href="server.html#server.save"><code>server.save(table)</code></a>`},
		{"`array` `a < b`", `<code>array</code> <code>a &lt; b</code>`},
		{"## A heading", `<h2 id="a-heading">A heading</h2>`},
		{"```squirrel\nlocal x = \"a\"; // <b>\n```", `<span class="k">local</span> x = <span class="s">&#34;a&#34;</span>; <span class="c">// &lt;b&gt;</span>`},
		{"<script>alert(1)</script>", "<!-- raw HTML omitted -->"},
	} {
		if got := string(markdown(tc.in)); !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %s", tc.in, got)
		}
	}
}
