package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// TestPagesOfLists walks lists page by page, from each place and by counting, while what was
// on the pages before is deleted.
func TestPagesOfLists(t *testing.T) { onBoth(t, testPagesOfLists) }

func testPagesOfLists(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "ann")
	var made []record.Device
	for i := range 25 {
		made = append(made, record.Device{Owner: g.Owner, Group: g.ID, Name: fmt.Sprint("d", i), KeyHash: record.Hash("")})
	}
	must[[]record.Device](t)(s.AddDevices(ctx, made))
	names := func(list []record.Device) (names []string) {
		for _, d := range list {
			names = append(names, d.Name)
		}
		return names
	}
	want := names(made)
	for _, f := range []DeviceFilter{{Owner: g.Owner}, {Group: g.ID}, {Owner: g.Owner, Product: g.Product}} {
		var got []string
		for after, pages := 0, 0; ; pages++ {
			list, next, err := s.Devices(ctx, f, Page{After: after, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			counted, _, err := s.Devices(ctx, f, Page{Skip: 10 * pages, Limit: 10})
			if err != nil || !slices.Equal(names(counted), names(list)) {
				t.Errorf("%+v: page %d is %q, by counting %q, %v", f, pages, names(list), names(counted), err)
			}
			if got = append(got, names(list)...); next == 0 {
				break
			}
			after = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %q", f, got)
		}
	}
	if list, next, err := s.Devices(ctx, DeviceFilter{Owner: g.Owner}, Page{Skip: 1000, Limit: 10}); err != nil ||
		len(list) != 0 || next != 0 {
		t.Errorf("beyond the end: %d, %d, %v", len(list), next, err)
	}
}

// TestListPlans: no list reads a whole table, or sorts, whatever its filters are.
func TestListPlans(t *testing.T) { onBoth(t, testListPlans) }

func testListPlans(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	yes, no := true, false
	page := Page{After: 7, Limit: 20}
	for what, list := range map[string]func() error{
		"accounts":    func() error { _, _, err := s.Accounts(ctx, page); return err },
		"tokens":      func() error { _, _, err := s.Tokens(ctx, "a", page); return err },
		"login keys":  func() error { _, _, err := s.LoginKeys(ctx, "a", page); return err },
		"products":    func() error { _, _, err := s.Products(ctx, "a", page); return err },
		"webhooks":    func() error { _, _, err := s.Webhooks(ctx, "a", "", page); return err },
		"of a group":  func() error { _, _, err := s.Webhooks(ctx, "", "g", page); return err },
		"deliveries":  func() error { _, _, err := s.Deliveries(ctx, "w", page); return err },
		"claim codes": func() error { _, _, err := s.Claims(ctx, "a", page); return err },
		"grants":      func() error { _, err := s.GrantsOf(ctx, "a"); return err },
		"invitations": func() error { _, _, err := s.Invitations(ctx, "a", record.Place{}, page); return err },
		"a secret":    func() error { _, err := s.InvitationWith(ctx, "a"); return ignoreAbsent(err) },
		"audit":       func() error { _, _, err := s.Audit(ctx, AuditFilter{}, page); return err },
		"of an actor": func() error {
			_, _, err := s.Audit(ctx, AuditFilter{Place: record.Place{Owner: "o"}, Actor: "a"}, page)
			return err
		},
		"certified":   func() error { _, err := s.Certificates(ctx, "d"); return err },
		"due":         func() error { _, err := s.due(ctx, s.read); return err },
		"history":     func() error { _, _, err := s.DeviceEvents(ctx, "d", page); return err },
		"a factor":    func() error { _, err := s.SecondFactor(ctx, "a"); return ignoreAbsent(err) },
		"a login":     func() error { _, err := s.SecondFactorOf(ctx, []byte("t")); return ignoreAbsent(err) },
		"by MAC":      func() error { _, err := s.DeviceAt(ctx, "m"); return ignoreAbsent(err) },
		"of an agent": func() error { _, err := s.DeviceOf(ctx, "a"); return ignoreAbsent(err) },
	} {
		s.checkPlans(t, what, list)
	}
	for _, f := range []GroupFilter{
		{Owner: "a"}, {Owner: "a", Type: "t"}, {Product: "p"}, {Product: "p", Type: "t"},
	} {
		s.checkPlans(t, fmt.Sprintf("groups %+v", f), func() error { _, _, err := s.Groups(ctx, f, page); return err })
	}
	for _, f := range []DeviceFilter{
		{Owner: "a"}, {Group: "g"}, {Owner: "a", Product: "p"}, {Owner: "a", GroupType: "t"},
		{Owner: "a", Product: "p", GroupType: "t"}, {Owner: "a", Unassigned: true}, {Owner: "a", Assigned: true},
	} {
		s.checkPlans(t, fmt.Sprintf("devices %+v", f), func() error { _, _, err := s.Devices(ctx, f, page); return err })
	}
	for _, f := range []DeploymentFilter{
		{Owner: "a"}, {Owner: "a", Creator: "c"}, {Owner: "a", SHA: "s"}, {Owner: "a", Flagger: "f"}, {Product: "p"},
		{Group: "g"}, {Owner: "a", Flagged: &yes}, {Owner: "a", Flagged: &no}, {Owner: "a", Tags: []string{"x"}},
		{Group: "g", Flagged: &yes, Tags: []string{"x", "y"}, SHA: "s"}, {Owner: "a", SHA: "s", Flagged: &no},
	} {
		s.checkPlans(t, fmt.Sprintf("deployments %+v", f),
			func() error { _, _, err := s.Deployments(ctx, f, page); return err })
	}
}

// TestSharedPlans: lists with what is shared merge indexes, and read and sort nothing else.
func TestSharedPlans(t *testing.T) { onBoth(t, testSharedPlans) }

func testSharedPlans(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	yes := true
	page := Page{After: 7, Limit: 20}
	for _, p := range []record.Place{{Owner: "o"}, {Owner: "o", Product: "p"}, {Owner: "o", Product: "p", Group: "g"}} {
		s.checkPlans(t, fmt.Sprintf("of %+v", p), func() error {
			_, _, one := s.Grants(ctx, "", p, page)
			_, _, two := s.Invitations(ctx, "", p, page)
			_, _, three := s.Audit(ctx, AuditFilter{Place: p}, page)
			return errors.Join(one, two, three)
		})
	}
	for _, in := range [][]record.Place{
		{{Owner: "a"}, {Owner: "o"}, {Owner: "x", Product: "p"}, {Owner: "x", Product: "q", Group: "g"}},
		{{Owner: "x", Product: "p"}}, {{Owner: "x", Product: "q", Group: "g"}},
	} {
		s.checkPlans(t, fmt.Sprintf("in %+v", in), func() error {
			skip := Page{After: 7, Limit: 20, Skip: 3}
			_, _, products := s.ProductsIn(ctx, in, page)
			_, _, skipped := s.Devices(ctx, DeviceFilter{In: in}, skip)
			_, _, hooks := s.WebhooksIn(ctx, in, page)
			errs := []error{products, skipped, hooks}
			for _, f := range []DeviceFilter{
				{In: in}, {In: in, GroupType: "t"}, {In: in, Unassigned: true}, {In: in, Assigned: true},
			} {
				_, _, err := s.Devices(ctx, f, page)
				errs = append(errs, err)
			}
			for _, f := range []DeploymentFilter{
				{In: in}, {In: in, Creator: "c", SHA: "s"}, {In: in, Flagged: &yes, Tags: []string{"x"}},
			} {
				_, _, err := s.Deployments(ctx, f, page)
				errs = append(errs, err)
			}
			for _, f := range []GroupFilter{{In: in}, {In: in, Type: "t"}} {
				_, _, err := s.Groups(ctx, f, page)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
	}
}

func ignoreAbsent(err error) error {
	if tandem.KindOf(err) == tandem.NotFound {
		return nil
	}
	return err
}

// checkPlans checks the plan of each query that do makes.
func (s *Store) checkPlans(t *testing.T, what string, do func() error) {
	t.Helper()
	var queries []string
	var arguments [][]any
	s.read.watch = func(query string, args []any) {
		queries = append(queries, query)
		arguments = append(arguments, args)
	}
	err := do()
	s.read.watch = nil
	if err != nil || len(queries) == 0 {
		t.Errorf("%s: %d queries, %v", what, len(queries), err)
	}
	for i, query := range queries {
		plan := s.plan(t, query, arguments[i])
		for _, bad := range []string{"Seq Scan", "Sort", "TEMP B-TREE"} {
			if strings.Contains(strings.ReplaceAll(plan, "Sort Key", "key"), bad) { // that is also of a Merge Append
				t.Errorf("%s: %s\n%s", what, query, plan)
			}
		}
		for line := range strings.Lines(plan) {
			if strings.HasPrefix(line, "SCAN ") && !strings.HasPrefix(line, "SCAN json_each") {
				t.Errorf("%s: %s\n%s", what, query, plan)
			}
		}
	}
}

// plan returns the plan of a query. PostgreSQL is told that its tables are large.
func (s *Store) plan(t *testing.T, query string, args []any) string {
	t.Helper()
	ctx := t.Context()
	conn := must[*sql.Conn](t)(s.read.Conn(ctx))
	defer conn.Close()
	explain, column := "EXPLAIN QUERY PLAN "+query, 3
	if s.postgres != nil {
		for _, text := range []string{"SET enable_seqscan = off", "SET enable_sort = off", "SET enable_bitmapscan = off"} {
			if _, err := conn.ExecContext(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
		explain, column = "EXPLAIN "+s.postgres.dialect.query(query), 0
	}
	rows, err := conn.QueryContext(ctx, explain, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var lines strings.Builder
	for rows.Next() {
		var all [4]any
		into := []any{&all[0], &all[1], &all[2], &all[3]}
		if s.postgres != nil {
			into = into[:1]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&lines, all[column])
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines.String()
}

// TestUpgradeForLists: a database of the version before has all columns of its devices filled
// in, and loses nothing.
func TestUpgradeForLists(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "tandem.db")
	s := openFile(t, path)
	g := addGroup(t, s, "ann")
	d := must[[]record.Device](t)(
		s.AddDevices(ctx, []record.Device{{Owner: g.Owner, Group: g.ID, KeyHash: record.Hash("k")}}))[0]
	for _, text := range []string{
		"UPDATE devices SET product = '', group_type = '', mac = ''",
		"UPDATE devices SET sum = 1", // of a row with other fields
	} {
		if err := s.Script(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	for text := range strings.SplitSeq(migrationPart(t, "UPDATE devices"), ";") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if err := s.Script(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	list, _, err := s.Devices(ctx, DeviceFilter{Owner: g.Owner, Product: g.Product, GroupType: g.Type}, Page{})
	if err != nil || len(list) != 1 || list[0].MAC != record.MACOf(d.ID) || !list[0].HasKey("k") {
		t.Errorf("%+v, %v", list, err)
	}
}

// migrationPart returns the statements of the migration for lists that begin with a text.
func migrationPart(t *testing.T, begin string) string {
	t.Helper()
	files := must[[]string](t)(filepath.Glob("migrations/sqlite/*.sql"))
	for _, file := range files {
		data := must[[]byte](t)(migrations.ReadFile(file))
		if !strings.Contains(string(data), "devices_product") {
			continue
		}
		var found strings.Builder
		for text := range strings.SplitSeq(string(data), ";") {
			if i := strings.Index(text, begin); i >= 0 {
				found.WriteString(text[i:] + ";")
			}
		}
		return found.String()
	}
	t.Fatal("no migration makes the index devices_product")
	return ""
}

// TestDeliveries: a delivery is taken by one node at a time, comes back after its lease, and
// stays as a dead letter.
func TestDeliveries(t *testing.T) { onBoth(t, testDeliveries) }

func testDeliveries(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	g := addGroup(t, s, "ann")
	if some, err := s.Deliver(ctx, g.ID, "deployment", "{}"); some || err != nil {
		t.Errorf("without webhooks: %v, %v", some, err)
	}
	w := must[Webhook](t)(s.AddWebhook(ctx,
		Webhook{Group: g.ID, Creator: g.Owner, URL: "http://x.test/", Event: "deployment"}))
	if w.Secret == "" {
		t.Error("a webhook without a secret")
	}
	if some, err := s.Deliver(ctx, g.ID, "deployment", `{"a":1}`); !some || err != nil {
		t.Errorf("%v, %v", some, err)
	}
	take := func(want int) []Delivery {
		t.Helper()
		list := must[[]Delivery](t)(s.Due(ctx, time.Hour))
		if len(list) != want {
			t.Fatalf("%d are due, want %d", len(list), want)
		}
		return list
	}
	d := take(1)[0]
	if d.Body != `{"a":1}` || d.Attempts != 1 {
		t.Errorf("%+v", d)
	}
	take(0) // another node has to wait
	if err := s.Undelivered(ctx, d.ID, "refused", s.stamp()); err != nil {
		t.Fatal(err)
	}
	if d := take(1)[0]; d.Attempts != 2 || d.Reason != "refused" {
		t.Errorf("%+v", d)
	}
	if err := s.Undelivered(ctx, d.ID, "dead", time.Time{}); err != nil {
		t.Fatal(err)
	}
	take(0)
	list, _, err := s.Deliveries(ctx, w.ID, Page{})
	if err != nil || len(list) != 1 || !list[0].Due.IsZero() || list[0].Reason != "dead" {
		t.Errorf("%+v, %v", list, err)
	}
	for range DeliveriesPerWebhook {
		must[bool](t)(s.Deliver(ctx, g.ID, "deployment", "{}"))
	}
	list, _, err = s.Deliveries(ctx, w.ID, Page{})
	if err != nil || len(list) != DeliveriesPerWebhook || list[len(list)-1].Reason == "dead" {
		t.Errorf("%d are kept, %v", len(list), err)
	}
	if err := s.Delivered(ctx, d.ID); err != nil { // it is gone
		t.Error(err)
	}
	if err := s.DeleteGroup(ctx, g.ID); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.Deliveries(context.WithoutCancel(ctx), w.ID, Page{}); err != nil || len(list) != 0 {
		t.Errorf("after their webhook: %d, %v", len(list), err)
	}
}
