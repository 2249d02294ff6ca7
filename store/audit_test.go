package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/store/record"
)

// TestAudit: what is changed with a trail is recorded with what differs, and without secrets.
func TestAudit(t *testing.T) { onBoth(t, testAudit) }

func testAudit(t *testing.T, open opener) {
	s := open(t)
	g := addGroup(t, s, "ann")
	trail := &Trail{
		Actor: g.Owner, ActorName: "ann", Source: "192.0.2.1", Action: "PATCH x",
		Place: record.Place{Owner: g.Owner, Product: g.Product, Group: g.ID},
	}
	ctx := WithTrail(t.Context(), trail)
	seen := 0
	for i, step := range s.auditSteps(ctx, g, trail) {
		if err := step.do(); err != nil {
			t.Fatal(i, err)
		}
		list := must[[]AuditEntry](t)(audits.query(t.Context(), s.read, condition{}, Page{}))
		made := list[:len(list)-seen]
		seen = len(list)
		if len(made) != len(step.want) {
			t.Fatalf("%d: %d entries: %+v", i, len(made), made)
		}
		for j, e := range made {
			if got := e.Kind + " " + e.Before + " " + e.After; !strings.HasPrefix(got, step.want[j]) {
				t.Errorf("%d: %s, want %s", i, got, step.want[j])
			}
			if strings.Contains(e.Before+e.After+e.Object, hush) {
				t.Errorf("%d: a secret is in the audit log: %+v", i, e)
			}
			if e.Actor != g.Owner || e.ActorName != "ann" || e.Source != "192.0.2.1" || e.Place != trail.Place {
				t.Errorf("%+v", e)
			}
		}
	}
	if !trail.Noted() {
		t.Error("the trail does not know of the records")
	}
	s.auditRefused(t, trail)
}

// hush is a secret.
const hush = "hush-hush"

// auditStep is a change, and the kind, before and after of each entry that it makes, the newest first.
type auditStep struct {
	do   func() error
	want []string
}

func (s *Store) auditSteps(ctx context.Context, g record.Group, trail *Trail) []auditStep {
	return []auditStep{
		{func() error {
			_, err := s.ChangeGroup(ctx, g.ID, func(g *record.Group) error {
				g.Name, g.Env = "two", `{"KEY":"`+hush+`"}`
				return nil
			})
			return err
		}, []string{`device group {"env":"","name":"ann"} {"env":["KEY"],"name":"two"}`}},
		{func() error {
			_, err := s.ChangeGroup(ctx, g.ID, func(g *record.Group) error { g.Env = `{"KEY":"` + hush + `2"}`; return nil })
			return err
		}, []string{`device group {"env":["KEY"]} {"env":["KEY"]}`}},
		{func() error {
			_, err := s.ChangeGroup(ctx, g.ID, func(g *record.Group) error { return nil })
			return err
		}, nil},
		{func() error { _, err := s.SetPassword(ctx, g.Owner, hush); return err },
			[]string{`account {"password":"(not shown)"} {"password":"(not shown)"}`}},
		{func() error {
			_, err := s.AddLoginKey(ctx, LoginKey{ID: hush, Account: g.Owner, Description: "tools"})
			return err
		}, []string{`login key  {"account":`}},
		{func() error { return s.DeleteLoginKey(ctx, hush) }, []string{`login key {"account":`}},
		{func() error {
			_, err := s.AddWebhook(ctx, Webhook{Group: g.ID, URL: "https://u:" + hush + "@x.test/" + hush, Event: "blinkup"})
			return err
		}, []string{`webhook  {"content_type":"","created":`}},
		{func() error {
			_, err := s.Deploy(ctx, record.Deployment{Group: g.ID, AgentCode: hush, Tags: []string{"v1"}})
			return err
		}, []string{`device group {"current":"","min_supported":""} {"current":`, `deployment  {"agent_sha":`}},
		{func() error {
			_, err := s.AddSecondFactor(ctx, SecondFactor{Account: g.Owner, Secret: []byte(hush), Recovery: []string{hush}})
			return err
		}, []string{`second factor  {"created":`}},
		{func() error {
			_, err := s.AddInvitation(ctx, record.Invitation{Hash: []byte(hush), Place: trail.Place, Role: record.Viewer})
			return err
		}, []string{`invitation  {"account":""`}},
		{func() error { return s.RecordAction(ctx, trail, "there") }, []string{`  `}},
	}
}

// auditRefused: a change that is refused leaves no entry.
func (s *Store) auditRefused(t *testing.T, trail *Trail) {
	t.Helper()
	before, _, err := s.Audit(t.Context(), AuditFilter{Place: record.Place{Owner: trail.Place.Owner}}, Page{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteProduct(WithTrail(t.Context(), trail), trail.Place.Product); err == nil {
		t.Fatal("a product with groups was deleted")
	}
	for _, f := range []AuditFilter{
		{Place: record.Place{Owner: trail.Place.Owner}}, {Place: record.Place{Product: trail.Place.Product}},
		{Place: record.Place{Group: trail.Place.Group}}, {Place: record.Place{Owner: trail.Place.Owner}, Actor: trail.Actor},
	} {
		list, _, err := s.Audit(t.Context(), f, Page{})
		if err != nil || len(list) != len(before) {
			t.Errorf("%+v: %d, want %d, %v", f, len(list), len(before), err)
		}
	}
	none, _, err := s.Audit(t.Context(), AuditFilter{Place: record.Place{Owner: trail.Place.Owner}, Actor: "x"}, Page{})
	if err != nil || len(none) != 0 {
		t.Errorf("%d of another actor, %v", len(none), err)
	}
}

// TestAuditBounds: entries go when they are old, and when an account has too many.
func TestAuditBounds(t *testing.T) { onBoth(t, testAuditBounds) }

func testAuditBounds(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	trail := &Trail{Actor: "a", Action: "x", Place: record.Place{Owner: "o"}}
	now := time.Now()
	s.now = func() time.Time { return now.Add(-AuditKept - time.Hour) }
	for range 3 {
		if err := s.RecordAction(ctx, trail, "old"); err != nil {
			t.Fatal(err)
		}
	}
	s.now = time.Now
	for range auditTrims {
		if err := s.RecordAction(ctx, trail, "new"); err != nil {
			t.Fatal(err)
		}
	}
	list, _, err := s.Audit(ctx, AuditFilter{}, Page{})
	if err != nil || len(list) != auditTrims {
		t.Fatalf("%d are left, %v", len(list), err)
	}
	if err := s.do(ctx, func() error { return s.trimAudit("o", 5) }); err != nil {
		t.Fatal(err)
	}
	if left, _, err := s.Audit(ctx, AuditFilter{}, Page{}); err != nil || !slices.Equal(left, list[:5]) {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

// TestAuditColumns: each column of each table is one that the audit log shows, or one that is hidden
// for a reason. A new column has to be judged here.
func TestAuditColumns(t *testing.T) {
	hidden := map[string]bool{
		"password": true, "hash": true, "secret": true, "recovery": true, "login": true, "key_hash": true, "next": true,
		"certificate": true, "private_key": true,
	}
	shown := 0
	for name, columns := range map[string]string{
		accounts.name: accounts.columns, loginKeys.name: loginKeys.columns, products.name: products.columns,
		groups.name: groups.columns, deploymentHeads.name: deploymentHeads.columns, webhooks.name: webhooks.columns,
		secondFactors.name: secondFactors.columns, claims.name: claims.columns, credentials.name: credentials.columns,
		certificates.name: certificates.columns, authorities.name: authorities.columns, grants.name: grants.columns,
		invitations.name: invitations.columns, libraryHeads.name: libraryHeads.columns,
	} {
		for _, column := range strings.Split(columns, ", ")[1:] {
			if auditShows[column] != nil && hidden[column] || auditShows[column] == nil && !hidden[column] {
				t.Errorf("%s.%s: say in auditShows that it is no secret, or here that it is", name, column)
			}
			shown++
		}
	}
	if shown < 80 {
		t.Errorf("only %d columns", shown)
	}
}

// TestUpgradeForRoles: the operator's account of an installation of before is its administrator, and
// no other is; a webhook is found by its product.
func TestUpgradeForRoles(t *testing.T) {
	ctx := t.Context()
	s := openFile(t, filepath.Join(t.TempDir(), "tandem.db"))
	g := addGroup(t, s, "ann")
	hook := must[Webhook](t)(s.AddWebhook(ctx, Webhook{Group: g.ID, URL: "http://x.test/", Event: "blinkup"}))
	must[Account](t)(s.AddAccount(ctx, Account{Username: "operator", Email: "operator@localhost"}))
	raw := must[*sql.DB](t)(sql.Open("sqlite", dsn(s.path, "_busy_timeout=5000")))
	defer raw.Close()
	data := must[[]byte](t)(migrations.ReadFile("migrations/sqlite/0011.sql"))
	for _, text := range []string{"UPDATE webhooks SET product = ''", "UPDATE accounts SET sum = 1"} {
		must[sql.Result](t)(raw.ExecContext(ctx, text))
	}
	for text := range strings.SplitSeq(string(data), ";") {
		if strings.HasPrefix(strings.TrimSpace(text), "UPDATE") {
			must[sql.Result](t)(raw.ExecContext(ctx, text))
		}
	}
	for name, want := range map[string]bool{"operator": true, "ann": false} {
		a, err := s.AccountNamed(ctx, name)
		if err != nil || a.Administrator != want {
			t.Errorf("%+v, %v", a, err)
		}
	}
	list, _, err := s.WebhooksIn(ctx, []record.Place{{Owner: g.Owner, Product: g.Product}}, Page{})
	if err != nil || len(list) != 1 || list[0].ID != hook.ID {
		t.Errorf("%+v, %v", list, err)
	}
}
