package central

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// authority issues the certificates of the installation's devices. All nodes of a cluster have
// the same one, from the database.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// noEnd is the end of a certificate that does not expire, as RFC 5280 has it. A device's
// certificate must not end while the device is away; it is revoked in the database instead.
var noEnd = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// clocksDiffer is how much earlier than now a certificate begins.
const clocksDiffer = time.Hour

// authority returns the installation's authority, which is made when it is first needed.
func (s *Service) authority(ctx context.Context) (*authority, error) {
	s.setUp()
	if a := s.issuer.Load(); a != nil {
		return a, nil
	}
	r, err := s.Store.Authority(ctx, newAuthority)
	if err != nil {
		return nil, err
	}
	a := &authority{}
	if a.certificate, err = x509.ParseCertificate(r.Certificate); err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(r.Key)
	if err != nil {
		return nil, err
	}
	a.key = key.(crypto.Signer) // all that ParsePKCS8PrivateKey returns for our key are
	s.issuer.Store(a)
	return a, nil
}

// Authority returns the certificate of the installation's authority.
func (s *Service) Authority(ctx context.Context) (*x509.Certificate, error) {
	a, err := s.authority(ctx)
	if err != nil {
		return nil, err
	}
	return a.certificate, nil
}

func newAuthority() (r record.Authority, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return r, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Tandem devices " + newID()},
		NotBefore: now.Add(-clocksDiffer), NotAfter: noEnd, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	if r.Certificate, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); err != nil {
		return r, err
	}
	r.Key, err = x509.MarshalPKCS8PrivateKey(key)
	return r, err
}

// newID distinguishes the authorities of installations for people.
func newID() string { return tandem.NewKey()[:8] }

func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// issueCertificate makes and notes a certificate of a device for the key of a request. It returns the
// certificate in PEM.
func (s *Service) issueCertificate(ctx context.Context, id tandem.DeviceID, csr []byte) (string, error) {
	request, err := x509.ParseCertificateRequest(csr)
	if err == nil {
		err = request.CheckSignature()
	}
	if err != nil || !usable(request.PublicKey) {
		return "", &tandem.Error{Kind: tandem.Invalid, Msg: "the request for a certificate cannot be used", Err: errNoRequest}
	}
	a, err := s.authority(ctx)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: string(id)},
		NotBefore: time.Now().Add(-clocksDiffer), NotAfter: noEnd, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, request.PublicKey, a.key)
	if err != nil {
		return "", err
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	if err := s.Store.AddCertificates(ctx, []record.Certificate{certificateOf(x, id)}); err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

// usable reports whether a public key is one that TLS clients use, of a size that costs little
// to verify.
func usable(public any) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return true
	case *rsa.PublicKey:
		return k.Size() >= 256 && k.Size() <= 512
	}
	return false
}

func (c *call) getAuthority() error {
	x, err := c.Authority(c.ctx)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, object{
		Type: "authority", ID: "devices", Links: map[string]string{"self": c.URL + "/v5/authority"},
		Attributes: map[string]any{
			"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.Raw})),
			"subject":     x.Subject.String(),
		},
		Relationships: map[string]ref{},
	})
}

// addCertificate issues a certificate for a device.
func (c *call) addCertificate() error {
	var in struct {
		CSR []byte `json:"csr"`
	}
	if _, err := c.readAs(shape{types: []string{"certificate"}}, &in); err != nil {
		return err
	}
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	if d.IsRevoked() {
		return tandem.Errorf(tandem.Conflict, "device %s is revoked: enrol it again first", d.ID)
	}
	text, err := c.issueCertificate(c.ctx, d.ID, in.CSR)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusCreated, object{
		Type: "certificate", ID: string(d.ID), Links: c.self("devices", string(d.ID)+"/credentials"),
		Attributes:    map[string]any{"certificate": text},
		Relationships: map[string]ref{"device": {"device", string(d.ID)}},
	})
}
