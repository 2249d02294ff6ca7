package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/device/runner"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// maker is an authority for devices.
type maker struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	m := &maker{t: t}
	pair := m.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "maker"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	if m.cert, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	m.key = pair.PrivateKey.(*ecdsa.PrivateKey)
	return m
}

// issue signs a certificate, by itself when the authority has none yet.
func (m *maker) issue(c *x509.Certificate) tls.Certificate {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	signer, parent := key, c
	if m.cert != nil {
		signer, parent = m.key, m.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		m.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (m *maker) device(id tandem.DeviceID) tls.Certificate {
	return m.issue(&x509.Certificate{Subject: pkix.Name{CommonName: string(id)}})
}

func (m *maker) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.cert.Raw})
}

// client is a plain MQTT client.
type client struct {
	t  *testing.T
	nc net.Conn
	s  *mqtt.Client
	in []byte
}

// connect says CONNECT and returns the answer's reason; an error when there is none.
func connect(t *testing.T, nc net.Conn, id tandem.DeviceID, key string) (*client, *mqtt.Connack, error) {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	s, err := mqtt.NewClient(time.Now(), nil, &mqtt.Connect{
		Version: mqtt.V5, CleanStart: true, KeepAlive: 60, ClientID: string(id), HasUsername: true, Username: string(id),
		HasPassword: key != "", Password: []byte(key),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, nc: nc, s: s}
	if _, err := nc.Write(s.Output(nil)); err != nil {
		return c, nil, err
	}
	ev, err := c.next()
	ack, _ := ev.(*mqtt.Connack)
	return c, ack, err
}

// next returns the next event.
func (c *client) next() (mqtt.Event, error) {
	if err := c.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for {
		n, ev, err := c.s.Feed(time.Now(), c.in)
		c.in = c.in[n:]
		if ev != nil || err != nil {
			return ev, err
		}
		chunk := make([]byte, 4096)
		n, err = c.nc.Read(chunk)
		if c.in = append(c.in, chunk[:n]...); n == 0 && err != nil {
			return nil, err
		}
	}
}

// disconnected waits until the server has ended the connection, and returns what it said.
func (c *client) disconnected() string {
	c.t.Helper()
	for {
		ev, err := c.next()
		if bye, ok := ev.(*mqtt.Disconnect); ok {
			return bye.Code.String() + ": " + bye.Props.ReasonString
		}
		if err != nil {
			c.t.Fatalf("the connection ends with %v", err)
		}
	}
}

// show shows a certificate, whatever the server asks for.
func show(c *tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
}

// show connects with a certificate and, unless it is "", a key.
func (r *running) show(trust *tls.Config, id tandem.DeviceID, key string, certs ...tls.Certificate) (
	*client, *mqtt.Connack, error,
) {
	r.t.Helper()
	config := trust.Clone()
	if len(certs) > 0 { // also one that the server has not asked for
		config.GetClientCertificate = show(&certs[0])
	}
	nc, err := tls.Dial("tcp", r.MQTTS, config)
	if err != nil {
		return nil, nil, err
	}
	return connect(r.t, nc, id, key)
}

func writeFile(t *testing.T, name string, data ...[]byte) {
	t.Helper()
	if err := os.WriteFile(name, bytes.Join(data, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClientCertificates has devices show certificates of all kinds to a node, whose authorities
// change.
func TestClientCertificates(t *testing.T) {
	cert, trust := certificate(t)
	ours, other := newMaker(t), newMaker(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, file, ours.pem())
	n := start(t, &Server{MQTTS: "127.0.0.1:0", Certificate: &cert, ClientCAs: []string{file}})
	id, key, _ := n.pair()
	idB, keyB, _ := n.pair()

	good := ours.device(id)
	c, ack, err := n.show(trust, id, "", good)
	if err != nil || ack.Code != mqtt.Success {
		t.Fatalf("%+v, %v", ack, err)
	}
	ok := func(what string, id tandem.DeviceID, key string, certs ...tls.Certificate) {
		t.Helper()
		if _, ack, err := n.show(trust, id, key, certs...); err != nil || ack.Code != mqtt.Success {
			t.Errorf("%s: %+v, %v", what, ack, err)
		}
	}
	no := func(what, says string, id tandem.DeviceID, key string, certs ...tls.Certificate) {
		t.Helper()
		_, ack, err := n.show(trust, id, key, certs...)
		said := ""
		switch {
		case err != nil:
			said = err.Error()
		case ack != nil && ack.Code.Failed():
			said = ack.Props.ReasonString
		}
		if said == "" || !strings.Contains(said, says) {
			t.Errorf("%s: %q, %+v, %v", what, said, ack, err)
		}
	}
	no("another device's", "is that of device "+string(id), idB, keyB, good)
	no("self-signed", "", id, key, (&maker{t: t}).device(id))
	no("expired", "", id, "", ours.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: string(id)}, NotAfter: time.Now().Add(-time.Second),
	}))
	no("not valid yet", "", id, "", ours.issue(&x509.Certificate{
		Subject:   pkix.Name{CommonName: string(id)},
		NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour),
	}))
	no("of another authority", "", id, "", other.device(id))
	no("none", "user name", id, "")
	no("huge", "", id, "", ours.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: string(id)}, DNSNames: many(20_000),
	}))
	ok("the key", idB, keyB)
	ok("the certificate again", id, "", good)
	if bye := c.disconnected(); !strings.Contains(bye, "taken over") {
		t.Errorf("the first connection has ended with %q", bye)
	}
}

// claim makes a claim code for a device.
func (r *running) claim(id tandem.DeviceID) string {
	r.t.Helper()
	code := enrol.NewCode()
	_, err := r.Central.Store.AddClaims(r.t.Context(), []record.ClaimCode{
		{Hash: record.Hash(string(code)), Device: id, Expires: time.Now().Add(time.Hour)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return code.String()
}

func trusting(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config.Clone()}}
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.Repeat("x", 20) + ".example.com"
	}
	return list
}

// TestAuthoritiesChange: the files are read again, without a restart, and a damaged one changes
// nothing.
func TestAuthoritiesChange(t *testing.T) {
	cert, trust := certificate(t)
	ours, other := newMaker(t), newMaker(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, file, ours.pem())
	n := start(t, &Server{MQTTS: "127.0.0.1:0", Certificate: &cert, ClientCAs: []string{file}})
	id, _, _ := n.pair()
	accepted := func(c tls.Certificate) bool {
		_, ack, err := n.show(trust, id, "", c)
		return err == nil && ack.Code == mqtt.Success
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !ok(); {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
			<-time.After(50 * time.Millisecond)
		}
	}
	a, b := ours.device(id), other.device(id)
	if !accepted(a) || accepted(b) {
		t.Fatal("only the first authority is known")
	}
	writeFile(t, file, ours.pem(), other.pem())
	until("the second authority is not known", func() bool { return accepted(b) })
	writeFile(t, file, []byte("what was written by mistake"))
	for range 3 {
		<-time.After(lookEvery / 2)
		if !accepted(a) || !accepted(b) {
			t.Error("a damaged file takes the authorities away")
		}
	}
	writeFile(t, file, other.pem())
	until("the first authority is still known", func() bool { return !accepted(a) })
	if !accepted(b) {
		t.Error("the second authority is gone, too")
	}
}

// TestCertificateEnds: a connection ends when its certificate does, and when that is revoked.
func TestCertificateEnds(t *testing.T) {
	cert, trust := certificate(t)
	ours := newMaker(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, file, ours.pem())
	n := start(t, &Server{MQTTS: "127.0.0.1:0", Certificate: &cert, ClientCAs: []string{file}})
	id, _, _ := n.pair()
	short := func(life time.Duration) tls.Certificate {
		ends := time.Now().Add(life).Truncate(time.Second)
		return ours.issue(&x509.Certificate{Subject: pkix.Name{CommonName: string(id)}, NotAfter: ends})
	}
	for what, issue := range map[string]func(time.Duration) tls.Certificate{
		"expired": short,
		"revoked": func(time.Duration) tls.Certificate { return ours.device(id) },
	} {
		life := 2 * time.Second
		d, ack, err := n.show(trust, id, "", issue(life))
		for (err != nil || ack.Code != mqtt.Success) && life < patience { // it has ended before it was shown
			life *= 2
			d, ack, err = n.show(trust, id, "", issue(life))
		}
		if err != nil || ack.Code != mqtt.Success {
			t.Fatalf("%s: %+v, %v", what, ack, err)
		}
		if what == "revoked" {
			list, err := n.Central.Store.Certificates(t.Context(), id)
			if err != nil || len(list) == 0 {
				t.Fatal(list, err)
			}
			for _, x := range list {
				if err := n.Central.Store.RevokeCertificate(t.Context(), id, x.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		bye := d.disconnected()
		if !strings.HasPrefix(bye, "not authorized: the certificate") || !strings.Contains(bye, what) {
			t.Errorf("%s: %s", what, bye)
		}
	}
}

// TestEnrolledCertificate: a device that enrols gets a certificate, with which alone it is let in
// by TLS and by WebSocket, and talks to its agent.
func TestEnrolledCertificate(t *testing.T) {
	cert, trust := certificate(t)
	n := start(t, &Server{MQTTS: "127.0.0.1:0", Certificate: &cert, DeviceAuth: central.CertificateAuth})
	id, _, url := n.pair()
	code := n.claim(id)
	for _, link := range []string{"", "tls://" + n.MQTTS} {
		e := &enrol.Enrolment{
			Dir: filepath.Join(t.TempDir(), "device"), Server: n.URL, Link: link, Certificate: true, HTTP: trusting(trust),
		}
		if _, err := e.Run(t.Context(), code); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		device := &runner.Runner{Dir: e.Dir, TLS: trust.Clone(), Logger: slog.New(slog.NewTextHandler(&said, nil))}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- device.Run(ctx) }()
		status, body := n.get(url, trust)
		stop()
		if err := <-ended; err != nil || status != 200 || body != "42" {
			t.Fatalf("%s: %d %q, %v\n%s", link, status, body, err, said.String())
		}
		code = n.claim(id)
	}
}

// TestBadAuthorities: a node does not start with authorities that it cannot use.
func TestBadAuthorities(t *testing.T) {
	cert, _ := certificate(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	writeFile(t, empty)
	for says, s := range map[string]*Server{
		"no such file": {Certificate: &cert, ClientCAs: []string{"nowhere.pem"}},
		"in PEM":       {Certificate: &cert, ClientCAs: []string{empty}},
		"need TLS":     {ClientCAs: []string{empty}},
		`"fingers"`:    {DeviceAuth: "fingers"},
	} {
		s.Dir = t.TempDir()
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestRevokedElsewhere: a device that is connected to one node of a cluster is revoked at
// another. Its connection ends within a second, and no node lets it in again.
func TestRevokedElsewhere(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t)}
	first, second := f.add(), f.add()
	second.until("two nodes", func() bool { return second.settled(2) })
	p := f.pairs(3, central.Code{Agent: "// none"})
	dial := func(n *running) net.Conn {
		t.Helper()
		nc, err := net.Dial("tcp", n.MQTT)
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	gone := make([]time.Duration, len(p))
	var all sync.WaitGroup
	for i := range p {
		d, ack, err := connect(t, dial(second), p[i].id, p[i].key)
		if err != nil || ack.Code != mqtt.Success {
			t.Fatalf("%+v, %v", ack, err)
		}
		all.Go(func() {
			began := time.Now()
			if err := first.Central.Store.RevokeDevice(t.Context(), p[i].id); err != nil {
				t.Error(err)
			}
			if bye := d.disconnected(); !strings.Contains(bye, "was revoked: enrol it again") {
				t.Error(bye)
			}
			gone[i] = time.Since(began)
		})
	}
	all.Wait()
	t.Logf("the connections have ended after %v", gone)
	for i := range p {
		for _, n := range f.nodes {
			_, ack, err := connect(t, dial(n), p[i].id, p[i].key)
			if err != nil || ack.Code != mqtt.NotAuthorized || !strings.Contains(ack.Props.ReasonString, "was revoked") {
				t.Errorf("%+v, %v", ack, err)
			}
		}
	}
}

// TestRotatedElsewhere: a device at one node gets the new key that another was asked for, and
// has it after both nodes and the device were stopped in turn.
func TestRotatedElsewhere(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t)}
	first, second := f.add(), f.add()
	second.until("two nodes", func() bool { return second.settled(2) })
	p := f.pairs(1, central.Code{Agent: "// none"})[0]
	dir := t.TempDir()
	run := func(at *running) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			ended <- (&runner.Runner{ID: p.id, Key: p.key, Addr: "tcp://" + at.MQTT, Dir: dir}).Run(ctx)
		}()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	stop := run(second)
	second.until("the device is connected", func() bool { return second.Central.Host.Online(p.id) })
	if _, err := first.Central.Store.RotateKey(t.Context(), p.id, nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	second.until("the device has the key", func() bool {
		who, err := enrol.Load(dir)
		return err == nil && len(who.Keys) == 2
	})
	stop()
	stop = run(first)
	defer func() { stop() }()
	first.until("the new key is used", func() bool {
		c, err := first.Central.Store.Credentials(t.Context(), p.id)
		return err == nil && c.Rotation == ""
	})
	first.until("the old key is forgotten", func() bool {
		who, err := enrol.Load(dir)
		return err == nil && len(who.Keys) == 1 && who.Keys[0] != p.key
	})
	for _, n := range f.nodes {
		nc, err := net.Dial("tcp", n.MQTT)
		if err != nil {
			t.Fatal(err)
		}
		if _, ack, err := connect(t, nc, p.id, p.key); err != nil || ack.Code != mqtt.NotAuthorized {
			t.Errorf("the old key: %+v, %v", ack, err)
		}
	}
}

// TestAuthorityUnreadable: when the installation's authority cannot be read, clients without a
// certificate, and those of other authorities, are served; and all are when it can be read again.
func TestAuthorityUnreadable(t *testing.T) {
	cert, trust := certificate(t)
	ours, own := newMaker(t), newMaker(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, file, ours.pem())
	var said bytes.Buffer
	broken := true
	a := &authorities{files: []string{file}, base: &tls.Config{Certificates: []tls.Certificate{cert}}}
	a.logger = slog.New(slog.NewTextHandler(&said, nil))
	a.own = func(context.Context) (*x509.Certificate, error) {
		if broken {
			return nil, tandem.Errorf(tandem.Unavailable, "no database")
		}
		return own.cert, nil
	}
	a.base.ClientAuth = tls.VerifyClientCertIfGiven
	config := a.base.Clone()
	config.GetConfigForClient = a.forClient
	shake := func(certs ...tls.Certificate) bool {
		t.Helper()
		there, here := net.Pipe()
		defer there.Close()
		server := tls.Server(here, config)
		go func() {
			client := trust.Clone()
			client.ServerName = "127.0.0.1"
			if len(certs) > 0 {
				client.GetClientCertificate = show(&certs[0])
			}
			c := tls.Client(there, client)
			if c.Handshake() == nil {
				c.Read(make([]byte, 1)) // what is refused is said after the client has shaken hands
			}
		}()
		return server.Handshake() == nil
	}
	id := tandem.DeviceID("0123456789abcdef")
	for _, want := range []bool{false, true} {
		broken, a.looked = !want, time.Time{}
		got := []bool{shake(), shake(ours.device(id)), shake(own.device(id))}
		if !slices.Equal(got, []bool{true, true, want}) {
			t.Errorf("with the authority %v: %v", want, got)
		}
	}
	if n := strings.Count(said.String(), "no database"); n != 1 {
		t.Errorf("it is said %d times: %s", n, said.String())
	}
}

// TestClaimAtTwoNodes: two devices use one code at two nodes of a cluster at the same time. One
// gets an identity, and the other is told why not.
func TestClaimAtTwoNodes(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t)}
	first, second := f.add(), f.add()
	second.until("two nodes", func() bool { return second.settled(2) })
	g, err := first.Central.EnsureGroup(t.Context(), "dev", "dev")
	if err != nil {
		t.Fatal(err)
	}
	const codes = 10
	for range codes {
		code := enrol.NewCode()
		_, err := first.Central.Store.AddClaims(t.Context(), []record.ClaimCode{
			{Hash: record.Hash(string(code)), Group: g.ID, Creator: g.Owner, Expires: time.Now().Add(time.Hour)},
		})
		if err != nil {
			t.Fatal(err)
		}
		var racing sync.WaitGroup
		errs := make([]error, 2)
		for i, n := range []*running{first, second} {
			racing.Go(func() {
				_, errs[i] = (&enrol.Enrolment{Dir: t.TempDir(), Server: n.URL}).Run(t.Context(), code.String())
			})
		}
		racing.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || tandem.KindOf(cmp.Or(errs[0], errs[1])) != tandem.Conflict {
			t.Errorf("%v", errs)
		}
	}
	made, _, err := second.Central.Store.Devices(t.Context(), store.DeviceFilter{Owner: g.Owner}, store.Page{})
	if err != nil || len(made) != codes {
		t.Errorf("%d devices, %v", len(made), err)
	}
}
