package egress

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestEveryByteInURL: whatever byte a program has in the path or the query of a URL, the
// server gets a request line that it can read, or the program an error; and what was
// escaped already is not escaped again.
func TestEveryByteInURL(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(r.URL.Query().Get("q") + "|" + r.URL.Path))
	}))
	defer s.Close()
	for c := range 256 {
		at := string([]byte{'a', byte(c), 'b'})
		inQuery, inPath := get(t, s.URL+"/?q="+at), get(t, s.URL+"/"+at)
		switch {
		case c < ' ' || c == 0x7f:
			if inQuery.Status == 200 || inPath.Status == 200 {
				t.Errorf("byte %#02x was sent", c)
			}
		case c == '%': // %b is no escape: how a server reads it is its own affair
		case c == '#', c == '&', c == '+', c == ';':
			want(t, inQuery, 200, "|/")
		case c == '?':
			want(t, inQuery, 200, at+"|/")
		default:
			want(t, inQuery, 200, at+"|/")
			want(t, inPath, 200, "|/"+at)
		}
	}
	want(t, get(t, s.URL+"/?q=New York&m=json"), 200, "New York|/")
	want(t, get(t, s.URL+"/?q=New%20York+City"), 200, "New York City|/")
}
