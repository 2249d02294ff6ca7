package central

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway"
	"github.com/tandem-iot/tandem/store/record"
)

// DeviceAuth is what devices must show to be let in.
type DeviceAuth string

// Values of DeviceAuth.
const (
	AnyAuth         DeviceAuth = "any" // a key or a certificate; "" is the same
	KeyAuth         DeviceAuth = "key"
	CertificateAuth DeviceAuth = "certificate"
	BothAuth        DeviceAuth = "both"
)

// asks reports whether a proof that is not there is asked for.
func (a DeviceAuth) asks(key, certificate bool) bool {
	switch a {
	case KeyAuth:
		return !key
	case CertificateAuth:
		return !certificate
	case BothAuth:
		return !key || !certificate
	}
	return !key && !certificate
}

func (a DeviceAuth) words() string {
	switch a {
	case KeyAuth:
		return "a key"
	case CertificateAuth:
		return "a certificate"
	case BothAuth:
		return "a key and a certificate"
	}
	return "a key or a certificate"
}

// Authenticate judges what a client shows to be a device.
func (s *Service) Authenticate(ctx context.Context, l gateway.Login) (now gateway.Standing, err error) {
	d, err := s.Store.Device(ctx, l.Device)
	if tandem.KindOf(err) == tandem.NotFound {
		return now, errNotDevice(l.Device)
	}
	if err != nil {
		return now, err
	}
	c, err := s.Store.Credentials(ctx, l.Device)
	if err != nil {
		return now, err
	}
	key, err := s.judgeKey(ctx, &now, l, d, c)
	if err != nil {
		return now, err
	}
	certificate, err := s.judgeCertificate(ctx, &now, l, d, c)
	switch {
	case err != nil:
		return now, err
	case !s.DeviceAuth.asks(key, certificate):
		return now, nil
	case key || certificate:
		return now, tandem.Errorf(tandem.Forbidden, "the server asks devices for %s: see --device-auth", s.DeviceAuth.words())
	}
	return now, errNotDevice(l.Device)
}

func errNotDevice(id tandem.DeviceID) error {
	return tandem.Errorf(tandem.Unauthorized, "there is no device %s with this key", id)
}

// errRevoked is for a device that shows what was good once.
func errRevoked(id tandem.DeviceID) error {
	return tandem.Errorf(tandem.Forbidden,
		"device %s was revoked: enrol it again, with a code of tandem device claim add --device %s", id, id)
}

// judgeKey reports whether the key of a login is good.
func (s *Service) judgeKey(
	ctx context.Context, now *gateway.Standing, l gateway.Login, d record.Device, c record.Credentials,
) (bool, error) {
	if l.Key == "" {
		return false, nil
	}
	at := time.Now()
	switch c.Judge(d, l.Key, at) {
	case record.GoodKey:
		now.Until = c.Until()
		now.Rotate = c.Rotation == record.ByLink
		return true, nil
	case record.NewKey:
		hash := record.Hash(l.Key)
		if c.Use(&d, hash, at) {
			return true, s.Store.UseKey(ctx, d.ID, hash)
		}
		return true, nil
	case record.OldKey:
		return false, tandem.Errorf(tandem.Forbidden, "the old key of device %s was good until %s: use the new one",
			d.ID, c.Deadline.UTC().Format(time.RFC3339))
	case record.RevokedKey:
		return false, errRevoked(d.ID)
	}
	return false, nil
}

// judgeCertificate reports whether the certificate of a login is the device's. Its issuer was
// verified by the listener.
func (s *Service) judgeCertificate(
	ctx context.Context, now *gateway.Standing, l gateway.Login, d record.Device, c record.Credentials,
) (bool, error) {
	x := l.Certificate
	if x == nil {
		return false, nil
	}
	if time.Now().After(x.NotAfter) {
		return false, tandem.Errorf(tandem.Forbidden, "the certificate expired at %s", x.NotAfter.Format(time.RFC3339))
	}
	known, err := s.Store.Certificate(ctx, l.Fingerprint())
	switch {
	case err != nil && tandem.KindOf(err) != tandem.NotFound:
		return false, err
	case err != nil:
		if is, err := s.judgeUnknown(ctx, x, d, c); err != nil || !is {
			return false, err
		}
	case known.Device != d.ID:
		return false, errOtherDevice(known.Device)
	case !known.Revoked.IsZero():
		return false, tandem.Errorf(tandem.Forbidden, "the certificate was revoked at %s: the device needs another one",
			known.Revoked.Format(time.RFC3339))
	}
	if d.IsRevoked() {
		return false, errRevoked(d.ID)
	}
	if known.Expires.IsZero() { // it is seen for the first time
		if err := s.Store.AddCertificates(ctx, []record.Certificate{certificateOf(x, d.ID)}); err != nil {
			return false, err
		}
	}
	if now.Until.IsZero() || x.NotAfter.Before(now.Until) {
		now.Until = x.NotAfter
	}
	return true, nil
}

func errOtherDevice(id tandem.DeviceID) error {
	return tandem.Errorf(tandem.Forbidden, "the certificate is that of device %s", id)
}

// judgeUnknown reports whether a certificate that is not recorded is the device's: an authority
// of the operator vouches for it by the device's id. One that names no device says nothing.
func (s *Service) judgeUnknown(
	ctx context.Context, x *x509.Certificate, d record.Device, c record.Credentials,
) (bool, error) {
	authority, err := s.authority(ctx)
	if err != nil {
		return false, err
	}
	if x.CheckSignatureFrom(authority.certificate) == nil {
		return false, tandem.Errorf(tandem.Forbidden, "the certificate was issued here for a device that was deleted")
	}
	names := namesOf(x)
	switch {
	case slices.Contains(names, d.ID) && !c.Revoked.IsZero() && !x.NotBefore.After(c.Revoked):
		return false, errRevoked(d.ID)
	case slices.Contains(names, d.ID):
		return true, nil
	case len(names) > 0:
		return false, errOtherDevice(names[0])
	}
	return false, nil
}

// namesOf returns the devices that a certificate names, as its common name or as a DNS name.
func namesOf(x *x509.Certificate) (names []tandem.DeviceID) {
	for _, name := range append([]string{x.Subject.CommonName}, x.DNSNames...) {
		if id := tandem.DeviceID(strings.ToLower(name)); id.Valid() {
			names = append(names, id)
		}
	}
	return names
}

// longestSubject bounds what is kept of the names in a certificate, in bytes.
const longestSubject = 200

func certificateOf(x *x509.Certificate, id tandem.DeviceID) record.Certificate {
	short := func(text string) string {
		return strings.ToValidUTF8(text[:min(len(text), longestSubject)], "")
	}
	l := gateway.Login{Certificate: x}
	return record.Certificate{
		ID: l.Fingerprint(), Device: id, Subject: short(x.Subject.String()), Issuer: short(x.Issuer.String()),
		Expires: x.NotAfter,
	}
}

// NewKey makes a key for a device whose key is rotated, to be sent over its link; "" if its
// rotation is over. The key is not stored, only its hash.
func (s *Service) NewKey(ctx context.Context, id tandem.DeviceID) (string, error) {
	key := tandem.NewKey()
	hand, err := s.Store.HandKey(ctx, id, record.Hash(key))
	if err != nil || !hand {
		return "", err
	}
	return key, nil
}

// watchEvery is how often a node looks for changed credentials. A revoked device is disconnected
// within a second, on whichever node it is.
const watchEvery = 400 * time.Millisecond

// WatchKeys has the gateway judge the logins of devices again when their credentials have
// changed, by this or any other node, until ctx ends. Each node finds the changes in the
// database: they are not missed when nodes cannot reach each other.
func (s *Service) WatchKeys(ctx context.Context, g *gateway.Gateway, logger *slog.Logger) error {
	s.setUp()
	seen, failing := unseen, false
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		newest, err := s.review(ctx, g, seen)
		switch {
		case err == nil:
			seen, failing = newest, false
		case ctx.Err() == nil && !failing:
			failing = true
			logger.Warn("it is not known which devices are revoked; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.changed:
		}
	}
}

// unseen is the number of a change that is later than all.
const unseen = math.MaxInt

// review looks for changes since the one with a number, and returns the newest one's.
func (s *Service) review(ctx context.Context, g *gateway.Gateway, seen int) (newest int, err error) {
	list, newest, err := s.Store.KeyChanges(ctx, seen)
	if err != nil {
		return seen, err
	}
	if newest < seen { // it is not known what has changed: the node has begun, or the database has gone back
		if err := g.ReviewAll(ctx); err != nil {
			return seen, err
		}
		return newest, nil
	}
	for _, id := range list {
		if err := g.Review(ctx, id); err != nil {
			return seen, err
		}
	}
	return newest, nil
}

// look has WatchKeys look for changes at once.
func (s *Service) look() {
	s.setUp()
	token(s.changed)
}

// longestDeadline bounds the time for which an old key stays valid.
const longestDeadline = 366 * 24 * time.Hour

// rotateKey begins the rotation of a device's key. The device gets the new one over its link, or
// the operator does, when it is to be printed.
func (c *call) rotateKey() error {
	var in struct {
		Print  bool    `json:"print"`
		Within float64 `json:"within"` // seconds until the old key is refused; 0: until the new one was used
	}
	if _, err := c.readAs(shape{types: []string{"key"}}, &in); err != nil {
		return err
	}
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	within := time.Duration(in.Within * float64(time.Second))
	switch {
	case !(in.Within >= 0) || in.Within > longestDeadline.Seconds():
		return tandem.Errorf(tandem.Invalid, "the old key can stay valid for %s at most", longestDeadline)
	case in.Print && in.Within == 0:
		return tandem.Errorf(tandem.Invalid,
			"say with within, in seconds, how long the old key stays valid beside a printed one")
	}
	var deadline time.Time
	if within > 0 {
		deadline = time.Now().Add(within)
	}
	key, hash := "", []byte(nil)
	if in.Print {
		key = tandem.NewKey()
		hash = record.Hash(key)
	}
	state, err := c.Store.RotateKey(c.ctx, d.ID, hash, deadline)
	if err != nil {
		return err
	}
	c.look()
	attributes := showRotation(state)
	if key != "" {
		attributes["key"] = key
	}
	return c.sendObject(http.StatusOK, object{
		Type: "key", ID: string(d.ID), Links: c.self("devices", string(d.ID)+"/credentials"), Attributes: attributes,
		Relationships: map[string]ref{"device": {"device", string(d.ID)}},
	})
}

func showRotation(c record.Credentials) map[string]any {
	return map[string]any{
		"rotation": string(c.Rotation), "began_at": stampOrNull(c.Began), "handed_at": stampOrNull(c.Handed),
		"deadline": stampOrNull(c.Deadline),
	}
}

// revokeDevice makes a device's key and certificates worthless, and ends its connection.
func (c *call) revokeDevice() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	if err := c.Store.RevokeDevice(c.ctx, d.ID); err != nil {
		return err
	}
	c.look()
	return c.noContent()
}

func (c *call) getCredentials() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	state, err := c.Store.Credentials(c.ctx, d.ID)
	if err != nil {
		return err
	}
	list, err := c.Store.Certificates(c.ctx, d.ID)
	if err != nil {
		return err
	}
	attributes := showRotation(state)
	attributes["revoked"], attributes["revoked_at"] = d.IsRevoked(), stampOrNull(state.Revoked)
	shown := make([]map[string]any, len(list))
	for i, x := range list {
		shown[i] = map[string]any{
			"fingerprint": x.ID, "subject": x.Subject, "issuer": x.Issuer, "expires_at": stampOrNull(x.Expires),
			"created_at": stampOrNull(x.Created), "revoked_at": stampOrNull(x.Revoked),
		}
	}
	attributes["certificates"] = shown
	return c.sendObject(http.StatusOK, object{
		Type: "credentials", ID: string(d.ID), Links: c.self("devices", string(d.ID)+"/credentials"),
		Attributes: attributes, Relationships: map[string]ref{"device": {"device", string(d.ID)}},
	})
}

func (c *call) revokeCertificate() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	fingerprint := Fingerprint(c.arg(3))
	if fingerprint == "" {
		return tandem.Errorf(tandem.Invalid,
			"%q is not the fingerprint of a certificate, its SHA-256 in hexadecimal", c.arg(3))
	}
	if err := c.Store.RevokeCertificate(c.ctx, d.ID, fingerprint); err != nil {
		return err
	}
	c.look()
	return c.noContent()
}

// Fingerprint returns a fingerprint as it is stored, from what programs print: with colons, in
// upper case. It returns "" when it is none.
func Fingerprint(text string) string {
	text = strings.ToLower(strings.ReplaceAll(text, ":", ""))
	if len(text) != 64 || strings.Trim(text, "0123456789abcdef") != "" {
		return ""
	}
	return text
}

var errNoRequest = errors.New("it is no PKCS #10 request in DER that is signed by its own key")
