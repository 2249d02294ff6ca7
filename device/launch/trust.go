package launch

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"github.com/tandem-iot/tandem"
)

// trust are the options about certificates.
type trust struct {
	CA         string `name:"ca" placeholder:"FILE" env:"TANDEM_DEVICE_CA" help:"${help_ca}"`
	ClientCert string `placeholder:"FILE" env:"TANDEM_DEVICE_CLIENT_CERT" help:"${help_client_cert}"`
	ClientKey  string `placeholder:"FILE" env:"TANDEM_DEVICE_CLIENT_KEY" help:"Private key in PEM for --client-cert."`
}

// config returns the configuration of TLS for a node, nil for that of the system.
func (t *trust) config(node string) (*tls.Config, error) {
	secure := strings.HasPrefix(node, "tls:") || strings.HasPrefix(node, "wss:")
	switch {
	case *t == trust{}:
		return nil, nil
	case !secure:
		return nil, tandem.Errorf(tandem.Invalid, "%s is not encrypted: with certificates use tls:// or wss://", node)
	case (t.ClientCert == "") != (t.ClientKey == ""):
		return nil, tandem.Errorf(tandem.Invalid, "--client-cert and --client-key go together")
	}
	c, err := t.authorities()
	if err != nil || t.ClientCert == "" {
		return c, err
	}
	if c == nil {
		c = &tls.Config{}
	}
	// What is wrong with it now is said now. Later it may be renewed while the device runs.
	if _, err := t.certificate(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.certificate() }
	return c, nil
}

// authorities returns a configuration with those of --ca, nil for those of the system.
func (t *trust) authorities() (*tls.Config, error) {
	if t.CA == "" {
		return nil, nil
	}
	return Authorities(t.CA)
}

// Authorities returns a configuration of TLS that trusts the certificates in a file, in PEM.
func Authorities(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "--ca", Err: err}
	}
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, tandem.Errorf(tandem.Invalid, "--ca %s has no certificate in PEM", file)
	}
	return c, nil
}

func (t *trust) certificate() (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(t.ClientCert, t.ClientKey)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "--client-cert " + t.ClientCert, Err: err}
	}
	return &c, nil
}
