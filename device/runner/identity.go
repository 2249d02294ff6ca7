package runner

import (
	"cmp"
	"crypto/tls"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/device/identity"
)

// identify fills in what was left out, and what the directory has since the device enrolled: its
// id, where it connects, and its certificate. The core reads the keys itself.
func (r *Runner) identify() error {
	if r.Dir == "" {
		return nil
	}
	who, err := enrol.Load(r.Dir)
	switch {
	case err != nil && (r.ID == "" || r.Key == ""):
		return err
	case err != nil: // the core says what is damaged
		return nil
	case r.ID == "" && who.Device == "":
		return tandem.Errorf(tandem.Invalid, "the directory %s has no identity: enrol the device with a claim code, "+
			"or give its id and key", r.Dir)
	}
	r.ID = cmp.Or(r.ID, who.Device)
	if r.ID != who.Device {
		return nil
	}
	r.Addr = cmp.Or(r.Addr, who.Server)
	return r.showCertificate(who)
}

// showCertificate has TLS show the device's certificate, unless the operator's is shown.
func (r *Runner) showCertificate(who identity.Identity) error {
	if who.Certificate == "" || r.TLS != nil && (len(r.TLS.Certificates) > 0 || r.TLS.GetClientCertificate != nil) {
		return nil
	}
	pair, err := tls.X509KeyPair([]byte(who.Certificate), []byte(who.PrivateKey))
	if err != nil {
		return &tandem.Error{Kind: tandem.Invalid, Msg: "the device's certificate cannot be used", Err: err}
	}
	config := r.TLS.Clone() // nil stays nil
	if config == nil {
		config = new(tls.Config)
	}
	config.Certificates = []tls.Certificate{pair}
	r.TLS = config
	return nil
}
