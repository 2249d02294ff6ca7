package mesh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Identity is a run's key pair. The other nodes know the run by the hash of the public
// key, which they read from the cluster's database; so those who can write that database
// are the cluster, and nothing in it is secret. The private key is never stored.
type Identity struct {
	key  string
	cert tls.Certificate
}

// NewIdentity makes a key pair, with a certificate that has nothing but the public key.
// It has no time in which it is valid: a key is valid as long as it is in the database,
// whatever the nodes' clocks say.
func NewIdentity() (*Identity, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the node's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "tandem node"},
		NotAfter:     time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, fmt.Errorf("making the node's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the node's certificate: %w", err)
	}
	return &Identity{
		key:  keyOf(cert),
		cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: cert},
	}, nil
}

// Key returns the hash of the public key, for the database.
func (i *Identity) Key() string { return i.key }

func keyOf(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// wireProtocol is what both ends of a link must speak. Nodes whose frames or links differ
// have different ones, so that they refuse each other before anything is said.
const wireProtocol = "tandem-nodes-1"

var (
	errProtocol = errors.New("it speaks another version of the protocol between nodes")
	errUnknown  = errors.New("its key is not that of a node of this cluster")
	errOtherKey = errors.New("another process, or another run of the node, answers there")
)

// config returns the TLS configuration of an end of a link. accept checks the hash of the
// other end's public key, once the other end has proved that it has the private key.
// Certificates are not verified otherwise: the key is all that counts.
func (i *Identity) config(accept func(key string) error) *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{i.cert},
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{wireProtocol},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // see accept
		SessionTicketsDisabled: true,
		VerifyConnection: func(c tls.ConnectionState) error {
			if c.NegotiatedProtocol != wireProtocol {
				return errProtocol
			}
			if len(c.PeerCertificates) == 0 {
				return errUnknown
			}
			return accept(keyOf(c.PeerCertificates[0]))
		},
	}
}
