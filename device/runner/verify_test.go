package runner

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

const year = 365 * 24 * time.Hour

// today is the time in the tests of certificates.
var today = time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC)

// authority signs certificates for servers.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, KeyUsage: x509.KeyUsageCertSign,
		IsCA: true, BasicConstraintsValid: true,
		NotBefore: today.Add(-10 * year), NotAfter: today.Add(20 * year),
	})
	return a
}

func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(7)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// TestVerify: a device whose clock is years behind connects by TLS, and to no other server than
// one whose clock is right.
func TestVerify(t *testing.T) {
	a := newAuthority(t)
	for _, tt := range []struct {
		what     string
		at       time.Time // of the device
		least    bool
		name     string // of the server, as the device has it
		stranger bool   // another authority has signed
		wrong    string
	}{
		{what: "all is right", at: today},
		{what: "in 1970, and the certificate is valid when the server last told the time", at: today, least: true},
		{what: "in 1970, and the certificate was renewed since", at: today.Add(-3 * year), least: true},
		{what: "in 1970, and the certificate had expired when the server last told the time",
			at: today.Add(3 * year), least: true, wrong: "not valid at"},
		{what: "the clock is right, and the certificate not yet valid", at: today.Add(-3 * year), wrong: "not valid at"},
		{what: "50 years ahead", at: today.Add(50 * year), wrong: "set the clock"},
		{what: "another name", at: today, name: "other.example", wrong: "other.example"},
		{what: "another name, in 1970", at: today, least: true, name: "other.example", wrong: "other.example"},
		{what: "an address", at: today, name: "192.0.2.7"},
		{what: "another address", at: today, name: "192.0.2.8", wrong: "192.0.2.8"},
		{what: "another authority", at: today, stranger: true, wrong: "authority"},
		{what: "another authority, in 1970", at: today, least: true, stranger: true, wrong: "authority"},
	} {
		signer := a
		if tt.stranger {
			signer = newAuthority(t)
		}
		cert, key := signer.sign(&x509.Certificate{
			DNSNames: []string{"node.example"}, IPAddresses: []net.IP{net.ParseIP("192.0.2.7")},
			NotBefore: today.Add(-30 * 24 * time.Hour), NotAfter: today.Add(year),
		})
		roots := x509.NewCertPool()
		roots.AddCert(a.cert)
		name := "node.example"
		if tt.name != "" {
			name = tt.name
		}
		r := &Runner{TLS: &tls.Config{RootCAs: roots}}
		r.verify.use(tt.at, tt.least)
		config := r.tlsConfig(name)
		config.ServerName = name
		err := handshake(t, config, tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key})
		if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.wrong)
		}
	}
}

// handshake returns the client's error.
func handshake(t *testing.T, config *tls.Config, cert tls.Certificate) error {
	one, two := net.Pipe()
	server := tls.Server(two, &tls.Config{Certificates: []tls.Certificate{cert}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Handshake() // the client's error is what is looked at
		two.Close()
	}()
	err := tls.Client(one, config).Handshake()
	one.Close()
	<-done
	return err
}

// TestVerifyOwn: what the owner of the configuration has decided stays.
func TestVerifyOwn(t *testing.T) {
	clock := func() time.Time { return today }
	for _, own := range []*tls.Config{{InsecureSkipVerify: true}, {Time: clock}} {
		r := &Runner{TLS: own}
		got := r.tlsConfig("node.example")
		if got.VerifyConnection != nil || got.InsecureSkipVerify != own.InsecureSkipVerify {
			t.Error("the configuration is changed")
		}
	}
}
