package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// shared is what an account has, and an account that has a part of it.
type shared struct {
	s      *Store
	owner  string
	member Account
	groups []record.Group // two of the first product, one of the second
}

func newShared(t *testing.T, s *Store) *shared {
	t.Helper()
	ctx := t.Context()
	first := addGroup(t, s, "ann")
	x := &shared{s: s, owner: first.Owner, groups: []record.Group{first}}
	second := must[record.Product](t)(s.AddProduct(ctx, record.Product{Owner: first.Owner, Name: "second"}))
	for i, product := range []string{first.Product, second.ID} {
		x.groups = append(x.groups, must[record.Group](t)(s.AddGroup(ctx,
			record.Group{Product: product, Name: fmt.Sprint("g", i), Type: tandem.GroupDevelopment})))
	}
	for _, g := range x.groups {
		must[record.Deployment](t)(s.Deploy(ctx, record.Deployment{Group: g.ID}))
		must[Webhook](t)(s.AddWebhook(ctx, Webhook{Group: g.ID, URL: "http://x.test/", Event: "deployment"}))
		must[[]record.Device](t)(s.AddDevices(ctx, []record.Device{
			{Owner: x.owner, Group: g.ID, KeyHash: record.Hash("")}, {Owner: x.owner, Group: g.ID, KeyHash: record.Hash("")},
		}))
	}
	must[[]record.Device](t)(s.AddDevices(ctx, []record.Device{{Owner: x.owner, KeyHash: record.Hash("")}}))
	x.member = must[Account](t)(s.AddAccount(ctx, Account{Username: "bob", Email: "bob@example.com"}))
	return x
}

func (x *shared) grant(t *testing.T, p record.Place, role record.Role) record.Grant {
	t.Helper()
	p.Owner = x.owner
	return must[record.Grant](t)(x.s.AddGrant(t.Context(), record.Grant{Member: x.member.ID, Place: p, Role: role}))
}

// counts returns how many products, groups, deployments, devices and webhooks are in places, by
// pages of two.
func (x *shared) counts(t *testing.T, in []record.Place) (n [5]int) {
	t.Helper()
	ctx, s := t.Context(), x.s
	for i, list := range []func(Page) (int, int, error){
		func(p Page) (int, int, error) { l, next, err := s.ProductsIn(ctx, in, p); return len(l), next, err },
		func(p Page) (int, int, error) {
			l, next, err := s.Groups(ctx, GroupFilter{In: in}, p)
			return len(l), next, err
		},
		func(p Page) (int, int, error) {
			l, next, err := s.Deployments(ctx, DeploymentFilter{In: in}, p)
			return len(l), next, err
		},
		func(p Page) (int, int, error) {
			l, next, err := s.Devices(ctx, DeviceFilter{In: in}, p)
			return len(l), next, err
		},
		func(p Page) (int, int, error) { l, next, err := s.WebhooksIn(ctx, in, p); return len(l), next, err },
	} {
		for page := (Page{Limit: 2}); ; {
			found, next, err := list(page)
			if err != nil {
				t.Fatal(err)
			}
			counted, _, err := list(Page{Skip: n[i], Limit: 2})
			if err != nil || counted != found {
				t.Errorf("list %d: %d by place, %d by counting, %v", i, found, counted, err)
			}
			if n[i] += found; next == 0 {
				break
			}
			page.After = next
		}
	}
	return n
}

// TestShared: lists have what is in the places that an account sees, each object once.
func TestShared(t *testing.T) { onBoth(t, testShared) }

func testShared(t *testing.T, open opener) {
	x := newShared(t, open(t))
	a, b := x.groups[0], x.groups[1]
	c := x.groups[2]
	own := []record.Place{{Owner: x.member.ID}}
	for _, tt := range []struct {
		in   []record.Place
		want [5]int
	}{
		{[]record.Place{{Owner: x.owner}}, [5]int{2, 3, 3, 7, 3}},
		{own, [5]int{}},
		{append(own, record.Place{Owner: x.owner, Product: a.Product}), [5]int{1, 2, 2, 4, 2}},
		{append(own, record.Place{Owner: x.owner, Product: b.Product, Group: b.ID}), [5]int{0, 1, 1, 2, 1}},
		{append(own, record.Place{Owner: x.owner, Product: a.Product, Group: a.ID},
			record.Place{Owner: x.owner, Product: c.Product}), [5]int{1, 2, 2, 4, 2}},
		{[]record.Place{}, [5]int{}},
	} {
		if got := x.counts(t, tt.in); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.in, got, tt.want)
		}
	}
}

// TestGrants: a grant is there once, ends with its object, and takes what its member has prepared with it.
func TestGrants(t *testing.T) { onBoth(t, testGrants) }

func testGrants(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	x := newShared(t, s)
	a, c := x.groups[0], x.groups[2]
	one := x.grant(t, record.Place{Product: a.Product}, record.Operator)
	_, err := s.AddGrant(ctx, record.Grant{Member: x.member.ID, Place: one.Place, Role: record.Admin})
	wantKind(t, err, tandem.Conflict, "")
	_, err = s.AddGrant(ctx, record.Grant{Member: "none", Place: one.Place, Role: record.Admin})
	wantKind(t, err, tandem.NotFound, "")
	g := must[record.Grant](t)(s.ChangeGrant(ctx, one.ID, record.Admin))
	if g.Role != record.Admin || g.Place != one.Place {
		t.Errorf("%+v", g)
	}
	two := x.grant(t, record.Place{Product: c.Product, Group: c.ID}, record.Viewer)
	list, err := s.GrantsOf(ctx, x.member.ID)
	if err != nil || len(list) != 2 || list[1] != two {
		t.Errorf("%+v, %v", list, err)
	}
	inGroup, _, err := s.Grants(ctx, "", two.Place, Page{})
	if err != nil || !slices.Equal(inGroup, []record.Grant{two}) {
		t.Errorf("%+v, %v", inGroup, err)
	}
	codes := must[[]record.ClaimCode](t)(s.AddClaims(ctx, []record.ClaimCode{
		{Hash: record.Hash("1"), Group: a.ID, Creator: x.member.ID, Expires: s.stamp().Add(time.Hour)},
		{Hash: record.Hash("2"), Group: c.ID, Creator: x.member.ID, Expires: s.stamp().Add(time.Hour)},
	}))
	must[record.Invitation](t)(s.AddInvitation(ctx, record.Invitation{Hash: record.Hash("i"), Place: one.Place,
		Role: record.Viewer, Creator: x.member.ID, Expires: s.stamp().Add(time.Hour)}))
	if err := s.DeleteGrant(ctx, one.ID); err != nil {
		t.Fatal(err)
	}
	left, _, err := s.Claims(ctx, x.member.ID, Page{})
	if err != nil || len(left) != 1 || left[0].ID != codes[1].ID {
		t.Errorf("claim codes of a former collaborator: %+v, %v", left, err)
	}
	_, err = s.InvitationWith(ctx, "i")
	wantKind(t, err, tandem.NotFound, "")
	d, made, err := s.Enrol(ctx, Claim{Hash: record.Hash("2"), KeyHash: record.Hash("k")})
	if err != nil || !made || d.Owner != x.owner {
		t.Errorf("a device of a shared group is %+v, %v, %v", d, made, err)
	}
}

// TestInvitations: an invitation is used once, and not after its time.
func TestInvitations(t *testing.T) { onBoth(t, testInvitations) }

func testInvitations(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	x := newShared(t, s)
	place := record.Place{Owner: x.owner, Product: x.groups[0].Product}
	invite := func(secret string, i record.Invitation) record.Invitation {
		t.Helper()
		i.Hash = record.Hash(secret)
		if i.Expires.IsZero() {
			i.Expires = s.stamp().Add(time.Hour)
		}
		return must[record.Invitation](t)(s.AddInvitation(ctx, i))
	}
	invite("new", record.Invitation{Place: place, Role: record.Developer, Creator: x.owner})
	eve := must[Account](t)(s.Accept(ctx, "new", Account{Username: "eve", Email: "eve@example.com", Password: "p"}))
	for _, secret := range []string{"new", "none", ""} {
		_, err := s.Accept(ctx, secret, Account{ID: x.member.ID})
		wantKind(t, err, tandem.NotFound, "")
	}
	invite("late", record.Invitation{Place: place, Role: record.Owner, Expires: s.stamp().Add(-time.Second)})
	_, err := s.Accept(ctx, "late", Account{ID: eve.ID})
	wantKind(t, err, tandem.NotFound, "")
	for _, role := range []record.Role{record.Viewer, record.Admin, record.Operator} {
		invite(string(role), record.Invitation{Place: place, Role: role})
		must[Account](t)(s.Accept(ctx, string(role), Account{ID: eve.ID}))
	}
	list, err := s.GrantsOf(ctx, eve.ID)
	if err != nil || len(list) != 1 || list[0].Role != record.Admin || list[0].Place != place {
		t.Errorf("%+v, %v", list, err)
	}
	invite("taken", record.Invitation{Place: place, Role: record.Viewer})
	_, err = s.Accept(ctx, "taken", Account{Username: "EVE", Email: "other@example.com"})
	wantKind(t, err, tandem.Conflict, "")
	must[record.Invitation](t)(s.InvitationWith(ctx, "taken")) // it can still be used
	invite("late setup", record.Invitation{Account: eve.ID})
	_, err = s.Accept(ctx, "late setup", Account{Password: "q"})
	wantKind(t, err, tandem.Conflict, "password already")
	must[Account](t)(s.ChangeAccount(ctx, eve.ID, func(a *Account) error { a.Password = ""; return nil }))
	invite("setup", record.Invitation{Account: eve.ID})
	a := must[Account](t)(s.Accept(ctx, "setup", Account{Password: "q", Email: "new@example.com"}))
	if a.ID != eve.ID || a.Password != "q" || a.Email != "new@example.com" || a.Username != "eve" {
		t.Errorf("%+v", a)
	}
	if err := s.DeleteGroup(ctx, x.groups[1].ID); err == nil {
		t.Error("a group with devices was deleted")
	}
	all, _, err := s.Invitations(ctx, x.owner, record.Place{}, Page{})
	if err != nil || len(all) != 1 || all[0].UsedBy != eve.ID || all[0].Used.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestGrantLimit: an account has only so many roles with others.
func TestGrantLimit(t *testing.T) {
	s := openFile(t, t.TempDir()+"/db")
	x := newShared(t, s)
	ctx := context.WithoutCancel(t.Context())
	var err error
	for i := 0; i <= GrantsPerMember && err == nil; i++ {
		owner := must[Account](t)(s.AddAccount(ctx, Account{Username: fmt.Sprint("a", i), Email: fmt.Sprint(i)}))
		_, err = s.AddGrant(ctx, record.Grant{Member: x.member.ID, Place: record.Place{Owner: owner.ID}, Role: record.Viewer})
	}
	wantKind(t, err, tandem.Limit, "")
	list, err := s.GrantsOf(ctx, x.member.ID)
	if err != nil || len(list) != GrantsPerMember {
		t.Fatalf("%d, %v", len(list), err)
	}
	if n := x.counts(t, record.Visible(x.member.ID, list)); n != [5]int{} {
		t.Errorf("%v", n)
	}
}
