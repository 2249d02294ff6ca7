package gateway

import (
	"context"
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// refusal is why a device is not let in.
type refusal struct {
	code mqtt.Reason
	why  string
}

// connect lets the device in, or not. The lock is held, but not while others
// are asked.
func (c *conn) connect(p *mqtt.Connect) {
	c.mu.Unlock()
	no := c.admit(p)
	c.mu.Lock()
	if c.leaving {
		return
	}
	if no == nil {
		c.must(c.session.Accept(time.Now(), c.terms(p), nil))
		return
	}
	c.g.Logger.Info("device is not let in: "+no.why, "client", p.ClientID, "address", c.nc.RemoteAddr())
	c.must(c.session.Refuse(no.code, &mqtt.Properties{ReasonString: no.why}))
	c.leaving = true
}

// admit finds out who wants to be let in and tells the host. It returns why not.
func (c *conn) admit(p *mqtt.Connect) *refusal {
	name := p.ClientID
	if name == "" { // allowed in v5, where it can be told
		name = p.Username
	}
	id := tandem.DeviceID(strings.ToLower(name))
	if !id.Valid() {
		return &refusal{mqtt.ClientIDInvalid, "the client id must be the device id, 16 hexadecimal digits"}
	}
	want, ok := formats[first(p.Props.Get("format"))]
	if !ok {
		return &refusal{mqtt.UnspecifiedError, "the format must be json, compact or cbor"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
	defer cancel()
	if no := c.authenticate(ctx, id, p); no != nil {
		return no
	}
	c.mu.Lock()
	c.id, c.want, c.v5 = id, want, p.Version >= mqtt.V5
	c.connected = time.Now()
	c.mu.Unlock()
	c.g.identify(c)
	err := c.g.Host.Connect(ctx, id, c, c.seq+1, address(c))
	switch tandem.KindOf(err) {
	case tandem.NotFound:
		return &refusal{mqtt.NotAuthorized, keyText}
	default:
		if err != nil {
			return c.unavailable(err)
		}
	}
	return nil
}

const keyText = "there is no such device, or this is not its key"

func (c *conn) authenticate(ctx context.Context, id tandem.DeviceID, p *mqtt.Connect) *refusal {
	if c.certified == id {
		return nil
	}
	if !strings.EqualFold(p.Username, string(id)) || !p.HasPassword {
		return &refusal{mqtt.BadCredentials, "the user name must be the device id and the password its key"}
	}
	err := c.g.Authenticate(ctx, id, string(p.Password))
	if err == nil {
		return nil
	}
	switch tandem.KindOf(err) {
	case tandem.NotFound, tandem.Unauthorized, tandem.Forbidden:
		return &refusal{mqtt.NotAuthorized, keyText}
	}
	return c.unavailable(err)
}

func (c *conn) unavailable(err error) *refusal {
	c.g.Logger.Error("a device cannot be let in", "address", c.nc.RemoteAddr(), "err", err)
	return &refusal{mqtt.ServerUnavailable, "the server cannot take devices at the moment"}
}

// terms is what a v5 device is told of the session.
func (c *conn) terms(p *mqtt.Connect) *mqtt.Properties {
	if !c.v5 {
		return nil
	}
	terms := &mqtt.Properties{SharedSubsAvailable: mqtt.Some[byte](0), SubIDAvailable: mqtt.Some[byte](0)}
	if limit := max(c.g.KeepAlive/time.Second, 1); p.KeepAlive == 0 || time.Duration(p.KeepAlive) > limit {
		terms.ServerKeepAlive = mqtt.Some(uint16(min(limit, 65535)))
	}
	if p.ClientID == "" {
		terms.AssignedClientID = string(c.id)
	}
	if p.Props != nil && p.Props.SessionExpiry.Or(0) > 0 {
		terms.SessionExpiry = mqtt.Some[uint32](0)
	}
	return terms
}

// certified returns the device whose certificate the client has shown, "" if it
// has not. The listener decides which authorities are believed.
func certified(state *tls.ConnectionState) tandem.DeviceID {
	if state == nil || len(state.VerifiedChains) == 0 {
		return ""
	}
	id := tandem.DeviceID(strings.ToLower(state.PeerCertificates[0].Subject.CommonName))
	if !id.Valid() {
		return ""
	}
	return id
}

// address returns the IP address of the other side.
func address(c *conn) string {
	text := c.nc.RemoteAddr().String()
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().String()
	}
	return text // not an IP network
}

func first[A, B any](a A, _ B) A { return a }
