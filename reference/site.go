package reference

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/docs"
	"github.com/tandem-iot/tandem/imp"
)

//go:embed site
var siteFiles embed.FS

var siteTemplate = template.Must(template.New("").Funcs(template.FuncMap{
	"first": firstSentence, "types": typeText, "highlight": highlight, "badges": badges, "short": short, "linked": linked,
	"sourceName": sourceName,
}).ParseFS(siteFiles, "site/*.html"))

// Site returns the files of the manual as a web site, by name: pages, styles,
// and a search that needs no server. Nothing in them refers to anything outside.
func Site() map[string][]byte { return site() }

var site = sync.OnceValue(makeSite)

// page is the data of the page template.
type page struct {
	File      string
	Title     string
	Object    *Object
	Sections  []section
	Constants []Entry
	Body      template.HTML // of a guide or document
	*menu
}

// menu is the navigation of every page.
type menu struct {
	Guides    []docs.Document
	Documents []docs.Document
	Groups    []group
}

type group struct {
	Name    string
	Objects []objectLinks
}

type objectLinks struct {
	Object
	File  string
	Links template.HTML // list of the object's links, rendered once for all pages; "" when there are none
}

type link struct{ Href, Text string }

// section has the entries of one name. There are several variants when the sides
// differ.
type section struct {
	Name     string
	Variants []Entry
}

func makeSite() map[string][]byte {
	files := map[string][]byte{}
	m := &menu{Guides: docs.Guides(), Documents: docs.Documents()}
	for _, name := range Groups {
		m.Groups = append(m.Groups, group{Name: name})
	}
	for _, o := range Objects() {
		l := objectLinks{Object: o, File: file(o.Name)}
		if all := links(o); len(all) > 0 {
			l.Links = template.HTML(render("links", all))
		}
		g := &m.Groups[slices.Index(Groups, o.Group)]
		g.Objects = append(g.Objects, l)
	}
	add := func(p page) {
		p.menu = m
		if _, taken := files[p.File]; taken {
			panic("reference: two pages are called " + p.File)
		}
		files[p.File] = render("page.html", p)
	}
	add(page{File: "index.html", Title: "Manual"})
	for _, o := range Objects() {
		sections, constants := sectionsOf(o)
		add(page{File: file(o.Name), Title: o.Name, Object: &o, Sections: sections, Constants: constants})
	}
	for _, d := range append(m.Guides, m.Documents...) {
		add(page{File: file(d.Name), Title: d.Title, Body: markdown(d.Text)})
	}
	for _, name := range []string{"style.css", "search.js"} {
		data, err := siteFiles.ReadFile("site/" + name)
		if err != nil {
			panic("reference: " + err.Error())
		}
		files[name] = data
	}
	files["index.js"] = searchIndex(m)
	return files
}

func render(name string, data any) []byte {
	var b bytes.Buffer
	if err := siteTemplate.ExecuteTemplate(&b, name, data); err != nil {
		panic("reference: " + err.Error()) // the templates are wrong; every test of the site finds it
	}
	return b.Bytes()
}

func file(name string) string { return name + ".html" }

// href returns the page and anchor of an entry.
func (e Entry) href() string {
	if e.Kind == Class && !e.Callable {
		return file(e.Object)
	}
	return file(e.Object) + "#" + e.Name
}

// short returns the name of an entry on the page of its object.
func short(e Entry) string { return strings.TrimPrefix(e.Name, e.Object+".") }

// links returns the links of an object in the menu, without duplicates.
func links(o Object) (all []link) {
	for _, e := range o.Entries {
		l := link{e.href(), short(e)}
		if l.Href != file(o.Name) && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// sectionsOf groups the entries of an object by name. Constants are separate.
func sectionsOf(o Object) (sections []section, constants []Entry) {
	for _, e := range o.Entries {
		switch n := len(sections); {
		case e.Kind == Constant:
			constants = append(constants, e)
		case e.Kind == Class && !e.Callable:
		case n > 0 && sections[n-1].Name == e.Name:
			sections[n-1].Variants = append(sections[n-1].Variants, e)
		default:
			sections = append(sections, section{e.Name, []Entry{e}})
		}
	}
	return sections, constants
}

// badges returns the names of sides.
func badges(on imp.Sides) []string {
	switch on {
	case imp.OnAgent:
		return []string{"agent"}
	case imp.OnDevice:
		return []string{"device"}
	}
	return []string{"agent", "device"}
}

// sourceName returns the text of a link to a source.
func sourceName(url string) string {
	if url == squirrelManual {
		return "Squirrel's manual"
	}
	return "Electric Imp's documentation"
}

// found is one line of the search's index.
type found struct {
	Name string `json:"n"`
	Text string `json:"t"`
	Href string `json:"h"`
	Kind string `json:"k"` // "object", "guide", sides, or the title of the document
	Body string `json:"b"` // the full text to search
}

// words returns the full text of an entry.
func (e Entry) words() string {
	all := append([]string{e.Doc}, e.Throws...)
	for _, p := range e.Params {
		all = append(all, p.Doc)
	}
	return strings.TrimSpace(strings.Join(all, " "))
}

// searchIndex returns a script with the index in JSON: a page that was opened from
// a file must not fetch another file, but may run a script.
func searchIndex(m *menu) []byte {
	var all []found
	for _, o := range Objects() {
		all = append(all, found{o.Name, firstSentence(o.Doc), file(o.Name), "object", o.Doc})
	}
	for _, e := range Entries() {
		if !(e.Kind == Class && !e.Callable) {
			all = append(all, found{e.Name, firstSentence(e.Doc), e.href(), sides(e.On), e.words()})
		}
	}
	for _, d := range append(m.Guides, m.Documents...) {
		for _, p := range passages(d.Text) {
			if p.Text == "" {
				all = append(all, found{d.Title, "", file(d.Name), "guide", p.Body})
			} else {
				all = append(all, found{p.Text, "", file(d.Name) + p.Href, d.Title, p.Body})
			}
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic("reference: " + err.Error())
	}
	return append(append([]byte("const searchIndex = "), data...), ";\n"...)
}

// Write writes the site's files into a directory, which it creates if necessary.
func Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range Site() {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Handler serves the site below /docs/.
func Handler() http.Handler {
	started := time.Now()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/docs/")
		if !ok {
			http.Redirect(w, r, "/docs/", http.StatusMovedPermanently)
			return
		}
		if name == "" {
			name = "index.html"
		}
		data, ok := Site()[name]
		if !ok {
			http.Error(w, "the manual has no such page; it begins at /docs/", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, name, started, bytes.NewReader(data))
	})
}

// entryLinks returns the pages and anchors of entries and objects by name.
var entryLinks = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, o := range Objects() {
		all[o.Name] = file(o.Name)
	}
	for _, e := range Entries() {
		all[e.Name] = e.href()
	}
	return all
})

// documentNames returns the names of the documents that have a page.
var documentNames = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, d := range append(docs.Guides(), docs.Documents()...) {
		all[d.Name] = true
	}
	return all
})
