package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// ClaimsKept is how many unused claim codes there may be. More would make them easier to guess.
const ClaimsKept = 10_000

// claimsForgotten is how long an expired, unused code is listed.
const claimsForgotten = 30 * 24 * time.Hour

var claims = table[record.ClaimCode]{
	name: "claim_codes", noun: "claim code", order: "rowid",
	columns: "id, hash, device_group, device, name, creator, created, expires, used, key_hash",
	fields: func(c *record.ClaimCode) []any {
		return []any{&c.ID, &c.Hash, (*optional)(&c.Group), &c.Device, &c.Name, &c.Creator, (*milli)(&c.Created),
			(*milli)(&c.Expires), (*milli)(&c.Used), (*blob)(&c.KeyHash)}
	},
}

// AddClaims adds claim codes, all or none. It fills in their ids and times of creation.
func (s *Store) AddClaims(ctx context.Context, list []record.ClaimCode) ([]record.ClaimCode, error) {
	now := s.stamp()
	made := make([]record.ClaimCode, len(list))
	for i, c := range list {
		c.ID, c.Created = newID(), now
		made[i] = c
	}
	err := s.do(ctx, func() error {
		const old = "DELETE FROM claim_codes WHERE used = 0 AND expires < ?"
		if err := s.exec(old, milli(now.Add(-claimsForgotten))); err != nil {
			return err
		}
		var open int
		const query = "SELECT count(*) FROM claim_codes WHERE used = 0 AND expires > ?"
		if err := s.write.scan(s.inside(), query, []any{milli(now)}, &open); err != nil {
			return err
		}
		if open+len(made) > ClaimsKept {
			return tandem.Errorf(tandem.Limit, "there can be %d unused claim codes, and there are %d: "+
				"revoke some with tandem device claim revoke, or provision the devices from a file", ClaimsKept, open)
		}
		for i := range made {
			if made[i].Device != "" {
				if _, err := devices.one(s.inside(), s.write, where("id = ?", string(made[i].Device))); err != nil {
					return err
				}
			}
		}
		_, err := s.write.perform(s.inside(), claims.inserts(s, made))
		return named(err, "the device group of the claim code does not exist")
	})
	return made, err
}

// Claims returns the claim codes that an account has made, the oldest first. next is where the next
// page begins, 0 when there is none.
func (s *Store) Claims(ctx context.Context, creator string, page Page) (list []record.ClaimCode, next int, err error) {
	return claims.list(ctx, s, where("creator = ?", creator), page)
}

// DeleteClaim revokes a claim code of an account that no device has used.
func (s *Store) DeleteClaim(ctx context.Context, creator, id string) error {
	return s.do(ctx, func() error {
		c, err := claims.one(s.inside(), s.write, where("id = ? AND creator = ?", id, creator))
		if err != nil {
			return err
		}
		if !c.Used.IsZero() {
			return tandem.Errorf(tandem.Conflict,
				"device %s has used this claim code: revoke the device with tandem device revoke %s", c.Device, c.Device)
		}
		return claims.remove(s, id)
	})
}

// A Claim is the use of a claim code by a device.
type Claim struct {
	Hash    []byte          // of the code
	KeyHash []byte          // of the device's key
	Device  tandem.DeviceID // whose directory the device has; "": it is new
}

// Enrol uses a claim code, in one transaction. The same call again returns the same device, so
// that a lost answer costs nothing. made reports whether the device is new.
func (s *Store) Enrol(ctx context.Context, by Claim) (d record.Device, made bool, err error) {
	// Guesses are refused without a transaction.
	if _, err := claims.one(ctx, s.read, where("hash = ?", by.Hash)); err != nil {
		return d, false, s.describe(noClaim(err))
	}
	err = s.do(ctx, func() error {
		made = false
		c, err := claims.one(s.inside(), s.write, where("hash = ?", by.Hash))
		if err != nil {
			return noClaim(err)
		}
		if err := c.Check(by.KeyHash, s.stamp()); err != nil {
			return err
		}
		if by.Device != "" && c.Device != by.Device {
			return tandem.Errorf(tandem.Conflict, "this claim code is not for device %s, whose directory it is used in: use "+
				"another directory, or a code of tandem device claim add --device %s", by.Device, by.Device)
		}
		if !c.Used.IsZero() {
			d, err = devices.one(s.inside(), s.write, where("id = ?", string(c.Device)))
			return err
		}
		if made = c.Device == ""; made {
			d, err = s.addClaimed(&c, by)
		} else {
			d, err = s.reclaim(&c, by.KeyHash)
		}
		if err != nil {
			return err
		}
		c.Used, c.KeyHash = s.stamp(), by.KeyHash
		c.Device = d.ID
		return claims.update(s, &c)
	})
	return d, made, err
}

// noClaim says what to do when there is no claim code.
func noClaim(err error) error {
	if tandem.KindOf(err) != tandem.NotFound {
		return err
	}
	return tandem.Errorf(tandem.NotFound,
		"there is no such claim code, or it was revoked: compare it with what tandem device claim add has printed")
}

// addClaimed makes the device of a claim code, which is the group's owner's.
func (s *Store) addClaimed(c *record.ClaimCode, by Claim) (record.Device, error) {
	owner := c.Creator
	if c.Group != "" {
		g, err := groups.one(s.inside(), s.write, where("id = ?", c.Group))
		if err != nil {
			return record.Device{}, err
		}
		owner = g.Owner
	}
	d := newDevice(record.Device{Owner: owner, Group: c.Group, Name: c.Name, KeyHash: by.KeyHash}, s.stamp())
	_, err := s.insertDevices([]record.Device{d})
	return d, err
}

// reclaim gives the device of a claim code the key of its new installation.
func (s *Store) reclaim(c *record.ClaimCode, keyHash []byte) (record.Device, error) {
	x, err := s.identityOf(c.Device)
	if err != nil {
		return record.Device{}, err
	}
	x.Enrol(&x.Device, keyHash)
	x.Device.Enrolled = s.stamp()
	return x.Device, s.keep(&x, true)
}
