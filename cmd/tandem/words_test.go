package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInWords: what libraries say of files, networks and texts is in words, wherever it is
// in an error.
func TestInWords(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	_, noFile := os.ReadFile(filepath.Join(dir, "none"))
	_, aDir := os.ReadFile(dir)
	_, below := os.ReadFile(filepath.Join(file, "x"))
	noDir := os.Mkdir(filepath.Join(dir, "a", "b"), 0o700)
	_, refused := net.Dial("tcp", freeAddr(t))
	_, port := net.Dial("tcp", "127.0.0.1:99999")
	syntax := json.Unmarshal([]byte("{"), new(int))
	typ := json.Unmarshal([]byte("{}"), new(int))
	for _, tc := range []struct {
		err  error
		want string
	}{
		{noFile, "there is no file " + filepath.Join(dir, "none")},
		{aDir, dir + " is a directory, not a file"},
		{below, filepath.Join(file, "x") + " is below a file, which is not a directory"},
		{noDir, "the directory " + filepath.Join(dir, "a", "b") + " cannot be made: no such file or directory"},
		{refused, "connection refused"},
		{port, "address 99999: invalid port"},
		{&net.DNSError{Name: "h", IsNotFound: true}, "there is no host h"},
		{&net.DNSError{Name: "h", IsTimeout: true}, "the address of h cannot be looked up"},
		{syntax, "it is not the JSON that is expected"},
		{typ, "it is not the JSON that is expected"},
		{tls.RecordHeaderError{Msg: "first record"}, "it does not speak TLS"},
		{x509.UnknownAuthorityError{}, "no authority that this machine knows has signed its certificate"},
		{errors.New("as it is"), "as it is"},
	} {
		for _, err := range []error{tc.err, fmt.Errorf("%w", tc.err), errors.Join(tc.err)} {
			if got := inWords(err); got != tc.want {
				t.Errorf("%v: %s, want %s", err, got, tc.want)
			}
		}
		if got := inWords(fmt.Errorf("no use: %w", tc.err)); got != "no use: "+tc.want {
			t.Errorf("wrapped: %s", got)
		}
	}
}

// TestNotANode: a server that is no node is told from one.
func TestNotANode(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>"))
	}))
	defer s.Close()
	status, _, errs := runCommand(t, "", "device", "list", "--url", s.URL, "--login-key", "k")
	said := strings.Contains(errs, s.URL+" does not answer as a node does")
	if status != 1 || !said || strings.Contains(errs, "invalid") {
		t.Errorf("%d %s", status, errs)
	}
}
