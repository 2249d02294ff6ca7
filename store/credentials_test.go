package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// enrolled makes a device whose key is "old".
func enrolled(t *testing.T, s *Store) record.Device {
	t.Helper()
	g := addGroup(t, s, "g")
	return must[[]record.Device](t)(s.AddDevices(t.Context(), []record.Device{
		{Owner: g.Owner, Group: g.ID, KeyHash: record.Hash("old"), Name: "d"},
	}))[0]
}

// verdict is what a key is to a device, as the database has both.
func verdict(t *testing.T, s *Store, id tandem.DeviceID, key string) record.KeyVerdict {
	t.Helper()
	d := must[record.Device](t)(s.Device(t.Context(), id))
	return must[record.Credentials](t)(s.Credentials(t.Context(), id)).Judge(d, key, s.stamp())
}

func TestRotation(t *testing.T) { onBoth(t, testRotation) }

func testRotation(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	d := enrolled(t, s)
	wants := func(what string, want map[string]record.KeyVerdict) {
		t.Helper()
		for key, v := range want {
			if got := verdict(t, s, d.ID, key); got != v {
				t.Errorf("%s: the key %q is %d, want %d", what, key, got, v)
			}
		}
	}
	_, before, err := s.KeyChanges(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if hand, err := s.HandKey(ctx, d.ID, record.Hash("early")); err != nil || hand {
		t.Errorf("a key is handed over without a rotation: %v", err)
	}
	must[record.Credentials](t)(s.RotateKey(ctx, d.ID, nil, time.Time{}))
	list, newest, err := s.KeyChanges(ctx, before)
	if err != nil || newest <= before || !slices.Equal(list, []tandem.DeviceID{d.ID}) {
		t.Errorf("changed: %v to %d, %v", list, newest, err)
	}
	for i := range 9 { // each is lost on its way
		if hand, err := s.HandKey(ctx, d.ID, record.Hash(fmt.Sprint(i))); err != nil || !hand {
			t.Fatalf("%v, %v", hand, err)
		}
	}
	wants("handed over", map[string]record.KeyVerdict{
		"old": record.GoodKey, "0": record.WrongKey, "1": record.NewKey, "8": record.NewKey, "x": record.WrongKey,
	})
	if err := s.UseKey(ctx, d.ID, record.Hash("7")); err != nil {
		t.Fatal(err)
	}
	wants("used", map[string]record.KeyVerdict{"old": record.WrongKey, "7": record.GoodKey, "8": record.WrongKey})
	if err := s.UseKey(ctx, d.ID, record.Hash("7")); err != nil { // by another node, at the same time
		t.Fatal(err)
	}
	wants("used twice", map[string]record.KeyVerdict{"7": record.GoodKey})

	deadline := s.stamp().Add(time.Hour)
	must[record.Credentials](t)(s.RotateKey(ctx, d.ID, record.Hash("printed"), deadline))
	if err := s.UseKey(ctx, d.ID, record.Hash("printed")); err != nil {
		t.Fatal(err)
	}
	wants("printed", map[string]record.KeyVerdict{"7": record.GoodKey, "printed": record.NewKey})
	c := must[record.Credentials](t)(s.Credentials(ctx, d.ID))
	late := c.Judge(must[record.Device](t)(s.Device(ctx, d.ID)), "7", deadline)
	if late != record.OldKey {
		t.Errorf("after the deadline the old key is %d", late)
	}
}

func TestRevocation(t *testing.T) { onBoth(t, testRevocation) }

func testRevocation(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	d := enrolled(t, s)
	must[record.Credentials](t)(s.RotateKey(ctx, d.ID, nil, time.Time{}))
	must[bool](t)(s.HandKey(ctx, d.ID, record.Hash("new")))
	cert := record.Certificate{ID: "f1", Device: d.ID, Subject: "s", Issuer: "i", Expires: s.stamp().Add(time.Hour)}
	if err := s.AddCertificates(ctx, []record.Certificate{cert, cert}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.RevokeDevice(ctx, d.ID); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]record.KeyVerdict{"old": record.RevokedKey, "new": record.WrongKey} {
		if got := verdict(t, s, d.ID, key); got != want {
			t.Errorf("the key %q is %d, want %d", key, got, want)
		}
	}
	if c := must[record.Certificate](t)(s.Certificate(ctx, "f1")); c.Revoked.IsZero() {
		t.Error("its certificate is not revoked")
	}
	wantKind(t, s.AddCertificates(ctx, []record.Certificate{cert}), tandem.Conflict, "revoked")
	_, err := s.RotateKey(ctx, d.ID, nil, time.Time{})
	wantKind(t, err, tandem.Conflict, "tandem device claim add --device")
	must[record.Credentials](t)(s.RotateKey(ctx, d.ID, record.Hash("third"), s.stamp().Add(time.Hour)))
	for key, want := range map[string]record.KeyVerdict{"old": record.WrongKey, "third": record.GoodKey} {
		if got := verdict(t, s, d.ID, key); got != want {
			t.Errorf("after a new key, %q is %d, want %d", key, got, want)
		}
	}
	if err := s.AddCertificates(ctx, []record.Certificate{{ID: "f2", Device: d.ID}}); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeCertificate(ctx, d.ID, "f2"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.RevokeCertificate(ctx, d.ID, "f3"), tandem.NotFound, "certificate")
	_, before, err := s.KeyChanges(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	must[record.Device](t)(s.Assign(ctx, d.ID, ""))
	if err := s.DeleteDevice(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.KeyChanges(ctx, before); err != nil || !slices.Contains(list, d.ID) {
		t.Errorf("nothing tells of the deletion: %v, %v", list, err)
	}
	if list, newest, err := s.KeyChanges(ctx, before+1000); err != nil || list != nil || newest >= before+1000 {
		t.Errorf("a database that has gone back: %v, %d, %v", list, newest, err)
	}
}

func claim(t *testing.T, s *Store, c record.ClaimCode) record.ClaimCode {
	t.Helper()
	return must[[]record.ClaimCode](t)(s.AddClaims(t.Context(), []record.ClaimCode{c}))[0]
}

func TestClaimCodes(t *testing.T) { onBoth(t, testClaimCodes) }

func testClaimCodes(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "g")
	later := s.stamp().Add(time.Hour)
	claim(t, s, record.ClaimCode{Creator: g.Owner, Hash: record.Hash("A"), Group: g.ID, Name: "desk", Expires: later})
	d, made, err := s.Enrol(ctx, Claim{Hash: record.Hash("A"), KeyHash: record.Hash("k")})
	if err != nil || !made || d.Group != g.ID || d.Name != "desk" || !d.HasKey("k") {
		t.Fatalf("%+v, %v, %v", d, made, err)
	}
	again, made, err := s.Enrol(ctx, Claim{Hash: record.Hash("A"), KeyHash: record.Hash("k")})
	if err != nil || made || again.ID != d.ID {
		t.Errorf("again: %+v, %v, %v", again, made, err)
	}
	_, _, err = s.Enrol(ctx, Claim{Hash: record.Hash("A"), KeyHash: record.Hash("other")})
	wantKind(t, err, tandem.Conflict, "another device has used this claim code")
	_, _, err = s.Enrol(ctx, Claim{Hash: record.Hash("B"), KeyHash: record.Hash("k")})
	wantKind(t, err, tandem.NotFound, "no such claim code")

	claim(t, s, record.ClaimCode{Creator: g.Owner, Hash: record.Hash("old"), Expires: s.stamp()})
	_, _, err = s.Enrol(ctx, Claim{Hash: record.Hash("old"), KeyHash: record.Hash("k")})
	wantKind(t, err, tandem.Forbidden, "expired")

	gone := claim(t, s, record.ClaimCode{Creator: g.Owner, Hash: record.Hash("gone"), Expires: later})
	if err := s.DeleteClaim(ctx, g.Owner, gone.ID); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Enrol(ctx, Claim{Hash: record.Hash("gone"), KeyHash: record.Hash("k")})
	wantKind(t, err, tandem.NotFound, "revoked")

	if err := s.RevokeDevice(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	claim(t, s, record.ClaimCode{Creator: g.Owner, Hash: record.Hash("C"), Device: d.ID, Expires: later})
	_, _, err = s.Enrol(ctx, Claim{Hash: record.Hash("C"), KeyHash: record.Hash("k2"), Device: "00000000000000ff"})
	wantKind(t, err, tandem.Conflict, "not for device 00000000000000ff")
	same, made, err := s.Enrol(ctx, Claim{Hash: record.Hash("C"), KeyHash: record.Hash("k2")})
	if err != nil || made || same.ID != d.ID || same.Agent != d.Agent || !same.HasKey("k2") {
		t.Errorf("the device claimed again: %+v, %v, %v", same, made, err)
	}
	if got := verdict(t, s, d.ID, "k"); got != record.WrongKey {
		t.Errorf("its old key is %d", got)
	}
	list, _, err := s.Claims(ctx, g.Owner, Page{})
	if err != nil || len(list) != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	for _, c := range list {
		if !c.Used.IsZero() {
			wantKind(t, s.DeleteClaim(ctx, g.Owner, c.ID), tandem.Conflict, "tandem device revoke")
		}
	}
	many := make([]record.ClaimCode, ClaimsKept)
	for i := range many {
		many[i] = record.ClaimCode{Creator: g.Owner, Hash: record.Hash(fmt.Sprint(i)), Expires: later}
	}
	must[[]record.ClaimCode](t)(s.AddClaims(ctx, many))
	_, err = s.AddClaims(ctx, []record.ClaimCode{{Hash: record.Hash("more"), Expires: later}})
	wantKind(t, err, tandem.Limit, "10000")
}

// TestClaimRace: of many devices that use one code at once, one gets an identity.
func TestClaimRace(t *testing.T) { onBoth(t, testClaimRace) }

func testClaimRace(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "g")
	claim(t, s, record.ClaimCode{Creator: g.Owner, Hash: record.Hash("A"), Expires: s.stamp().Add(time.Hour)})
	const racers = 20
	var racing sync.WaitGroup
	errs := make([]error, racers)
	for i := range racers {
		racing.Go(func() {
			_, _, errs[i] = s.Enrol(ctx, Claim{Hash: record.Hash("A"), KeyHash: record.Hash(fmt.Sprint(i))})
		})
	}
	racing.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if tandem.KindOf(err) != tandem.Conflict {
			t.Error(err)
		}
	}
	if list, _, err := s.Devices(ctx, DeviceFilter{}, Page{}); won != 1 || err != nil || len(list) != 1 {
		t.Errorf("%d devices have won, %d are there, %v", won, len(list), err)
	}
}

func TestAuthority(t *testing.T) { onBoth(t, testAuthority) }

func testAuthority(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	broken := errors.New("no luck")
	if _, err := s.Authority(ctx, func() (record.Authority, error) { return record.Authority{}, broken }); err != broken {
		t.Error(err)
	}
	var racing sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		racing.Go(func() {
			a, err := s.Authority(ctx, func() (record.Authority, error) {
				return record.Authority{Certificate: fmt.Append(nil, i), Key: []byte("key")}, nil
			})
			got[i] = string(a.Certificate)
			if err != nil {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	if all := slices.Compact(got); len(all) != 1 {
		t.Errorf("there are several authorities: %v", all)
	}
}

func TestProvision(t *testing.T) { onBoth(t, testProvision) }

func testProvision(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "g")
	list := make([]Newcomer, 1000)
	for i := range list {
		id := tandem.NewDeviceID()
		list[i] = Newcomer{
			Device:       record.Device{ID: id, Owner: g.Owner, Group: g.ID, KeyHash: record.Hash(fmt.Sprint(i))},
			Certificates: []record.Certificate{{ID: fmt.Sprint(i), Device: id}},
		}
	}
	for _, want := range []int{1000, 0} {
		if made := must[[]record.Device](t)(s.Provision(ctx, list)); len(made) != want {
			t.Errorf("%d devices are made, want %d", len(made), want)
		}
	}
	other := list[3]
	other.KeyHash = record.Hash("another")
	fresh := Newcomer{Device: record.Device{ID: "00000000000000ff", Owner: g.Owner, KeyHash: record.Hash("x")}}
	_, err := s.Provision(ctx, []Newcomer{fresh, other})
	wantKind(t, err, tandem.Conflict, string(other.ID))
	if _, err := s.Device(ctx, "00000000000000ff"); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("a part of the list is made: %v", err)
	}
}
