package session

import (
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

// formats lists the values of the user property format of CONNECT.
var formats = map[string]tandem.Format{
	"":        tandem.FormatJSON,
	"json":    tandem.FormatJSON,
	"compact": tandem.FormatCompact,
	"cbor":    tandem.FormatCBOR,
}

const (
	keyText         = "there is no such device, or this is not its key"
	unavailableText = "the server cannot accept devices at the moment"
)

// hello handles CONNECT up to the check of the device's key.
func (s *Session) hello(p *mqtt.Connect) {
	name := p.ClientID
	if name == "" { // v5 allows it, because the server can assign an id
		name = p.Username
	}
	id := tandem.DeviceID(strings.ToLower(name))
	word, _ := p.Props.Get("format")
	format, known := formats[word]
	s.connect, s.v5 = p, p.Version >= mqtt.V5
	if text, ok := p.Props.Get("clock"); ok {
		s.clock = s.stampOf(text)
	}
	switch {
	case !id.Valid():
		s.refuse(mqtt.ClientIDInvalid, "the client id must be the device id, 16 hexadecimal digits")
		return
	case !known:
		s.refuse(mqtt.UnspecifiedError, "the format must be json, compact or cbor")
		return
	}
	s.device, s.format = id, format
	switch {
	case s.certified:
		s.stage = authenticating
	case !strings.EqualFold(p.Username, string(id)) || !p.HasPassword:
		s.refuse(mqtt.BadCredentials, "the user name must be the device id and the password its key")
	default:
		s.stage = authenticating
	}
}

// Authenticated answers Authenticate: nil when the key is the device's. An error of
// the kind Limit means that the device has to wait before it may try, and one for which
// WrongKey is false that the key cannot be checked at the moment.
func (s *Session) Authenticated(err error) {
	if s.stage != authenticate || s.leaving {
		return
	}
	if err == nil {
		s.stage = connecting
		return
	}
	switch {
	case tandem.KindOf(err) == tandem.Forbidden: // who hears it has the right key, or the certificate
		s.refuse(mqtt.NotAuthorized, err.Error())
	case WrongKey(err):
		s.refuse(mqtt.NotAuthorized, keyText)
	case tandem.KindOf(err) == tandem.Limit:
		s.refuse(mqtt.ConnectionRateExceeded, err.Error())
	default:
		s.note(Error, "cannot authenticate the device", "err", err)
		s.refuse(mqtt.ServerUnavailable, unavailableText)
	}
}

// WrongKey reports whether an error of authentication says that the key is not the device's.
func WrongKey(err error) bool {
	switch tandem.KindOf(err) {
	case tandem.NotFound, tandem.Unauthorized, tandem.Forbidden:
		return true
	}
	return false
}

// Connected answers Connect: nil when the host has the device's agent.
func (s *Session) Connected(now tandem.Now, err error) {
	if s.stage != connect {
		return
	}
	s.stage = open // the host is told of the end even if it refused: it may have registered the device before it failed
	s.connected = now.Mono
	s.budget.charge(now.Mono, &s.cfg.Rates, connects, 1)
	s.failed = err != nil
	switch {
	case s.leaving:
	case err == nil:
		s.must(s.mqtt.Accept(at(now), s.terms(), nil))
		s.normal = s.mqtt.Patience()
		s.asks()
		s.connect = nil
	case tandem.KindOf(err) == tandem.NotFound:
		s.refuse(mqtt.NotAuthorized, keyText)
	default:
		s.note(Error, "the agent's host refuses the device", "err", err)
		s.refuse(mqtt.ServerUnavailable, unavailableText)
	}
}

// refuse refuses the connection.
func (s *Session) refuse(code mqtt.Reason, why string) {
	s.note(s.severity(), "device is refused: "+why, "client", s.connect.ClientID)
	s.connect = nil
	s.must(s.mqtt.Refuse(code, &mqtt.Properties{ReasonString: why}))
	s.leaving = true
}

// terms returns the properties of CONNACK for a v5 device.
func (s *Session) terms() *mqtt.Properties {
	if !s.v5 {
		return nil
	}
	p := s.connect
	terms := &mqtt.Properties{SharedSubsAvailable: mqtt.Some[byte](0), SubIDAvailable: mqtt.Some[byte](0)}
	if limit := max(s.cfg.KeepAlive/time.Second, 1); p.KeepAlive == 0 || time.Duration(p.KeepAlive) > limit {
		terms.ServerKeepAlive = mqtt.Some(uint16(min(limit, 65535)))
	}
	if p.ClientID == "" {
		terms.AssignedClientID = string(s.device)
	}
	if p.Props != nil && p.Props.SessionExpiry.Or(0) > 0 {
		terms.SessionExpiry = mqtt.Some[uint32](0)
	}
	if _, ok := p.Props.Get(batch.Property); ok { // others are not sent what they do not know
		terms.User = []mqtt.UserProperty{{Key: batch.Property, Value: strconv.Itoa(batch.Size)}}
	}
	return terms
}
