package central

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/store/record"
)

// TestJoinPage: the page of an invitation makes an account with its role, once; and the first
// administrator's link sets a password, and nothing else does.
func TestJoinPage(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	page := httptest.NewServer(http.HandlerFunc(w.Join))
	defer page.Close()
	_, body := w.do("POST", "/invitations", w.token, w.fill(`{"data":{"attributes":{"role":"viewer","email":"<b>@x"},`+
		`"relationships":{"product":{"id":"{product}"}}}}`))
	token := regexp.MustCompile(`"token":"([^"]*)"`).FindStringSubmatch(body)[1]
	for _, tt := range []struct {
		name, password string
		status         int
		want           string
	}{
		{"", "", 200, "You are invited as viewer"}, {"", "", 200, `value="&lt;b&gt;@x"`},
		{"eve", "short", 400, "at least 8"}, {"", "correct-horse", 400, "needs a name"},
		{"operator", "correct-horse", 409, "unique"}, {"eve", "correct-horse", 200, "<b>eve</b> is ready"},
		{"eva", "correct-horse", 404, "ask for another one"}, {"", "", 404, "Ask for another one"},
	} {
		status, text := w.see(http.Get(page.URL + "/join?token=" + token))
		if tt.password != "" {
			status, text = w.join(page.URL, token, tt.name, tt.password)
		}
		if status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%q: %d %s, want %d and %q", tt.name, status, text, tt.status, tt.want)
		}
	}
	eve, err := w.call().accountWith("eve", "correct-horse")
	if err != nil {
		t.Fatal(err)
	}
	grants, err := w.Store.GrantsOf(t.Context(), eve.ID)
	if err != nil || len(grants) != 1 || grants[0].Role != record.Viewer || grants[0].Place.Product != w.names["product"] {
		t.Errorf("%+v, %v", grants, err)
	}
	link, err := w.SetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ = strings.Cut(link, "?token=")
	_, text := w.see(http.Get(page.URL + "/join?token=" + token))
	if !strings.Contains(text, "<b>operator</b>, which administrates") || strings.Contains(text, "User name") {
		t.Error(text)
	}
	status, text := w.join(page.URL, token, "boss", "battery-staple")
	if status != 200 || !strings.Contains(text, "<b>operator</b> is ready") {
		t.Errorf("%d %s", status, text)
	}
	if a, err := w.call().accountWith("boss@example.com", "battery-staple"); err != nil || a.ID != w.operatorID() {
		t.Errorf("%+v, %v", a, err)
	}
	if link, err := w.SetUpLink(t.Context()); link != "" || err != nil {
		t.Errorf("a second link: %s, %v", link, err)
	}
	if body := w.get("/audit?filter[owner.id]=any&page[size]=1"); !strings.Contains(body, `"action":"POST /join"`) {
		t.Error(body)
	}
}

// see returns what a page of an invitation says, which must be kept out of caches and other pages.
func (w *world) see(r *http.Response, err error) (int, string) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if h := r.Header; h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" ||
		!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
		w.t.Errorf("%v", h)
	}
	return r.StatusCode, string(data)
}

// join sends the form of the page.
func (w *world) join(address, token, name, password string) (int, string) {
	w.t.Helper()
	return w.see(http.PostForm(address+"/join", url.Values{
		"token": {token}, "username": {name}, "email": {name + "@example.com"}, "password": {password},
	}))
}

// TestSharedAgain: what is taken back is gone from lists, calls, and log streams that are open.
func TestSharedAgain(t *testing.T) {
	w := newWorld(t)
	id := w.pair("", "")
	ann := w.ann()
	at := record.Place{Owner: w.operatorID(), Product: w.names["product"]}
	g, err := w.Store.AddGrant(t.Context(), record.Grant{Member: w.names["ann"], Place: at, Role: record.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	status, body := w.do("POST", "/logstream", ann, w.fill(`{"data":{"attributes":{"devices":["{device}"]}}}`))
	stream := regexp.MustCompile(`"id":"([^"]*)"`).FindStringSubmatch(body)
	if status != 201 || stream == nil {
		t.Fatalf("%d %s", status, body)
	}
	s, err := w.streams.get(stream[1])
	if err != nil {
		t.Fatal(err)
	}
	look := w.call()
	look.lookAgain(s)
	if list := s.lent.take(); len(list) != 1 || list[0] != id {
		t.Errorf("the stream has lost %v", list)
	}
	s.lent.add(id)
	if err := w.Store.DeleteGrant(t.Context(), g.ID); err != nil {
		t.Fatal(err)
	}
	look.lookAgain(s)
	last := s.events.after(0)
	if list := s.lent.take(); len(list) != 0 || last[len(last)-1].state != "unsubscribed" {
		t.Errorf("the stream still has %v; events %+v", list, last)
	}
	if status, _ := w.do("GET", w.fill("/devices/{device}/logs"), ann, ""); status != 404 {
		t.Errorf("the log of what was shared: %d", status)
	}
}

// TestMoves: a device does not leave the account of its owner by an assignment, also when asked by a member of both.
func TestMoves(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	ann := w.ann()
	at := record.Place{Owner: w.operatorID(), Product: w.names["product"], Group: w.names["group"]}
	grant := record.Grant{Member: w.names["ann"], Place: at, Role: record.Owner}
	if _, err := w.Store.AddGrant(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	hers := regexp.MustCompile(`"id":"([^"]*)"`)
	_, body := w.do("POST", "/products", ann, `{"data":{"attributes":{"name":"hers"}}}`)
	_, body = w.do("POST", "/devicegroups", ann, `{"data":{"type":"development_devicegroup","attributes":{"name":"g"},`+
		`"relationships":{"product":{"id":"`+hers.FindStringSubmatch(body)[1]+`"}}}}`)
	group := hers.FindStringSubmatch(body)[1]
	list := w.fill(`{"data":[{"type":"device","id":"{device}"}]}`)
	status, body := w.do("POST", "/devicegroups/"+group+"/relationships/devices", ann, list)
	if status != 400 || !strings.Contains(body, "belong to different accounts") {
		t.Errorf("%d %s", status, body)
	}
	_, body = w.do("POST", "/devices", ann, `{"data":{"attributes":{"name":"own"}}}`)
	own := `{"data":[{"type":"device","id":"` + hers.FindStringSubmatch(body)[1] + `"}]}`
	if status, body := w.do("POST", w.fill("/devicegroups/{group}/relationships/devices"), ann, own); status != 400 ||
		!strings.Contains(body, "belong to different accounts") {
		t.Errorf("%d %s", status, body)
	}
	status, body = w.do("POST", "/devices", ann, w.fill(`{"data":{"attributes":{"name":"new"},"relationships":`+
		`{"devicegroup":{"id":"{group}"}}}}`))
	if status != 201 || !strings.Contains(body, `"owner":{"type":"account","id":"`+at.Owner) {
		t.Errorf("a device made in a shared group: %d %s", status, body)
	}
}

// TestOwners: only owners decide who is one.
func TestOwners(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	ann := w.ann()
	at := record.Place{Owner: w.operatorID(), Product: w.names["product"]}
	grant := record.Grant{Member: w.names["ann"], Place: at, Role: record.Admin}
	if _, err := w.Store.AddGrant(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	bob, err := w.AddAccount(t.Context(), "bob", "bob@example.com", "correct-horse")
	if err != nil {
		t.Fatal(err)
	}
	owner, err := w.Store.AddGrant(t.Context(), record.Grant{Member: bob.ID, Place: at, Role: record.Owner})
	if err != nil {
		t.Fatal(err)
	}
	w.names["bob"] = owner.ID
	for _, tt := range []struct{ method, path, body string }{
		{"PATCH", "/collaborators/{bob}", `{"data":{"attributes":{"role":"viewer"}}}`},
		{"DELETE", "/collaborators/{bob}", ""},
		{"POST", "/invitations", `{"data":{"attributes":{"role":"owner"},"relationships":{"product":{"id":"{product}"}}}}`},
		{"POST", "/collaborators", `{"data":{"attributes":{"username":"bob","role":"owner"},` +
			`"relationships":{"devicegroup":{"id":"{group}"}}}}`},
		{"POST", "/invitations", `{"data":{"attributes":{}}}`},
		{"POST", "/accounts", `{"data":{"attributes":{"username":"x","email":"x@example.com","password":"correct-horse"}}}`},
		{"PATCH", "/accounts/me", `{"data":{"attributes":{"administrator":true}}}`},
	} {
		if status, body := w.do(tt.method, w.fill(tt.path), ann, w.fill(tt.body)); status != 403 {
			t.Errorf("%s %s by an admin: %d %s", tt.method, tt.path, status, body)
		}
	}
	w.must("PATCH", "/accounts/{ann}", `{"data":{"attributes":{"administrator":true}}}`)
	status, body := w.do("PATCH", "/accounts/me", ann, `{"data":{"attributes":{"administrator":false}}}`)
	if status != 409 {
		t.Errorf("an administrator who steps down: %d %s", status, body)
	}
	if status, body := w.do("POST", "/invitations", ann, `{"data":{"attributes":{}}}`); status != 201 {
		t.Errorf("a new administrator: %d %s", status, body)
	}
}

// call is one of no request.
func (w *world) call() *call { return &call{Service: w.Service, ctx: w.t.Context()} }
