package host

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/egress"
	"github.com/tandem-iot/tandem/life"
)

// outward has a host do real requests, to this machine.
func outward(t testing.TB) func(*Host) {
	f := &egress.Fetcher{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	t.Cleanup(f.Close)
	return func(h *Host) { h.Fetcher = f }
}

// alone makes a host the only one of a cluster, so that agents can leave it
// and come back.
func alone(h *Host) {
	h.Join(noOthers{}, "here", 1)
	h.Lease(time.Now().Add(time.Hour))
	h.OpenShards([]int{0})
}

type noOthers struct{}

func (noOthers) Answered(tandem.Origin, *tandem.Response, error)                  {}
func (noOthers) Link(tandem.LinkRef, tandem.DeviceID, tandem.AgentID) tandem.Link { return nil }
func (noOthers) Fetched(tandem.FetchRef, *tandem.Response, []byte, func())        {}
func (noOthers) CancelFetch(tandem.FetchRef)                                      {}

// move has the agents leave and come back.
func (w *world) move() {
	w.t.Helper()
	moved, err := w.host.Export(w.t.Context(), []int{0})
	w.must(err)
	w.host.Import(w.t.Context(), moved, tandem.ReasonBalance).Activate([]int{0})
}

// uploadServer says what it got. To /hang it listens until quit, having begun.
func uploadServer(t *testing.T, begun chan<- bool, quit <-chan bool) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(rw, "%s %d %v %.20q %v", r.Method, len(body), r.TransferEncoding, body, err)
		case "/early":
			if err := http.NewResponseController(rw).EnableFullDuplex(); err != nil { // or net/http waits for the body's end
				t.Error(err)
			}
			rw.Header().Set("Content-Length", "8")
			rw.WriteHeader(413)
			io.WriteString(rw, "too much")
		case "/large":
			io.Copy(io.Discard, r.Body)
			for range 2 * tandem.FetchBodySize / 1024 {
				rw.Write(make([]byte, 1024))
			}
		case "/hang":
			begun <- true
			<-quit // reading nothing
		}
	}))
}

const uploads = `
answer <- @(r) server.log("done " + r.statuscode + " " + r.body.len() + " " + (r.body.len() < 100 ? r.body : ""));
http.onrequest(function(q, response) {
  switch (q.path) {
  case "/async":
    local u = http.poststream(URL + "/echo", {}, answer);
    u.send("one "); u.send("two"); u.closeasync();
    break;
  case "/pieces":
    local n = 0;
    local u = http.requeststream("GET", URL + "/echo", {}, @(r) server.log("done " + r.statuscode + " " + r.body.len() + " " + n));
    u.closeasync(function(piece) { n += piece.len(); });
    break;
  case "/big":
    local u = http.putstream(URL + "/echo", {}, answer);
    for (local i = 0; i < 20; i++) u.send(blob(100000));
    server.log("sync " + u.closesync().body);
    break;
  case "/early":
    local u = http.putstream(URL + "/early", {}, answer);
    u.send("one ");
    break;
  case "/large":
    http.putstream(URL + "/large", {}, answer).closeasync();
    break;
  case "/hang":
    hang <- http.putstream(URL + "/hang", {}, answer);
    hang.send("x");
    break;
  case "/timeout":
    hang.closeasync(null, 0.05);
    break;
  case "/full":
    server.log("filling");
    while (true) hang.send(blob(100000));
    break;
  case "/nowhere":
    local u = http.putstream("http://127.0.0.1:1/", {}, answer);
    u.send(blob(1000000));
    server.log("sent");
    break;
  }
  response.send(200, "");
});`

// TestUploads: bodies in pieces, to a server that says what it got.
func TestUploads(t *testing.T) {
	begun, quit := make(chan bool, 1), make(chan bool)
	s := uploadServer(t, begun, quit)
	defer s.Close()
	defer close(quit)
	w := newWorld(t, `const URL = "`+s.URL+`";`+uploads, 1, func(h *Host) { outward(t)(h); alone(h) })
	for _, tc := range []struct{ path, want string }{
		{"/async", `done 200 \d+ POST 7 \[chunked\] "one two" <nil>`},
		{"/pieces", `done 200 0 24`},
		{"/big", `sync PUT 2000000 \[chunked\]`},
		{"/early", "done 413 8 too much"},
		{"/large", "done 63 0"},
		{"/nowhere", "done 7 "},
	} {
		w.get(tc.path)
		w.lines.expect(tc.want)
	}
	w.get("/hang")
	<-begun
	w.get("/timeout")
	w.lines.expect("done 28 ")
	w.get("/hang")
	<-begun
	w.move()
	w.lines.expect("Agent moved: balance.")
	w.lines.expect("done 55 ")
	// One whose program waits is moved, too, and goes on.
	w.get("/hang")
	<-begun
	asked := make(chan error)
	go func() {
		_, err := w.request(t.Context(), "/full")
		asked <- err
	}()
	w.lines.expect("filling")
	w.move()
	if err := <-asked; !errors.Is(err, life.ErrMoved) {
		t.Errorf("the request has not moved: %v", err)
	}
	w.lines.expect("the stream has ended")
}

// TestResponses: what the program sees of real responses.
func TestResponses(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			body, err := io.ReadAll(r.Body)
			rw.Header().Set("Set-Cookie", "a=1")
			rw.Header().Add("Set-Cookie", "b=2")
			fmt.Fprintf(rw, "%s %v %q %v", r.Method, r.Header["X-Many"], body, err)
		case "/binary":
			rw.Write([]byte{0, 255, 10, 0})
		case "/gzip":
			rw.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(rw)
			io.WriteString(z, "the text")
			z.Close()
		case "/redirect":
			http.Redirect(rw, r, "/echo", http.StatusFound)
		}
	}))
	defer s.Close()
	w := newWorld(t, `const URL = "`+s.URL+`";
http.onrequest(function(q, response) {
  local r = http.post(URL + "/echo", { "X-Many": ["1", "2"] }, "\x00\xff").sendsync();
  server.log(r.statuscode + " " + r.body + " " + r.headers["set-cookie"]);
  local cookies = r.rawheaders.filter(@(i, h) h.slice(0, 10) == "set-cookie");
  server.log(cookies.len() + " " + cookies[0]);
  r = http.get(URL + "/binary").sendsync();
  server.log("binary " + r.body.len() + " " + r.body[1] + " " + typeof r.body);
  r = http.get(URL + "/gzip").sendsync();
  server.log("gzip " + r.body + " " + ("content-encoding" in r.headers));
  r = http.get(URL + "/gzip", { "Accept-Encoding": "gzip" }).sendsync();
  server.log("raw " + (r.body[0] == 0x1f) + " " + r.headers["content-encoding"]);
  r = http.request("HEAD", URL + "/echo").sendsync();
  server.log("head " + r.statuscode + " " + r.body.len());
  r = http.get(URL + "/redirect").sendsync();
  server.log("redirect " + r.statuscode + " " + r.headers.location);
  r = http.get("http://127.0.0.1:1/").sendsync();
  server.log("no host " + r.statuscode);
  http.get(URL + "/echo").sendasync(@(r) server.log("done " + r.statuscode), @(piece) server.log("piece " + piece), NO_TIMEOUT);
  response.header("X", "1");
  response.send(200, "\x00\xff");
  response.send(500, "ignored");
});`, 1, outward(t))
	if body := w.get("/"); body != "\x00\xff" {
		t.Errorf("got %q", body)
	}
	for _, line := range []string{
		`200 POST \[1 2\] "\\x00\\xff" <nil> a=1, b=2`, "2 set-cookie: a=1", "binary 4 255 string", "gzip the text false", "raw true gzip",
		"head 200 0", "redirect 302 /echo", "no host 7", `httpresponse.send\(500\) was ignored`, `piece GET \[\] "" <nil>`, "done 200",
	} {
		w.lines.expect(line)
	}
}
