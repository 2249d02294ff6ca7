package ingress

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// token has the characters of a header's name (RFC 9110, 5.6.2).
const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// TestEveryByteOfAHeader: an agent's answer is sent with what can be in a header,
// and refused with anything else.
func TestEveryByteOfAHeader(t *testing.T) {
	respondWith := func(h tandem.Header) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		a := &tandem.Response{Status: 200, Headers: []tandem.Header{h}}
		return new(Handler).respond(httptest.NewRecorder(), r, agentID, a)
	}
	for i := range 256 {
		b := string([]byte{byte(i)})
		want := http.StatusBadGateway
		if strings.Contains(token, b) {
			want = http.StatusOK
		}
		for _, name := range []string{b, "x" + b, b + "x"} {
			if got := respondWith(tandem.Header{Name: name, Value: "v"}); got != want {
				t.Errorf("the name %q: status %d, want %d", name, got, want)
			}
		}
		want = http.StatusOK
		if i < ' ' && i != '\t' || i == 0x7f {
			want = http.StatusBadGateway
		}
		if got := respondWith(tandem.Header{Name: "x", Value: "a" + b + "c"}); got != want {
			t.Errorf("byte %#x in a value: status %d, want %d", i, got, want)
		}
	}
	if got := respondWith(tandem.Header{Value: "v"}); got != http.StatusBadGateway {
		t.Errorf("no name: status %d", got)
	}
}

// TestStatusOfAnswers: which status and how large a body an agent's answer may have.
func TestStatusOfAnswers(t *testing.T) {
	for status, want := range map[int]int{199: 502, 200: 200, 999: 999, 1000: 502, 1001: 502, 0: 502, -1: 502} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if got := new(Handler).respond(httptest.NewRecorder(), r, agentID, &tandem.Response{Status: status}); got != want {
			t.Errorf("status %d: got %d, want %d", status, got, want)
		}
	}
	for size, want := range map[int]int{tandem.ResponseBodySize: 200, tandem.ResponseBodySize + 1: 502} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		a := &tandem.Response{Status: 200, Body: make([]byte, size)}
		if got := new(Handler).respond(httptest.NewRecorder(), r, agentID, a); got != want {
			t.Errorf("a body of %d bytes: got %d, want %d", size, got, want)
		}
	}
}

// TestBodilessAnswers: what has no body says nothing of a length either, and a
// HEAD has the length and not the body.
func TestBodilessAnswers(t *testing.T) {
	for _, tc := range []struct {
		method       string
		status       int
		length, body string
	}{
		{http.MethodGet, 200, "2", "hi"},
		{http.MethodHead, 200, "2", ""},
		{http.MethodGet, 204, "", ""},
		{http.MethodGet, 304, "", ""},
		{http.MethodGet, 205, "2", "hi"},
	} {
		w := httptest.NewRecorder()
		a := &tandem.Response{Status: tc.status, Body: []byte("hi")}
		new(Handler).respond(w, httptest.NewRequest(tc.method, "/", nil), agentID, a)
		if got := w.Header().Get("Content-Length"); got != tc.length || w.Body.String() != tc.body || w.Code != tc.status {
			t.Errorf("%s %d: %d, length %q, body %q", tc.method, tc.status, w.Code, got, w.Body)
		}
	}
}

// TestRefusals: what we answer ourselves is plain text, of its length, that no
// browser takes for something else; and the connection ends when the rest of a
// body is not read.
func TestRefusals(t *testing.T) {
	large := fmt.Sprint(tandem.RequestBodySize + 1)
	for _, tc := range []struct {
		name, raw string
		status    int
		closes    bool
	}{
		{"no agent", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 404, false},
		{"an empty first element", "GET //" + agentID + " HTTP/1.1\r\nHost: h\r\n\r\n", 404, false},
		{"too large", "POST /" + agentID + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + large + "\r\n\r\n", 413, true},
		{"no chunk", "POST /" + agentID + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n", 400, true},
	} {
		resp, body := ask(t, &Handler{Agents: agents(describe)}, tc.raw)
		if resp.StatusCode != tc.status || resp.Close != tc.closes {
			t.Errorf("%s: status %d, closes: %v", tc.name, resp.StatusCode, resp.Close)
		}
		h := resp.Header
		if h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", tc.name, h)
		}
		if resp.ContentLength != int64(len(body)) || !strings.HasSuffix(body, "\n") {
			t.Errorf("%s: %q of %d bytes", tc.name, body, resp.ContentLength)
		}
	}
}

// TestGone: which errors are the connection's, and not of what came over it.
func TestGone(t *testing.T) {
	for err, want := range map[error]bool{
		io.EOF: true, io.ErrUnexpectedEOF: true, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}: true,
		errTooLarge: false, errors.New("malformed chunk"): false,
	} {
		if got := gone(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// TestFrom: where a request comes from, over TCP and over something else.
func TestFrom(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1", "@": "@",
	} {
		r := httptest.NewRequest(http.MethodGet, "/"+agentID, nil)
		r.RemoteAddr = address
		if got := new(Handler).request(r, "", nil).From; got != want {
			t.Errorf("%s: from %q", address, got)
		}
	}
}
