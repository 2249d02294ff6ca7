package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// webEnv is the address at which the test program, run again, listens as a node.
const webEnv = "TANDEM_BENCH_NODE"

func TestMain(m *testing.M) {
	web := os.Getenv(webEnv)
	if web == "" {
		os.Exit(m.Run())
	}
	fmt.Println("here I am")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() { fmt.Println(http.ListenAndServe(web, nil)) }()
	<-stop
}

func TestProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	web, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(webEnv, web)
	p := &Process{Name: "n1", Web: web, Log: filepath.Join(t.TempDir(), "log")}
	p.Kill() // a process that was never started
	p.Wait()
	for i, end := range []func() error{
		p.Stop, func() error { p.Kill(); return nil },
		func() error { p.Dump(); return nil },
	} {
		if err := p.Start(t.Context(), self); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(p.Tail(), "here I am"); n != i+1 {
			t.Errorf("start %d: its log is %q", i+1, p.Tail())
		}
		if !p.Runs() {
			t.Error("it answers and does not run")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		p.Wait()
		if p.Runs() {
			t.Error("it has ended and runs")
		}
	}
	if err := p.Start(t.Context(), "sh", "-c", "echo no such node; exit 3"); err == nil ||
		!strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such node") {
		t.Errorf("a node that ends at once: %v", err)
	}
}

// TestCertify: a node can use the files, and a client that trusts the certificate knows the node.
func TestCertify(t *testing.T) {
	dir := t.TempDir()
	if err := Certify(dir); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	for _, name := range []string{"node", "127.0.0.1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
