package launch

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/device/runner"
)

// Enrolling are the options about how a device gets its identity.
type Enrolling struct {
	Server      string `placeholder:"URL" env:"TANDEM_DEVICE_SERVER" help:"${help_enrol_server}"`
	Certificate bool   `help:"${help_enrol_certificate}"`
}

// Enrolment returns how the device of a directory enrols. node is where it will connect, "" for
// the server by WebSocket; trust is for HTTPS, nil for that of the system. It fails when an address
// is invalid, so that no code is used for a device that cannot connect.
func (e *Enrolling) Enrolment(dir, node string, trust *tls.Config) (*enrol.Enrolment, error) {
	if e.Server != "" {
		if err := enrol.CheckServer(e.Server); err != nil {
			return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "--server", Err: err}
		}
	}
	if node != "" {
		if err := runner.CheckAddr(node); err != nil {
			return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "--node", Err: err}
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	return &enrol.Enrolment{
		Dir: dir, Server: e.Server, Link: node, Certificate: e.Certificate,
		HTTP: &http.Client{Transport: transport, Timeout: time.Minute},
	}, nil
}

// enrol has the device of a directory enrol with the claim code, until it has. One that has an
// identity already runs with it if the code is not good.
func (o *Options) enrol(ctx context.Context, dir string, log *slog.Logger) error {
	authorities, err := o.authorities()
	if err != nil {
		return err
	}
	e, err := o.Enrolment(dir, o.Node, authorities)
	if err != nil {
		return err
	}
	who, err := e.Insist(ctx, o.Claim, func(err error, wait time.Duration) {
		log.Warn("the device has not enrolled; it is tried again", "err", err, "wait", wait)
	})
	if err != nil && who.Device != "" && ctx.Err() == nil {
		log.Error("the claim code is not used; the device runs with the identity that it has", "err", err)
		return nil
	}
	if _, invalid := enrol.ParseTicket(o.Claim); invalid != nil {
		return &tandem.Error{Kind: tandem.Invalid, Msg: "--claim", Err: invalid}
	}
	return err
}
