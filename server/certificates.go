package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
)

// checkAuth checks what was said about devices' keys and certificates.
func (n *node) checkAuth() error {
	if n.Certificate == nil && len(n.ClientCAs) > 0 {
		return tandem.Errorf(tandem.Invalid,
			"--client-ca is for certificates of devices, which need TLS: give the node --cert and --key, and --mqtts")
	}
	switch n.DeviceAuth {
	case "", central.AnyAuth, central.KeyAuth, central.CertificateAuth, central.BothAuth:
	default:
		return tandem.Errorf(tandem.Invalid,
			"devices cannot be asked for %q: any, key, certificate and both are known", n.DeviceAuth)
	}
	return readAuthorities(n.ClientCAs)
}

// authorities are those whose certificates devices may show: that of the installation, and the
// operator's, whose files are read again when they have changed.
type authorities struct {
	files  []string
	own    func(context.Context) (*x509.Certificate, error) // the installation's
	logger *slog.Logger
	base   *tls.Config // of the listener
	trusted
}

// trusted is what the files said last, under its lock.
type trusted struct {
	mu      sync.Mutex
	looked  time.Time       // when the files were last looked at
	states  []fileState     // of the files that config is made of
	config  *tls.Config     // nil: not made yet
	partial bool            // not all authorities could be read for it
	failed  map[string]bool // what was complained about
}

// fileState tells two contents of a file apart.
type fileState struct {
	size    int64
	changed time.Time
}

// lookEvery is how often the files are looked at, at most.
const lookEvery = time.Second

// readAuthorities reads the operator's files, which must be good when the node starts.
func readAuthorities(files []string) error {
	for _, name := range files {
		if _, err := readAuthority(name); err != nil {
			return err
		}
	}
	return nil
}

// readAuthority returns the certificates in a file.
func readAuthority(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tandem.Errorf(tandem.Invalid, "--client-ca %s: there is no such file", name)
	}
	if err != nil {
		return nil, err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return nil, tandem.Errorf(tandem.Invalid, "--client-ca %s has no certificate in PEM", name)
	}
	return text, nil
}

// forClient returns the configuration for a new connection; tls.Config.GetConfigForClient calls it.
func (a *authorities) forClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.config != nil && now.Sub(a.looked) < lookEvery {
		return a.config, nil
	}
	a.looked = now
	if states := statesOf(a.files); a.config == nil || a.partial || !slices.Equal(states, a.states) {
		pool, err := a.pool(hello.Context())
		if err != nil {
			a.complain(err)
		}
		if err == nil || a.config == nil { // else those of before stay until all are good again
			a.config = a.base.Clone()
			a.config.ClientCAs = pool
			a.partial = err != nil
			a.states = states
		}
	}
	return a.config, nil
}

func statesOf(files []string) []fileState {
	states := make([]fileState, len(files))
	for i, name := range files {
		if info, err := os.Stat(name); err == nil {
			states[i] = fileState{info.Size(), info.ModTime()}
		}
	}
	return states
}

// pool returns the authorities that can be read. Clients that show no certificate do not depend
// on the others.
func (a *authorities) pool(ctx context.Context) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	own, err := a.own(ctx)
	if err == nil {
		pool.AddCert(own)
	}
	errs := []error{err}
	for _, name := range a.files {
		text, err := readAuthority(name)
		errs = append(errs, err)
		pool.AppendCertsFromPEM(text)
	}
	return pool, errors.Join(errs...)
}

// complain says once that files cannot be used.
func (a *authorities) complain(err error) {
	if text := err.Error(); !a.failed[text] {
		if a.failed == nil {
			a.failed = map[string]bool{}
		}
		a.failed[text] = true
		a.logger.Error("an authority for certificates of devices cannot be read; those of before are used", "err", err)
	}
}

// withCertificates has a listener's clients show certificates, if they have some of the
// authorities.
func (n *node) withCertificates(base *tls.Config) *tls.Config {
	base = base.Clone()
	base.ClientAuth = tls.VerifyClientCertIfGiven
	config := base.Clone()
	// The control plane is made after the listeners, and before they accept connections.
	own := func(ctx context.Context) (*x509.Certificate, error) { return n.central.Authority(ctx) }
	config.GetConfigForClient = (&authorities{files: n.ClientCAs, own: own, logger: n.logger, base: base}).forClient
	return config
}
