package runner

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
)

// A board without a battery begins in 1970, when no certificate is valid, and it may well need
// the network to get the time. So certificates are verified by the latest time that the device
// has reason to believe in: its clock's, what the server has once told, and the time at which
// this program was built. When the clock is behind one of the others it is wrong, and a
// certificate that would only become valid later is taken: the time may be later.

// verification is the time by which certificates are verified.
type verification struct{ set atomic.Pointer[verifyTime] }

type verifyTime struct {
	at    time.Time
	least bool // the clock is wrong; it is at or later
}

// built returns when this program was made, as far as the build says so; else a time that
// is before any other.
var built = sync.OnceValue(func() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return t
			}
		}
	}
	return time.Time{}
})

// use sets the time for the next connection.
func (v *verification) use(at time.Time, least bool) {
	if made := built(); at.Before(made) {
		at, least = made, true
	}
	v.set.Store(&verifyTime{at, least})
}

// tlsConfig returns the configuration for connections to the server, whose host has a name. What
// the owner of r.TLS has decided about verification stays.
func (r *Runner) tlsConfig(name string) *tls.Config {
	config := r.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.InsecureSkipVerify || config.Time != nil {
		return config
	}
	name = cmp.Or(config.ServerName, name)
	roots, also := config.RootCAs, config.VerifyConnection
	config.InsecureSkipVerify = true // VerifyConnection does all of it, by another clock
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if err := r.verify.check(state.PeerCertificates, roots, name); err != nil {
			return err
		}
		if also != nil {
			return also(state)
		}
		return nil
	}
	return config
}

// check verifies a server's certificates, of which the first is its own.
func (v *verification) check(chain []*x509.Certificate, roots *x509.CertPool, name string) error {
	if len(chain) == 0 {
		return tandem.Errorf(tandem.Invalid, "the server has shown no certificate")
	}
	now := verifyTime{at: time.Now()}
	if set := v.set.Load(); set != nil {
		now = *set
	}
	options := x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now.at, Intermediates: x509.NewCertPool()}
	for i, c := range chain {
		if i > 0 {
			options.Intermediates.AddCert(c)
		}
		if now.least && c.NotBefore.After(options.CurrentTime) {
			options.CurrentTime = c.NotBefore
		}
	}
	_, err := chain[0].Verify(options)
	if invalid := (x509.CertificateInvalidError{}); errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return &tandem.Error{Kind: tandem.Invalid, Err: err, Msg: "the server's certificate is not valid at " +
			options.CurrentTime.UTC().Format(time.RFC3339) + ", the time by this device's clock: " +
			"set the clock if it is wrong, or renew the certificate"}
	}
	return err
}
