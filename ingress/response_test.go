package ingress

import (
	"net/http"
	"net/http/httptest"
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
		return respond(httptest.NewRecorder(), r, &tandem.Response{Status: 200, Headers: []tandem.Header{h}})
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
	for status, want := range map[int]int{199: 502, 200: 200, 999: 999, 1000: 502, 0: 502, -1: 502} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if got := respond(httptest.NewRecorder(), r, &tandem.Response{Status: status}); got != want {
			t.Errorf("status %d: got %d, want %d", status, got, want)
		}
	}
	for size, want := range map[int]int{tandem.ResponseBodySize: 200, tandem.ResponseBodySize + 1: 502} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if got := respond(httptest.NewRecorder(), r, &tandem.Response{Status: 200, Body: make([]byte, size)}); got != want {
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
		respond(w, httptest.NewRequest(tc.method, "/", nil), &tandem.Response{Status: tc.status, Body: []byte("hi")})
		if got := w.Header().Get("Content-Length"); got != tc.length || w.Body.String() != tc.body || w.Code != tc.status {
			t.Errorf("%s %d: %d, length %q, body %q", tc.method, tc.status, w.Code, got, w.Body)
		}
	}
}
