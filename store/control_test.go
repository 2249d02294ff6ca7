package store

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// must returns v, or ends the test.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantKind checks that err has a kind and says something.
func wantKind(t *testing.T, err error, kind tandem.Kind, says string) {
	t.Helper()
	if err == nil || tandem.KindOf(err) != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v; want kind %v and %q", err, kind, says)
	}
}

func addAccount(t testing.TB, s *Store, name string) Account {
	t.Helper()
	return must[Account](t)(
		s.AddAccount(t.Context(), Account{Username: name, Email: name + "@example.com", Password: "hash"}))
}

// addGroup makes an account, a product and a group.
func addGroup(t testing.TB, s *Store, name string) record.Group {
	t.Helper()
	a := addAccount(t, s, name)
	p := must[record.Product](t)(s.AddProduct(t.Context(), record.Product{Owner: a.ID, Creator: a.ID, Name: name}))
	return must[record.Group](t)(
		s.AddGroup(t.Context(), record.Group{Product: p.ID, Creator: a.ID, Type: tandem.GroupDevelopment, Name: name}))
}

// TestNewID checks that ids are random UUIDs, version 4.
func TestNewID(t *testing.T) {
	form := regexp.MustCompile("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%s is no UUID, or was given before", id)
		}
		seen[id] = true
	}
	for i, c := range []byte("xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx") { // what is not fixed is random
		if c != 'x' {
			continue
		}
		digits := map[byte]bool{}
		for id := range seen {
			digits[id[i]] = true
		}
		if len(digits) != 16 {
			t.Errorf("digit %d of ids takes %d values", i, len(digits))
		}
	}
}

func TestAccounts(t *testing.T) { onBoth(t, testAccounts) }

func testAccounts(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	a := addAccount(t, s, "Ann")
	addAccount(t, s, "Bob")
	for _, name := range []string{"ann", "ANN@example.com"} {
		if got := must[Account](t)(s.AccountNamed(ctx, name)); got != a {
			t.Errorf("%s is %+v, want %+v", name, got, a)
		}
	}
	if got := must[Account](t)(s.Account(ctx, a.ID)); got != a {
		t.Errorf("got %+v, want %+v", got, a)
	}
	_, err := s.AddAccount(ctx, Account{Username: "ann", Email: "other@example.com"})
	wantKind(t, err, tandem.Conflict, "unique")
	_, err = s.ChangeAccount(ctx, a.ID, func(a *Account) error { a.Username = "bob"; return nil })
	wantKind(t, err, tandem.Conflict, "unique")
	_, err = s.AccountNamed(ctx, "stranger")
	wantKind(t, err, tandem.NotFound, "no such account")
	must[Account](t)(s.ChangeAccount(ctx, a.ID, func(a *Account) error { a.Password = "new"; return nil }))
	if got := must[Account](t)(s.Account(ctx, a.ID)); got.Password != "new" {
		t.Errorf("password %q", got.Password)
	}
}

func TestTokens(t *testing.T) { onBoth(t, testTokens) }

func testTokens(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	now := time.Now().UTC().Truncate(time.Millisecond)
	s.now = func() time.Time { return now }
	a := addAccount(t, s, "ann")
	access := must[Token](t)(s.AddToken(ctx, Token{Account: a.ID, Expires: now.Add(time.Hour)}, "secret 1"))
	refresh := must[Token](t)(s.AddToken(ctx, Token{Account: a.ID, Refresh: true}, "secret 2"))
	if got := must[Token](t)(s.Token(ctx, "secret 1")); !reflect.DeepEqual(got, access) {
		t.Errorf("got %+v, want %+v", got, access)
	}
	_, err := s.Token(ctx, "secret")
	wantKind(t, err, tandem.NotFound, "no such token")
	list, _, err := s.Tokens(ctx, a.ID, Page{})
	if err != nil || len(list) != 1 || list[0].ID != refresh.ID {
		t.Errorf("refresh tokens: %+v, %v", list, err)
	}
	now = now.Add(time.Hour)
	_, err = s.Token(ctx, "secret 1")
	wantKind(t, err, tandem.NotFound, "no such token")
	must[Token](t)(s.Token(ctx, "secret 2"))
	wantKind(t, s.DeleteToken(ctx, "another account", refresh.ID), tandem.NotFound, "no such token")
	if err := s.DeleteToken(ctx, a.ID, refresh.ID); err != nil {
		t.Error(err)
	}
	_, err = s.Token(ctx, "secret 2")
	wantKind(t, err, tandem.NotFound, "no such token")
	must[Token](t)(s.AddToken(ctx, Token{Account: a.ID}, "secret 3"))
	var rows int
	if err := s.read.QueryRow("SELECT count(*) FROM tokens").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d tokens are kept, want the new one alone; %v", rows, err)
	}
}

func TestLoginKeys(t *testing.T) { onBoth(t, testLoginKeys) }

func testLoginKeys(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	a := addAccount(t, s, "ann")
	for i := range LoginKeysPerAccount {
		must[LoginKey](t)(s.AddLoginKey(ctx, LoginKey{ID: fmt.Sprintf("key%013d", i), Account: a.ID}))
	}
	_, err := s.AddLoginKey(ctx, LoginKey{ID: "one more", Account: a.ID})
	wantKind(t, err, tandem.Limit, "Account Limit Reached: ")
	must[LoginKey](t)(s.ChangeLoginKey(ctx, "key0000000000003", func(k *LoginKey) error { k.Usages++; return nil }))
	if k := must[LoginKey](t)(s.LoginKey(ctx, "key0000000000003")); k.Usages != 1 {
		t.Errorf("%+v", k)
	}
	if err := s.DeleteLoginKey(ctx, "key0000000000003"); err != nil {
		t.Error(err)
	}
	wantKind(t, s.DeleteLoginKey(ctx, "key0000000000003"), tandem.NotFound, "no such login key")
	if list, next, err := s.LoginKeys(ctx, a.ID, Page{Skip: 7, Limit: 5}); err != nil || next != 0 ||
		len(list) != 2 || list[1].ID != "key0000000000009" {
		t.Errorf("%+v, %d, %v", list, next, err)
	}
}

func TestProducts(t *testing.T) { onBoth(t, testProducts) }

func testProducts(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	a, b := addAccount(t, s, "ann"), addAccount(t, s, "bob")
	p := must[record.Product](t)(
		s.AddProduct(ctx, record.Product{Owner: a.ID, Creator: b.ID, Name: "Kettle", Description: "hot"}))
	must[record.Product](t)(s.AddProduct(ctx, record.Product{Owner: b.ID, Creator: b.ID, Name: "Kettle"}))
	_, err := s.AddProduct(ctx, record.Product{Owner: a.ID, Name: "Kettle"})
	wantKind(t, err, tandem.Conflict, "Duplicate Resource: Products must have unique names.")
	_, err = s.AddProduct(ctx, record.Product{Owner: "unknown", Name: "Kettle"})
	wantKind(t, err, tandem.NotFound, "no such account")
	if got := must[record.Product](t)(s.Product(ctx, p.ID)); got != p {
		t.Errorf("got %+v, want %+v", got, p)
	}
	got := must[record.Product](t)(
		s.ChangeProduct(ctx, p.ID, func(p *record.Product) error { p.Name = "Pot"; return nil }))
	if again := must[record.Product](t)(s.Product(ctx, p.ID)); got.Name != "Pot" || again != got {
		t.Errorf("got %+v, then %+v", got, again)
	}
	lid := must[record.Product](t)(s.AddProduct(ctx, record.Product{Owner: a.ID, Name: "Lid"}))
	_, err = s.ChangeProduct(ctx, lid.ID, func(p *record.Product) error { p.Name = "Pot"; return nil })
	wantKind(t, err, tandem.Conflict, "Duplicate Resource: Products must have unique names.")
	_, err = s.ChangeProduct(ctx, "none", func(*record.Product) error { return nil })
	wantKind(t, err, tandem.NotFound, "no such product")
	if err := s.DeleteProduct(ctx, lid.ID); err != nil {
		t.Error(err)
	}
	if list, _, err := s.Products(ctx, a.ID, Page{}); err != nil || len(list) != 1 || list[0].Name != "Pot" {
		t.Errorf("%+v, %v", list, err)
	}
	if list, next, err := s.Products(ctx, "", Page{Limit: 1}); err != nil || next == 0 || len(list) != 1 {
		t.Errorf("%+v, %d, %v", list, next, err)
	}
	g := must[record.Group](t)(s.AddGroup(ctx, record.Group{Product: p.ID, Name: "g"}))
	wantKind(t, s.DeleteProduct(ctx, p.ID), tandem.Conflict, "Dependent Devicegroups Exist: ")
	if err := s.DeleteGroup(ctx, g.ID); err != nil {
		t.Error(err)
	}
	if err := s.DeleteProduct(ctx, p.ID); err != nil {
		t.Error(err)
	}
	wantKind(t, s.DeleteProduct(ctx, p.ID), tandem.NotFound, "no such product")
}

func TestGroups(t *testing.T) { onBoth(t, testGroups) }

func testGroups(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "ann")
	_, err := s.AddGroup(ctx, record.Group{Product: g.Product, Name: "ann"})
	wantKind(t, err, tandem.Conflict, "Duplicate Resource: Devicegroups must have unique names.")
	_, err = s.AddGroup(ctx, record.Group{Product: "none", Name: "x"})
	wantKind(t, err, tandem.NotFound, "no such product")
	_, err = s.AddGroup(ctx, record.Group{Product: g.Product, Name: "x", DUTTarget: "none"})
	wantKind(t, err, tandem.NotFound, "no such device group")
	fixture := must[record.Group](t)(
		s.AddGroup(ctx, record.Group{Product: g.Product, Name: "fixture", Type: "factoryfixture", ProductionTarget: g.ID}))
	wantKind(t, s.DeleteGroup(ctx, g.ID), tandem.Conflict, "Devicegroup In Use: ")

	_, err = s.ChangeGroup(ctx, fixture.ID, func(g *record.Group) error { g.Name = "ann"; return nil })
	wantKind(t, err, tandem.Conflict, "Duplicate Resource: Devicegroups must have unique names.")
	_, err = s.ChangeGroup(ctx, fixture.ID, func(g *record.Group) error { g.DUTTarget = "none"; return nil })
	wantKind(t, err, tandem.NotFound, "no such device group")
	refusal := tandem.Errorf(tandem.Forbidden, "not this one")
	_, err = s.ChangeGroup(ctx, fixture.ID, func(g *record.Group) error { g.Name = "changed"; return refusal })
	wantKind(t, err, tandem.Forbidden, "not this one")
	if got := must[record.Group](t)(s.Group(ctx, fixture.ID)); got != fixture {
		t.Errorf("what was refused made %+v of %+v", got, fixture)
	}

	env := `{"b":1,"a":{"z":null}}`
	changed := must[record.Group](t)(s.ChangeGroup(ctx, g.ID, func(g *record.Group) error {
		g.Env = env
		g.Product = "stolen"
		g.Current = "stolen"
		g.ValidateTLS = true
		return nil
	}))
	if changed.Env != env || !changed.ValidateTLS || changed.Product != g.Product || changed.Current != "" {
		t.Errorf("changed to %+v", changed)
	}
	if got := must[record.Group](t)(s.Group(ctx, g.ID)); got != changed {
		t.Errorf("got %+v, want %+v", got, changed)
	}
	for _, tt := range []struct {
		filter GroupFilter
		want   int
	}{
		{GroupFilter{}, 2},
		{GroupFilter{Type: "factoryfixture"}, 1},
		{GroupFilter{Owner: g.Owner, Product: g.Product}, 2},
		{GroupFilter{Owner: "unknown"}, 0},
	} {
		if list, _, err := s.Groups(ctx, tt.filter, Page{}); err != nil || len(list) != tt.want {
			t.Errorf("%+v: %+v, %v", tt.filter, list, err)
		}
	}
	if err := s.DeleteGroup(ctx, fixture.ID); err != nil {
		t.Error(err)
	}
	if err := s.DeleteGroup(ctx, g.ID); err != nil {
		t.Error(err)
	}
}

// deployFour makes a group with four deployments; the first and third have the
// same code, and so have the others.
func deployFour(t *testing.T, s *Store) (g record.Group, all []record.Deployment) {
	t.Helper()
	g = addGroup(t, s, "ann")
	for i := range 4 {
		all = append(all, must[record.Deployment](t)(s.Deploy(t.Context(), record.Deployment{
			Group: g.ID, Creator: g.Owner, DeviceCode: fmt.Sprint("device ", i%2), AgentCode: "agent",
			Tags: []string{"all", fmt.Sprint("t", i)},
		})))
	}
	return must[record.Group](t)(s.Group(t.Context(), g.ID)), all
}

func TestDeploy(t *testing.T) { onBoth(t, testDeploy) }

func testDeploy(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	now := time.Now()
	s.now = func() time.Time { return now } // the clock stands, Created does not
	g, all := deployFour(t, s)
	for i, d := range all {
		if d.Version != i+1 || i > 0 && !d.Created.After(all[i-1].Created) {
			t.Errorf("deployment %d: version %d, created %v", i, d.Version, d.Created)
		}
		if (d.SHA == all[0].SHA) != (i%2 == 0) || d.AgentSHA != all[0].AgentSHA || len(d.SHA) != 64 {
			t.Errorf("deployment %d: sha %s", i, d.SHA)
		}
		if got := must[record.Deployment](t)(s.Deployment(ctx, d.ID)); !reflect.DeepEqual(got, d) {
			t.Errorf("got %+v, want %+v", got, d)
		}
	}
	if g.Current != all[3].ID || g.MinSupported != all[0].ID {
		t.Errorf("the group has %s and %s", g.Current, g.MinSupported)
	}
	_, err := s.Deploy(ctx, record.Deployment{Group: "none"})
	wantKind(t, err, tandem.NotFound, "no such device group")

	if err := s.SetMinSupported(ctx, g.ID, all[2].ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.SetMinSupported(ctx, g.ID, all[1].ID), tandem.Conflict, "older")
	wantKind(t, s.SetMinSupported(ctx, g.ID, "none"), tandem.NotFound, "no such deployment")
}

// flag flags a deployment, or with an empty account unflags it.
func flag(t *testing.T, s *Store, id, account string) {
	t.Helper()
	must[record.Deployment](t)(s.ChangeDeployment(t.Context(), id, func(d *record.Deployment) error {
		d.Flagger, d.AgentCode = account, "stolen"
		return nil
	}))
	if d := must[record.Deployment](t)(s.Deployment(t.Context(), id)); d.Flagged() != (account != "") ||
		d.AgentCode != "agent" {
		t.Errorf("changed to %+v", d)
	}
}

func TestDeploymentFilter(t *testing.T) { onBoth(t, testDeploymentFilter) }

func testDeploymentFilter(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g, all := deployFour(t, s)
	flag(t, s, all[1].ID, g.Owner)
	yes, no := true, false
	for _, tt := range []struct {
		filter DeploymentFilter
		want   string
	}{
		{DeploymentFilter{}, "4321"},
		{DeploymentFilter{SHA: all[0].SHA}, "31"},
		{DeploymentFilter{Flagged: &yes}, "2"},
		{DeploymentFilter{Flagged: &no}, "431"},
		{DeploymentFilter{Flagger: g.Owner}, "2"},
		{DeploymentFilter{Tags: []string{"all"}}, "4321"},
		{DeploymentFilter{Tags: []string{"all", "t2"}}, "3"},
		{DeploymentFilter{Tags: []string{"t1", "t2"}}, ""},
		{DeploymentFilter{Group: g.ID, Product: g.Product, Owner: g.Owner, Creator: g.Owner}, "4321"},
	} {
		list, _, err := s.Deployments(ctx, tt.filter, Page{})
		got := ""
		for _, d := range list {
			got += fmt.Sprint(d.Version)
			if d.AgentCode != "" {
				t.Error("a list has code")
			}
		}
		if err != nil || got != tt.want {
			t.Errorf("%+v: versions %s, %v; want %s", tt.filter, got, err, tt.want)
		}
	}
}

func TestDeleteDeployment(t *testing.T) { onBoth(t, testDeleteDeployment) }

func testDeleteDeployment(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g, all := deployFour(t, s)
	flag(t, s, all[1].ID, g.Owner)
	if err := s.SetMinSupported(ctx, g.ID, all[2].ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.DeleteDeployment(ctx, all[1].ID), tandem.Conflict, "Resource Flagged: ")
	wantKind(t, s.DeleteDeployment(ctx, all[2].ID), tandem.Conflict, "Deployment In Use: ")
	wantKind(t, s.DeleteDeployment(ctx, all[3].ID), tandem.Conflict, "Deployment In Use: ")
	if err := s.DeleteDeployment(ctx, all[0].ID); err != nil {
		t.Error(err)
	}
	wantKind(t, s.DeleteDeployment(ctx, all[0].ID), tandem.NotFound, "no such deployment")
	wantKind(t, s.DeleteGroup(ctx, g.ID), tandem.Conflict, "Flagged Deployments Exist: ")
	flag(t, s, all[1].ID, "")
	if err := s.DeleteGroup(ctx, g.ID); err != nil {
		t.Error(err)
	}
	if left, _, err := s.Deployments(ctx, DeploymentFilter{}, Page{}); err != nil || len(left) != 0 {
		t.Errorf("%d deployments are left, %v", len(left), err)
	}
}

func TestDevices(t *testing.T) { onBoth(t, testDevices) }

func testDevices(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "ann")
	key := tandem.NewKey()
	made := must[[]record.Device](t)(s.AddDevices(ctx, []record.Device{
		{Owner: g.Owner, Name: "free", KeyHash: record.Hash(key), MAC: "0c:2a:69:00:00:01"},
		{Owner: g.Owner, Name: "assigned", Group: g.ID, KeyHash: record.Hash("other")},
	}))
	free := made[0]
	if !free.ID.Valid() || !free.Agent.Valid() || !free.HasKey(key) || free.HasKey("other") || free.HasKey("") {
		t.Errorf("made %+v", free)
	}
	for how, got := range map[string]record.Device{
		"id":    must[record.Device](t)(s.Device(ctx, free.ID)),
		"agent": must[record.Device](t)(s.DeviceOf(ctx, free.Agent)),
		"MAC":   must[record.Device](t)(s.DeviceAt(ctx, free.MAC)),
	} {
		if !reflect.DeepEqual(got, free) {
			t.Errorf("by %s: %+v, want %+v", how, got, free)
		}
	}
	_, err := s.DeviceAt(ctx, "")
	wantKind(t, err, tandem.NotFound, "no such device")
	_, err = s.AddDevices(ctx, []record.Device{
		{Owner: g.Owner, KeyHash: record.Hash("")},
		{ID: free.ID, Owner: g.Owner, KeyHash: record.Hash("")},
	})
	wantKind(t, err, tandem.Conflict, string(free.ID))

	for _, tt := range []struct {
		filter DeviceFilter
		want   string
	}{
		{DeviceFilter{}, "free assigned"},
		{DeviceFilter{Unassigned: true}, "free"},
		{DeviceFilter{Group: g.ID}, "assigned"},
		{DeviceFilter{Product: g.Product, Assigned: true, GroupType: g.Type}, "assigned"},
		{DeviceFilter{GroupType: tandem.GroupProduction}, ""},
		{DeviceFilter{Owner: "unknown"}, ""},
	} {
		list, _, err := s.Devices(ctx, tt.filter, Page{})
		var names []string
		for _, d := range list {
			names = append(names, d.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != tt.want {
			t.Errorf("%+v: %q, %v; want %q", tt.filter, got, err, tt.want)
		}
	}

	seen := time.UnixMilli(1_700_000_000_000).UTC()
	for _, what := range []record.Sighting{
		{At: seen, Address: "192.0.2.1", Runtime: "tandem 1"},
		{At: seen.Add(time.Second)},
	} {
		result := make(chan error, 1)
		s.Seen(free.ID, what, func(err error) { result <- err })
		if err := <-result; err != nil {
			t.Fatal(err)
		}
	}
	if d := must[record.Device](t)(s.Device(ctx, free.ID)); d.Changed != seen.Add(time.Second) ||
		d.Address != "192.0.2.1" || d.Runtime != "tandem 1" {
		t.Errorf("seen: %+v", d)
	}
	if d := must[record.Device](t)(s.RenameDevice(ctx, free.ID, "new")); d.Name != "new" {
		t.Errorf("renamed: %+v", d)
	}
}

func TestAssignAndDelete(t *testing.T) { onBoth(t, testAssignAndDelete) }

func testAssignAndDelete(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "ann")
	d := must[[]record.Device](t)(s.AddDevices(ctx, []record.Device{{Owner: g.Owner, KeyHash: record.Hash("")}}))[0]
	_, err := s.Assign(ctx, d.ID, "none")
	wantKind(t, err, tandem.NotFound, "no such device group")
	_, err = s.Assign(ctx, tandem.NewDeviceID(), g.ID)
	wantKind(t, err, tandem.NotFound, "no such device")
	if got := must[record.Device](t)(s.Assign(ctx, d.ID, g.ID)); got.Group != g.ID || got.Agent != d.Agent {
		t.Errorf("assigned: %+v", got)
	}
	wantKind(t, s.DeleteDevice(ctx, d.ID), tandem.Conflict, "Device Assigned: ")
	wantKind(t, s.DeleteGroup(ctx, g.ID), tandem.Conflict, "Devices Exist: ")
	begin(t, s, d.Agent)
	kept := make(chan error, 2)
	s.Post(d.Agent, 1, &record.Post{Name: "p", Data: []byte{0}}, func(_ uint64, err error) { kept <- err })
	s.End(d.Agent, 1, []byte("image"), func(err error) { kept <- err })
	for range cap(kept) {
		if err := <-kept; err != nil {
			t.Fatal(err)
		}
	}
	if got := must[record.Device](t)(s.Assign(ctx, d.ID, "")); got.Group != "" {
		t.Errorf("unassigned: %+v", got)
	}
	if err := s.DeleteDevice(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.DeleteDevice(ctx, d.ID), tandem.NotFound, "no such device")
	if r := recordOf(t, s, d.Agent); r.Incarnation != 0 {
		t.Errorf("the agent's record is left: %+v", r)
	}
	if list := must[[]record.Post](t)(s.Posts(ctx, d.Agent)); len(list) != 0 {
		t.Errorf("posts are left: %+v", list)
	}
	s.TakeSnapshot(d.Agent, func(snapshot []byte, err error) {
		if snapshot != nil {
			t.Errorf("a snapshot is left: %q", snapshot)
		}
		kept <- err
	})
	if err := <-kept; err != nil {
		t.Error(err)
	}
}

func TestWebhooks(t *testing.T) { onBoth(t, testWebhooks) }

func testWebhooks(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "ann")
	w := must[Webhook](t)(
		s.AddWebhook(ctx, Webhook{
			Group:       g.ID,
			Creator:     g.Owner,
			URL:         "https://example.com",
			Event:       "blessing",
			ContentType: "application/json",
		}))
	if got := must[Webhook](t)(s.Webhook(ctx, w.ID)); got != w {
		t.Errorf("got %+v, want %+v", got, w)
	}
	_, err := s.AddWebhook(ctx, Webhook{Group: "none"})
	wantKind(t, err, tandem.NotFound, "no such device group")
	must[Webhook](t)(s.ChangeWebhook(ctx, w.ID, func(w *Webhook) error { w.URL = "https://example.org"; return nil }))
	if list, _, err := s.Webhooks(ctx, g.Owner, g.ID, Page{}); err != nil || len(list) != 1 ||
		list[0].URL != "https://example.org" {
		t.Errorf("%+v, %v", list, err)
	}
	second := must[Webhook](t)(s.AddWebhook(ctx, Webhook{Group: g.ID}))
	if err := s.DeleteWebhook(ctx, second.ID); err != nil {
		t.Error(err)
	}
	if err := s.DeleteGroup(ctx, g.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Webhook(ctx, w.ID)
	wantKind(t, err, tandem.NotFound, "no such webhook")
}
