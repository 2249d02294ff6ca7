package launch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issue makes a certificate of itself for a name, with its key, in files called after it.
func issue(t *testing.T, dir, name string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: pkcs},
	} {
		if err := os.WriteFile(filepath.Join(dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
}

// handshake connects to a server with a certificate, and returns the serial number of ours.
func handshake(t *testing.T, config *tls.Config, server tls.Certificate) (serial int64, err error) {
	t.Helper()
	// A pipe would not do: each side may write while the other does.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert})
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		done <- s.Handshake()
	}()
	config = config.Clone()
	config.ServerName = "node"
	err = tls.Client(b, config).Handshake()
	b.Close()
	if err := errors.Join(err, <-done); err != nil {
		return 0, err
	}
	if own := s.ConnectionState().PeerCertificates; len(own) > 0 {
		serial = own[0].SerialNumber.Int64()
	}
	return serial, nil
}

// TestTrust: the node must have a certificate of the given authority, and gets the device's, also
// after that was renewed.
func TestTrust(t *testing.T) {
	dir := t.TempDir()
	node, nodeKey := issue(t, dir, "node", 1)
	stranger, _ := issue(t, dir, "stranger", 2)
	own, ownKey := issue(t, dir, "own", 3)
	server, err := tls.LoadX509KeyPair(node, nodeKey)
	if err != nil {
		t.Fatal(err)
	}
	config, err := (&trust{CA: node, ClientCert: own, ClientKey: ownKey}).config("tls://node")
	if err != nil {
		t.Fatal(err)
	}
	if serial, err := handshake(t, config, server); err != nil || serial != 3 {
		t.Errorf("the node sees certificate %d, %v", serial, err)
	}
	issue(t, dir, "own", 4)
	if serial, err := handshake(t, config, server); err != nil || serial != 4 {
		t.Errorf("after it was renewed the node sees certificate %d, %v", serial, err)
	}
	if config, err = (&trust{CA: stranger}).config("wss://node"); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(t, config, server); err == nil {
		t.Error("a node of another authority is trusted")
	}
	if config, err := new(trust).config("tls://node"); config != nil || err != nil {
		t.Errorf("without options: %v, %v", config, err)
	}
}

func TestTrustRefused(t *testing.T) {
	dir := t.TempDir()
	cert, key := issue(t, dir, "own", 1)
	for _, tc := range []struct {
		trust
		node, want string
	}{
		{trust{CA: cert}, "tcp://node", "use tls:// or wss://"},
		{trust{ClientCert: cert, ClientKey: key}, "ws://node", "use tls:// or wss://"},
		{trust{ClientCert: cert}, "tls://node", "go together"},
		{trust{ClientKey: key}, "tls://node", "go together"},
		{trust{CA: key}, "tls://node", "has no certificate"},
		{trust{CA: cert + "s"}, "tls://node", cert + "s"},
		{trust{ClientCert: key, ClientKey: cert}, "tls://node", "--client-cert " + key},
	} {
		if _, err := tc.config(tc.node); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %s", tc, err, tc.want)
		}
	}
}
