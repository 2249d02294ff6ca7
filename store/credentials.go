package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

var credentials = table[record.Credentials]{
	name: "credentials", noun: "credentials of a device", order: "changed",
	columns: "device, changed, revoked, rotation, began, deadline, handed, next",
	fields: func(c *record.Credentials) []any {
		return []any{&c.Device, &c.Changed, (*milli)(&c.Revoked), &c.Rotation, (*milli)(&c.Began),
			(*milli)(&c.Deadline), (*milli)(&c.Handed), (*blob)(&c.Next)}
	},
}

var certificates = table[record.Certificate]{
	name: "certificates", noun: "certificate", order: "rowid",
	columns: "id, device, subject, issuer, expires, created, revoked",
	fields: func(c *record.Certificate) []any {
		return []any{&c.ID, &c.Device, &c.Subject, &c.Issuer, (*milli)(&c.Expires), (*milli)(&c.Created),
			(*milli)(&c.Revoked)}
	},
}

var authorities = table[record.Authority]{
	name: "authorities", noun: "authority", order: "id",
	columns: "id, certificate, private_key, created",
	fields: func(a *record.Authority) []any {
		return []any{&a.ID, &a.Certificate, &a.Key, (*milli)(&a.Created)}
	},
}

// Credentials returns what there is to know of a device's key besides its hash. There need be no
// record of it.
func (s *Store) Credentials(ctx context.Context, id tandem.DeviceID) (record.Credentials, error) {
	c, err := credentials.one(ctx, s.read, where("device = ?", string(id)))
	if tandem.KindOf(err) == tandem.NotFound {
		return record.Credentials{Device: id}, nil
	}
	return c, s.describe(err)
}

// identity is a device with its credentials, read and written in one transaction.
type identity struct {
	record.Device
	record.Credentials
	stored bool // the credentials have a row
}

// identityOf reads an identity inside a transaction, and locks the device.
func (s *Store) identityOf(id tandem.DeviceID) (x identity, err error) {
	if x.Device, err = devices.one(s.inside(), s.write, where("id = ?", string(id))); err != nil {
		return x, err
	}
	x.Credentials, err = credentials.one(s.inside(), s.write, where("device = ?", string(id)))
	x.stored = err == nil
	if tandem.KindOf(err) == tandem.NotFound {
		x.Credentials, err = record.Credentials{Device: id}, nil
	}
	return x, err
}

// keep writes an identity. With tell the nodes look at the device's connection.
func (s *Store) keep(x *identity, tell bool) (err error) {
	x.Device.Updated = s.stamp()
	if err := devices.update(s, &x.Device); err != nil {
		return err
	}
	if tell {
		if x.Credentials.Changed, err = s.nextChange(); err != nil {
			return err
		}
	}
	if x.stored {
		return credentials.update(s, &x.Credentials)
	}
	return credentials.insert(s, &x.Credentials)
}

// nextChange returns the next number of a change. The row's lock makes the numbers of
// committed changes ascend.
func (s *Store) nextChange() (n int, err error) {
	if err := s.exec("UPDATE credential_changes SET n = n + 1"); err != nil {
		return 0, err
	}
	err = s.write.scan(s.inside(), "SELECT n FROM credential_changes", nil, &n)
	return n, err
}

// changeIdentity edits a device's identity.
func (s *Store) changeIdentity(
	ctx context.Context, id tandem.DeviceID, tell bool, edit func(*identity) error,
) (x identity, err error) {
	err = s.do(ctx, func() error {
		if x, err = s.identityOf(id); err != nil {
			return err
		}
		if err := edit(&x); err != nil {
			return err
		}
		return s.keep(&x, tell)
	})
	return x, err
}

// RotateKey begins the rotation of a device's key; see record.Credentials.Begin. A revoked
// device cannot be given a key by its link, and a printed key is its only one at once.
func (s *Store) RotateKey(
	ctx context.Context, id tandem.DeviceID, hash []byte, deadline time.Time,
) (record.Credentials, error) {
	x, err := s.changeIdentity(ctx, id, true, func(x *identity) error {
		switch {
		case !x.IsRevoked():
			x.Begin(hash, deadline, s.stamp())
		case hash == nil:
			return tandem.Errorf(tandem.Conflict, "device %s is revoked, and has no link by which it could get a key: "+
				"enrol it again with tandem device claim add --device %s, or print a key with --print", id, id)
		default:
			x.Enrol(&x.Device, hash)
		}
		return nil
	})
	return x.Credentials, err
}

// HandKey notes that a key with the given hash is about to be sent to a device. It reports
// false when there is no rotation by its link, and so nothing to send.
func (s *Store) HandKey(ctx context.Context, id tandem.DeviceID, hash []byte) (hand bool, err error) {
	_, err = s.changeIdentity(ctx, id, false, func(x *identity) error {
		if hand = x.Rotation == record.ByLink && !x.IsRevoked(); hand {
			x.Hand(hash, s.stamp())
		}
		return nil
	})
	return hand, err
}

// UseKey notes that a device has used the new key with the given hash.
func (s *Store) UseKey(ctx context.Context, id tandem.DeviceID, hash []byte) error {
	_, err := s.changeIdentity(ctx, id, true, func(x *identity) error {
		x.Use(&x.Device, hash, s.stamp())
		return nil
	})
	return err
}

// RevokeDevice makes the key and the certificates of a device worthless.
func (s *Store) RevokeDevice(ctx context.Context, id tandem.DeviceID) error {
	_, err := s.changeIdentity(ctx, id, true, func(x *identity) error {
		x.Credentials.Revoke(&x.Device, s.stamp())
		return s.revokeCertificates(id, x.Revoked)
	})
	return err
}

// revokeCertificates makes the certificates of a device worthless, those excepted that are so already.
func (s *Store) revokeCertificates(id tandem.DeviceID, at time.Time) error {
	list, err := certificates.query(s.inside(), s.write, where("device = ? AND revoked = 0", string(id)), Page{})
	if err != nil {
		return err
	}
	for _, c := range list {
		c.Revoked = at
		if err := certificates.update(s, &c); err != nil {
			return err
		}
	}
	return nil
}

// KeyChanges returns the devices whose credentials have changed since the change with a number,
// and the number of the newest change. The number is smaller than since when the database has
// gone back; then all devices may have changed, and none is returned.
func (s *Store) KeyChanges(ctx context.Context, since int) (list []tandem.DeviceID, newest int, err error) {
	rctx, cancel := s.read.bounded(ctx)
	defer cancel()
	if err := s.read.scan(rctx, "SELECT n FROM credential_changes", nil, &newest); err != nil || newest <= since {
		return nil, newest, s.describe(err)
	}
	changed, damage, _, err := credentials.scan(ctx, s.read,
		[]condition{where("changed > ? AND changed <= ?", since, newest)}, Page{})
	for _, d := range damage {
		s.noteDamage(d)
	}
	for _, c := range changed {
		list = append(list, c.Device)
	}
	return list, newest, s.describe(err)
}

// AddCertificates notes certificates of devices. One that is noted already for the same device
// is left as it is; one that is another device's, or revoked, is a Conflict.
func (s *Store) AddCertificates(ctx context.Context, list []record.Certificate) error {
	return s.do(ctx, func() error { return s.addCertificates(list) })
}

func (s *Store) addCertificates(list []record.Certificate) error {
	for _, c := range list {
		have, err := certificates.one(s.inside(), s.write, where("id = ?", c.ID))
		switch {
		case tandem.KindOf(err) == tandem.NotFound:
			c.Created = s.stamp()
			if err := certificates.insert(s, &c); err != nil {
				return err
			}
		case err != nil:
			return err
		case have.Device != c.Device || !have.Revoked.IsZero():
			return tandem.Errorf(tandem.Conflict,
				"the certificate %s is another device's, or revoked: each device needs one of its own", c.ID)
		case have.Expires.IsZero() && !c.Expires.IsZero(): // an operator has named it, and now it was seen
			have.Subject, have.Issuer = c.Subject, c.Issuer
			have.Expires = c.Expires
			if err := certificates.update(s, &have); err != nil {
				return err
			}
		}
	}
	return nil
}

// Certificate returns a certificate by its fingerprint.
func (s *Store) Certificate(ctx context.Context, id string) (record.Certificate, error) {
	c, err := certificates.one(ctx, s.read, where("id = ?", id))
	return c, s.describe(err)
}

// Certificates returns the certificates of a device, the oldest first.
func (s *Store) Certificates(ctx context.Context, id tandem.DeviceID) ([]record.Certificate, error) {
	list, _, err := certificates.list(ctx, s, where("device = ?", string(id)), Page{})
	return list, err
}

// RevokeCertificate makes a certificate of a device worthless.
func (s *Store) RevokeCertificate(ctx context.Context, id tandem.DeviceID, fingerprint string) error {
	_, err := s.changeIdentity(ctx, id, true, func(x *identity) error {
		c, err := certificates.one(s.inside(), s.write, where("id = ? AND device = ?", fingerprint, string(id)))
		if err != nil {
			return err
		}
		if c.Revoked.IsZero() {
			c.Revoked = s.stamp()
		}
		return certificates.update(s, &c)
	})
	return err
}

// authorityID is the id of the only authority.
const authorityID = "devices"

// Authority returns the installation's authority. If there is none yet, it becomes the one that
// make makes.
func (s *Store) Authority(ctx context.Context, make func() (record.Authority, error)) (record.Authority, error) {
	a, err := authorities.one(ctx, s.read, where("id = ?", authorityID))
	if tandem.KindOf(err) != tandem.NotFound {
		return a, s.describe(err)
	}
	if a, err = make(); err != nil {
		return a, err
	}
	a.ID, a.Created = authorityID, s.stamp()
	err = s.do(ctx, func() error { return named(authorities.insert(s, &a), "another node has made the authority") })
	if tandem.KindOf(err) == tandem.Conflict {
		a, err = authorities.one(ctx, s.read, where("id = ?", authorityID))
		return a, s.describe(err)
	}
	return a, err
}

// A Newcomer is a device to be provisioned, with its certificates.
type Newcomer struct {
	record.Device
	Certificates []record.Certificate
}

// Provision makes all of the devices or none. A device that exists already with the same owner
// and key is left as it is, so that the same list can be given again. It returns those that are
// new.
func (s *Store) Provision(ctx context.Context, list []Newcomer) (made []record.Device, err error) {
	now := s.stamp()
	err = s.do(ctx, func() error {
		made = nil
		for i := range list {
			d := list[i].Device
			have, err := s.identityOf(d.ID)
			switch {
			case tandem.KindOf(err) == tandem.NotFound:
				made = append(made, newDevice(d, now))
				if _, err := s.insertDevices(made[len(made)-1:]); err != nil {
					return named(err, "Duplicate Resource: The group of device "+string(d.ID)+" does not exist.")
				}
			case err != nil:
				return err
			case have.Owner != d.Owner || !have.Allows(have.Device, d.KeyHash):
				return tandem.Errorf(tandem.Conflict, "Duplicate Resource: Device %s exists already, with another key.", d.ID)
			}
			if err := s.addCertificates(list[i].Certificates); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

// forgetIdentity deletes what there is of a device's key, its certificates and its claim codes.
// A blank record stays, by which the nodes notice that the device may not stay connected. The
// certificates stay as revoked ones: an authority of the operator may still vouch for them.
func (s *Store) forgetIdentity(id tandem.DeviceID) error {
	n, err := s.nextChange()
	if err != nil {
		return err
	}
	for _, query := range []string{
		"DELETE FROM credentials WHERE device = ?", "DELETE FROM claim_codes WHERE device = ?",
	} {
		if err := s.exec(query, string(id)); err != nil {
			return err
		}
	}
	if err := s.revokeCertificates(id, s.stamp()); err != nil {
		return err
	}
	return credentials.insert(s, &record.Credentials{Device: id, Changed: n})
}
