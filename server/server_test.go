package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/runner"
	"github.com/tandem-iot/tandem/hlc"
)

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

// running is a node that a test has started.
type running struct {
	*Node
	t     *testing.T
	dir   string
	stop  context.CancelFunc
	ended chan error

	server *Server // in a cluster only
}

// start runs a node on loopback until the test's end at the latest.
func start(t *testing.T, s *Server) *running {
	t.Helper()
	for _, addr := range []*string{&s.HTTP, &s.MQTT, &s.Agents.Listen} {
		if *addr == "" && (addr != &s.Agents.Listen || s.Agents.Domain == "") {
			*addr = "127.0.0.1:0"
		}
	}
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	ready := make(chan *Node, 1)
	s.Ready = func(n *Node) { ready <- n }
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, dir: s.Dir, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(r.end)
	select {
	case r.Node = <-ready:
	case err := <-r.ended:
		r.ended <- nil
		t.Fatalf("the node did not start: %v", err)
	}
	return r
}

// end stops the node, which must end well.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	if err := r.wait(); err != nil {
		r.t.Errorf("the node ended with %v", err)
	}
}

// wait returns how the node ended.
func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- nil
		return err
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		r.t.Fatalf("the node does not end\n%s", buf[:runtime.Stack(buf, true)])
		return nil
	}
}

const agentCode = `
heard <- null; waiting <- null;
device.on("hello", function(x) {
    heard = x;
    device.send("answer", x + 1);
});
device.on("done", function(x) {
    heard = x;
    if (waiting) waiting.send(200, x.tostring());
});
http.onrequest(function(q, r) {
    if (heard == 42) r.send(200, "42"); else waiting = r;
});`

const deviceCode = `
agent.on("answer", function(x) { agent.send("done", x); });
agent.send("hello", 41);`

// pair makes a pair and returns the id, the key and the agent's address.
func (r *running) pair() (tandem.DeviceID, string, string) {
	r.t.Helper()
	return r.pairOf(central.Code{Agent: agentCode, Device: deviceCode})
}

func (r *running) pairOf(code central.Code) (tandem.DeviceID, string, string) {
	r.t.Helper()
	ctx := r.t.Context()
	g, err := r.Central.EnsureGroup(ctx, "dev", "dev")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.Central.Deploy(ctx, g.ID, code); err != nil {
		r.t.Fatal(err)
	}
	d, key, err := r.Central.AddDevice(ctx, central.NewDevice{Name: "desk", Group: g.ID})
	if err != nil {
		r.t.Fatal(err)
	}
	return d.ID, key, r.Agents.URL(d.Agent)
}

// talk runs a device that reaches the node at addr, and checks that the two
// sides of its pair hear each other and the world hears the agent.
func (r *running) talk(addr string, trust *tls.Config) {
	r.t.Helper()
	id, key, url := r.pair()
	var said bytes.Buffer
	device := &runner.Runner{
		ID: id, Key: key, Addr: addr, Dir: filepath.Join(r.t.TempDir(), "device"), TLS: trust,
		Logger: slog.New(slog.NewTextHandler(&said, nil)),
	}
	ctx, stop := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- device.Run(ctx) }()
	status, body := r.get(url, trust)
	stop()
	if err := <-ended; err != nil {
		r.t.Errorf("the device ended with %v", err)
	}
	if status != 200 || body != "42" {
		r.t.Fatalf("the agent answers %d %q\n%s", status, body, said.String())
	}
}

func (r *running) get(url string, trust *tls.Config) (int, string) {
	r.t.Helper()
	transport := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true} // it edits its configuration
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if trust != nil && resp.ProtoMajor != 2 {
		r.t.Errorf("%s is answered in %s", url, resp.Proto)
	}
	return resp.StatusCode, string(data)
}

// A node starts, serves, stops, and leaves nothing running.
func TestLife(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	for range 2 {
		n := start(t, &Server{Dir: dir})
		n.talk("tcp://"+n.MQTT, nil)
		if status, body := n.get(n.URL+"/v5/products", nil); status != 401 || !strings.Contains(body, "errors") {
			t.Errorf("the API: %d %s", status, body)
		}
		if status, _ := n.get(n.URL+"/x", nil); status != 404 {
			t.Errorf("no agent's address: %d", status)
		}
		if status, body := n.get(n.URL+"/docs/server.html", nil); status != 200 || !strings.Contains(body, "server.save") {
			t.Errorf("the manual: %d", status)
		}
		if a, err := central.ReadAccess(filepath.Join(dir, AccessFile)); err != nil || a.URL != n.URL ||
			a.Agents != n.Agents.String() || a.MQTT != n.MQTT {
			t.Errorf("the access file: %+v, %v", a, err)
		}
		n.end()
	}
	// What has been told to end may need a moment to be gone.
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

// A request or a log stream under way does not keep a node from stopping.
func TestStopWhileBusy(t *testing.T) {
	n := start(t, &Server{})
	_, _, url := n.pair()
	parked := make(chan int, 1)
	go func() {
		resp, err := http.Get(url) // its device never says hello
		if err != nil {
			parked <- 0
			return
		}
		resp.Body.Close()
		parked <- resp.StatusCode
	}()
	deadline := time.Now().Add(patience)
	for live, _, events := n.Host.Counts(); live == 0 || events == 0; live, _, events = n.Host.Counts() {
		if time.Now().After(deadline) {
			t.Fatal("the agent does not run")
		}
		runtime.Gosched()
	}
	began := time.Now()
	n.end()
	if took := time.Since(began); took > 10*drainWait {
		t.Errorf("stopping took %v", took)
	}
	<-parked
}

// Certificates are made for the test: one for the node, which the devices
// trust.
func TestTLS(t *testing.T) {
	cert, trust := certificate(t)
	n := start(t, &Server{MQTTS: "127.0.0.1:0", Certificate: &cert})
	if !strings.HasPrefix(n.URL, "https://127.0.0.1:") {
		t.Errorf("the URL is %s", n.URL)
	}
	for _, addr := range []string{
		"tls://" + n.MQTTS, "wss" + strings.TrimPrefix(n.URL, "https") + "/mqtt", "tcp://" + n.MQTT,
	} {
		t.Run(addr[:3], func(t *testing.T) {
			r := *n
			r.t = t
			r.talk(addr, trust)
		})
	}
	// Who does not know the certificate does not get in.
	if _, err := http.Get(n.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without trust: %v", err)
	}
}

func TestWebSocket(t *testing.T) {
	n := start(t, &Server{})
	n.talk("ws"+strings.TrimPrefix(n.URL, "http")+"/mqtt", nil)
}

func certificate(t *testing.T) (tls.Certificate, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, &tls.Config{RootCAs: pool}
}

// A part that fails ends the node, which says why.
func TestFailingPart(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail func(*node) error
		want string
	}{
		{"HTTP", func(n *node) error { return n.http.Close() }, "http: "},
		{"agents", func(n *node) error { return n.agentsDoor.Close() }, "http: "},
		{"MQTT", func(n *node) error { return n.mqtt.Close() }, "mqtt: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ready := make(chan struct{})
			s := &Server{
				Dir: t.TempDir(), HTTP: "127.0.0.1:0", MQTT: "127.0.0.1:0", Agents: Agents{Listen: "127.0.0.1:0"},
				Ready: func(*Node) { close(ready) },
			}
			n := &node{Server: s, logger: slog.New(slog.DiscardHandler), clock: new(hlc.Clock)}
			defer n.close()
			if err := n.listen(); err != nil {
				t.Fatal(err)
			}
			if err := n.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- n.run(t.Context()) }()
			<-ready
			if err := tc.fail(n); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
					t.Errorf("the node ended with %v", err)
				}
			case <-time.After(patience):
				t.Fatal("the node goes on")
			}
		})
	}
}

// What keeps a node from starting is said in a sentence that names it.
func TestRefusals(t *testing.T) {
	other := start(t, &Server{Dir: t.TempDir()})
	inUse := filepath.Join(t.TempDir(), "node")
	start(t, &Server{Dir: inUse})
	file := filepath.Join(t.TempDir(), "file")
	damaged := t.TempDir()
	noAccess := t.TempDir()
	for name, data := range map[string]string{
		file: "", filepath.Join(damaged, "tandem.db"): "this is no database, is it?",
	} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(noAccess, AccessFile, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	webAddr := strings.TrimPrefix(other.URL, "http://")
	for _, tc := range []struct {
		name string
		s    Server
		kind tandem.Kind
		want string
	}{
		{"HTTP address in use", Server{Dir: t.TempDir(), HTTP: webAddr}, tandem.Conflict, "the address " + webAddr + " for HTTP is in use"},
		{"MQTT address in use", Server{Dir: t.TempDir(), MQTT: other.MQTT}, tandem.Conflict, "the address " + other.MQTT + " for MQTT is in use"},
		{"no address", Server{Dir: t.TempDir(), HTTP: "nonsense"}, tandem.Invalid, "cannot listen at nonsense for HTTP"},
		{"no certificate", Server{Dir: t.TempDir(), MQTTS: "127.0.0.1:0"}, tandem.Invalid, "needs a certificate"},
		{"no directory", Server{}, tandem.Invalid, "needs a directory"},
		{"a file for a directory", Server{Dir: file}, tandem.Invalid, "is not a directory"},
		{"below a file", Server{Dir: filepath.Join(file, "node")}, tandem.Invalid, "is not a directory"},
		{"damaged database", Server{Dir: damaged}, tandem.Invalid, "is not a Tandem database"},
		{"directory in use", Server{Dir: inUse}, tandem.Conflict, "is in use by process"},
		{"access file cannot be written", Server{Dir: noAccess}, tandem.Internal, AccessFile},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, addr := range []*string{&tc.s.HTTP, &tc.s.MQTT, &tc.s.Agents.Listen} {
				if *addr == "" {
					*addr = "127.0.0.1:0"
				}
			}
			tc.s.Ready = func(*Node) { t.Error("it starts") }
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := tc.s.Run(ctx)
			if err == nil || !strings.Contains(err.Error(), tc.want) || tandem.KindOf(err) != tc.kind {
				t.Errorf("%v (%v); want %q (%v)", err, tandem.KindOf(err), tc.want, tc.kind)
			}
			if strings.Count(fmt.Sprint(err), "\n") > 0 {
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}
