package ingress

import (
	"crypto/tls"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// proxies are two trusted networks.
var proxies = Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}

func TestClientAddress(t *testing.T) {
	for _, tc := range []struct {
		remote  string
		headers []string // of X-Forwarded-For
		want    string
	}{
		{"192.0.2.1:80", nil, "192.0.2.1"},
		{"192.0.2.1:80", []string{"198.51.100.7"}, "192.0.2.1"},
		{"10.0.0.1:80", nil, "10.0.0.1"},
		{"10.0.0.1:80", []string{""}, "10.0.0.1"},
		{"10.0.0.1:80", []string{"198.51.100.7"}, "198.51.100.7"},
		{"[::ffff:10.0.0.1]:80", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:80", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:80", []string{"203.0.113.9 ,198.51.100.7, 10.2.3.4,2001:db8:1::5"}, "198.51.100.7"},
		{"10.0.0.1:80", []string{"203.0.113.9", "198.51.100.7", "10.2.3.4"}, "198.51.100.7"},
		{"10.0.0.1:80", []string{"10.9.9.9, 10.2.3.4"}, "10.9.9.9"},
		{"10.0.0.1:80", []string{"198.51.100.7, who, 10.2.3.4"}, "10.2.3.4"},
		{"10.0.0.1:80", []string{"198.51.100.7, unknown"}, "10.0.0.1"},
		{"10.0.0.1:80", []string{"198.51.100.7, "}, "10.0.0.1"},
		{"10.0.0.1:80", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"[2001:db8:1::1]:80", []string{"[2001:db8:2::7]:4711"}, "2001:db8:2::7"},
		{"[2001:db8:1::1]:80", []string{"[2001:db8:2::7]"}, "2001:db8:2::7"},
		{"[fe80::1%eth0]:80", []string{"198.51.100.7"}, "fe80::1"},
		{"@", []string{"198.51.100.7"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.remote
		r.Header["X-Forwarded-For"] = tc.headers
		if got := proxies.ClientAddress(r).String(); got != tc.want {
			t.Errorf("%s with %q: %s, want %s", tc.remote, tc.headers, got, tc.want)
		}
	}
}

// TestForwardedHeaders: what is said of the client counts when a trusted proxy says
// it, and is gone when anybody else does.
func TestForwardedHeaders(t *testing.T) {
	said := []string{
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Any",
		"X-Real-Ip",
	}
	for _, tc := range []struct {
		remote  string
		proxies Proxies
		kept    bool
	}{
		{"10.0.0.1:80", proxies, true}, {"10.0.0.1:80", nil, false}, {"192.0.2.1:80", proxies, false},
		{"@", proxies, false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.remote
		for _, name := range said {
			r.Header.Set(name, "https")
		}
		r.Header.Set("X-Forwarding", "kept")
		if got := tc.proxies.secure(r); got != tc.kept {
			t.Errorf("%s: https: %v", tc.remote, got)
		}
		tc.proxies.clean(r)
		for _, name := range said {
			if got := r.Header.Get(name) != ""; got != tc.kept {
				t.Errorf("%s: %s kept: %v", tc.remote, name, got)
			}
		}
		if r.Header.Get("X-Forwarding") == "" {
			t.Errorf("%s: another header is gone", tc.remote)
		}
	}
}

func TestSecure(t *testing.T) {
	for said, want := range map[string]bool{
		"": false, "http": false, "https": true, "HTTPS": true, "http, https": true, "https,http": false, "https ": true,
		"http\nhttps": true, "https\nhttp": false, "ssl": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:80"
		r.Header["X-Forwarded-Proto"] = slices.DeleteFunc(strings.Split(said, "\n"), func(s string) bool { return s == "" })
		if got := proxies.secure(r); got != want {
			t.Errorf("%q: %v", said, got)
		}
		r.TLS = new(tls.ConnectionState)
		if !proxies.secure(r) {
			t.Errorf("%q over TLS is not https", said)
		}
	}
}
