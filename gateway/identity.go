package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/mqtt"
)

// Login is what a client shows to be a device.
type Login struct {
	Device tandem.DeviceID
	Key    string // "": none
	// Certificate is the client's, nil for none. The listener has verified that an authority
	// that it trusts has issued it.
	Certificate *x509.Certificate
}

// Fingerprint returns the SHA-256 of the certificate in hexadecimal, "" without one.
func (l Login) Fingerprint() string {
	if l.Certificate == nil {
		return ""
	}
	sum := sha256.Sum256(l.Certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// Standing is for how long a Login is good.
type Standing struct {
	Until  time.Time // when the login must be judged again; zero: when Review is called
	Rotate bool      // the device is to get a new key, which NewKey returns
}

// standing is what is known of the client's login.
type standing struct {
	login Login
	Standing
	recheck *time.Timer // for Until; nil: there is none
}

// certified returns the client's certificate, nil without one. The listener decides which
// authorities are trusted.
func certified(state *tls.ConnectionState) *x509.Certificate {
	if state == nil || len(state.VerifiedChains) == 0 {
		return nil
	}
	return state.PeerCertificates[0]
}

// Review judges again the login of a device's connections, because its credentials have
// changed. It ends those that are not good any more, and gives the device its new key. An error
// means that the login could not be judged, and that Review must be called again.
func (g *Gateway) Review(ctx context.Context, id tandem.DeviceID) error {
	g.setUp()
	g.mu.Lock()
	g.reviews++
	list := [2]*conn{g.devices[id], g.arriving[id]}
	g.mu.Unlock()
	for _, c := range list {
		if c == nil {
			continue
		}
		if err := c.review(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ReviewAll is Review for all devices that are connected here.
func (g *Gateway) ReviewAll(ctx context.Context) error {
	g.setUp()
	g.mu.Lock()
	g.reviews++ // for a device that is not known here yet
	list := slices.AppendSeq(slices.Collect(maps.Keys(g.devices)), maps.Keys(g.arriving))
	g.mu.Unlock()
	slices.Sort(list)
	for _, id := range slices.Compact(list) {
		if err := g.Review(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) review(ctx context.Context) error {
	c.mu.Lock()
	login := c.standing.login
	c.mu.Unlock()
	if login.Device == "" {
		return nil // it has not been judged yet
	}
	now, err := c.g.Authenticate(ctx, login)
	switch {
	case session.WrongKey(err):
		c.g.Logger.Info("device is disconnected: "+err.Error(), "device", login.Device, "address", c.nc.RemoteAddr())
		c.end(mqtt.NotAuthorized, err.Error(), "")
		return nil
	case err != nil:
		return err
	}
	c.stand(login, now)
	if now.Rotate {
		c.handOver(ctx)
	}
	return nil
}

// recheckPause is the time between two attempts to judge a login whose time is over.
const recheckPause = time.Second

// stand notes how long a login is good, and has it judged again then.
func (c *conn) stand(login Login, now Standing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.standing
	s.login, s.Standing = login, now
	if s.recheck != nil {
		s.recheck.Stop()
		s.recheck = nil
	}
	if now.Until.IsZero() || c.session.Leaving() {
		return
	}
	s.recheck = time.AfterFunc(max(time.Until(now.Until), 0), c.expire)
}

// expire judges a login whose time is over, until that is possible.
func (c *conn) expire() {
	defer c.guard()
	ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
	defer cancel()
	if err := c.review(ctx); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.standing.recheck != nil && !c.session.Leaving() {
			c.standing.recheck.Reset(recheckPause)
		}
	}
}

// reviewed returns how often Review was called. A login that was judged before a call may not be
// good any more, although its connection was not known yet.
func (g *Gateway) reviewed() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reviews
}

func (c *conn) certificate() *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standing.login.Certificate
}

// handOver sends the device its new key. When that fails, the next connection tries it again.
func (c *conn) handOver(ctx context.Context) {
	if c.g.NewKey == nil {
		return
	}
	key, err := c.g.NewKey(ctx, c.device)
	if err != nil {
		c.g.Logger.Warn("device cannot be given its new key; it is tried again with its next connection",
			"device", c.device, "err", err)
		return
	}
	if key == "" {
		return // the rotation is over
	}
	data, err := json.Marshal(map[string]string{"key": key})
	if err != nil {
		panic(err) // a string has a JSON
	}
	c.Send(session.KeyTopic, tandem.Message{Data: data})
}

// address returns the IP address of the peer.
func (c *conn) address() string {
	if c.peer.IsValid() {
		return c.peer.String()
	}
	return c.nc.RemoteAddr().String() // not an IP network
}

// retire ends the watch over a login whose connection has ended.
func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standing.recheck != nil {
		c.standing.recheck.Stop()
		c.standing.recheck = nil
	}
}
