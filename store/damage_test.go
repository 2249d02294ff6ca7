package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// unprotected are the columns that no checksum covers, with the reason. A name that begins with
// a point is a column of any table.
var unprotected = map[string]string{
	".rowid":              "the order of lists",
	".id":                 "a record with another id is not found, which is said",
	"agents.shard":        "follows from the id; the index only",
	"agents.incarnation":  "one statement raises it; writes of another incarnation are refused",
	"agents.running":      "the agent starts, or is started by its next event",
	"agents.changed":      "for people",
	"agents.quarantined":  "an agent that starts in spite of it is quarantined again by its next faults",
	"snapshots.agent":     "the agent starts from what it has saved",
	"posts.agent":         "a message that no device gets",
	"posts.cause_boot":    "a repetition gets no number",
	"posts.cause_seq":     "a repetition gets no number",
	"posts.cause_nth":     "a repetition gets no number",
	"devices.changed":     "what was last seen of the device, written without reading",
	"devices.address":     "what was last seen of the device, written without reading",
	"devices.runtime":     "what was last seen of the device, written without reading",
	"devices.boot":        "what was last seen of the device, written without reading",
	"devices.incarnation": "what was last seen of the device, written without reading",

	"devices.heard_boot":         "another value is taken for another history of the device, which then puts its numbers up",
	"devices.heard_id":           "another value is taken for another history of the device, which then puts its numbers up",
	"devices.heard_installation": "another value is taken for another history of the device, which then puts its numbers up",
	"devices.ran":                "a guard of the record of the agent",
	"tokens.hash":                "a token with another hash is not found, and its bearer is refused",
	"tokens.expires":             "a token that seems to have expired is not found; one that seems to live longer is damaged",
	"deployments.code_sum":       "a checksum that lists do not read",
	"libraries.code_sum":         "a checksum that lists do not read",
	"libraries.name":             "see id",
	"history.database":           "compared with what the nodes remember",
	"history.number":             "compared with what the nodes remember",
	"history.id":                 "compared with what the nodes remember",
	"progress.node":              "compared with what the nodes remember",
	"progress.n":                 "compared with what the nodes remember",
	"renewals.node":              "compared with what the nodes remember",
	"renewals.n":                 "compared with what the nodes remember",
	"tandem_schema.version":      "checked against the schemas that there are",
	"credentials.device":         "credentials of another device are not found: what revokes a device is in its own record",
	"credential_changes.n":       "by it nodes notice changes; when it is lower than before, they look at all devices",
	"claim_codes.hash":           "a code with another hash is not found, and is refused",
	"webhooks.product":           "it only selects lists; the webhook's group has it",
	"devices.product":            "it only selects lists; the device's group has it",
	"devices.group_type":         "it only selects lists; the device's group has it",
}

// apart are tables that no damage of a record reaches: PostgreSQL's, with checksums of its own
// pages, which a node writes all the time.
var apart = []string{"nodes", "leases", "claims", "shards", "cluster", "planner", "rescuers"}

// specimen is one record of each kind, and how each is read.
type specimen struct {
	t     *testing.T
	s     *Store
	raw   *sql.DB
	reads map[string]func(ctx context.Context) error // by table
}

// rawDB opens the database without the store, with references that are not checked.
func rawDB(t *testing.T, s *Store) *sql.DB {
	t.Helper()
	var db *sql.DB
	if s.postgres != nil {
		db = s.postgres.pool(map[string]string{"session_replication_role": "replica"})
	} else {
		db = must[*sql.DB](t)(sql.Open("sqlite", dsn(s.path, "_busy_timeout=5000")))
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func newSpecimen(t *testing.T, s *Store) *specimen {
	t.Helper()
	ctx := t.Context()
	g := addGroup(t, s, "g")
	token := must[Token](t)(s.AddToken(ctx, Token{Account: g.Owner}, "secret"))
	key := must[LoginKey](t)(s.AddLoginKey(ctx, LoginKey{ID: "key", Account: g.Owner}))
	d := must[record.Deployment](t)(s.Deploy(ctx, record.Deployment{
		Group: g.ID, AgentCode: "agent", DeviceCode: "device", Tags: []string{"a", "\xff<"},
	}))
	hook := must[Webhook](t)(s.AddWebhook(ctx, Webhook{Group: g.ID, URL: "http://there"}))
	library := tandem.LibraryID{Name: "L", Version: "1.0.0"}
	must[Library](t)(s.AddLibrary(ctx, library, "code"))
	device := must[[]record.Device](t)(s.AddDevices(ctx, []record.Device{
		{Owner: g.Owner, Group: g.ID, KeyHash: record.Hash("key"), Agent: agent, Name: "d", MAC: "0c:2a:69:00:00:01"},
	}))[0]
	must[bool](t)(s.Deliver(ctx, g.ID, hook.Event, "{}"))
	factor := SecondFactor{Account: g.Owner, Secret: []byte("s"), Recovery: []string{"r"}}
	must[SecondFactor](t)(s.AddSecondFactor(ctx, factor))
	if token.ID == "" {
		t.Fatal("a token without id")
	}
	begin(t, s, agent)
	x := &specimen{t: t, s: s, raw: rawDB(t, s)}
	x.fill()
	x.reads = map[string]func(context.Context) error{
		"accounts":      func(ctx context.Context) error { _, err := s.Account(ctx, g.Owner); return err },
		"tokens":        func(ctx context.Context) error { _, err := s.Token(ctx, "secret"); return err },
		"login_keys":    func(ctx context.Context) error { _, err := s.LoginKey(ctx, key.ID); return err },
		"products":      func(ctx context.Context) error { _, err := s.Product(ctx, g.Product); return err },
		"device_groups": func(ctx context.Context) error { _, err := s.Group(ctx, g.ID); return err },
		"deployments":   func(ctx context.Context) error { _, err := s.Deployment(ctx, d.ID); return err },
		"webhooks":      func(ctx context.Context) error { _, err := s.Webhook(ctx, hook.ID); return err },
		"libraries":     func(ctx context.Context) error { _, err := s.LibraryCode(ctx, library); return err },
		"devices":       func(ctx context.Context) error { _, err := s.Device(ctx, device.ID); return err },
		"agents":        x.readAgent,
		"device_events": func(ctx context.Context) error {
			_, err := deviceEvents.query(ctx, s.read, condition{}, Page{})
			return err
		},
		"deliveries": func(ctx context.Context) error {
			_, err := deliveries.query(ctx, s.read, condition{}, Page{})
			return err
		},
		"second_factors": func(ctx context.Context) error {
			_, err := secondFactors.query(ctx, s.read, condition{}, Page{})
			return err
		},
		"snapshots": x.readSnapshot,
		"posts": func(ctx context.Context) error {
			_, bad, err := s.readPosts(ctx, agent)
			if len(bad) > 0 {
				return record.DamagedPost(agent, bad[0])
			}
			return err
		},
	}
	x.enrol(g.ID, device.ID)
	x.share(g)
	return x
}

// enrol adds what there is of the keys of devices, and how it is read.
func (x *specimen) enrol(group string, id tandem.DeviceID) {
	x.t.Helper()
	s, ctx := x.s, x.t.Context()
	must[record.Credentials](x.t)(s.RotateKey(ctx, id, record.Hash("new"), time.Time{}))
	if err := s.AddCertificates(ctx, []record.Certificate{{ID: "f", Device: id}}); err != nil {
		x.t.Fatal(err)
	}
	must[[]record.ClaimCode](x.t)(s.AddClaims(ctx, []record.ClaimCode{
		{Hash: record.Hash("code"), Group: group, Expires: time.Now().Add(time.Hour)},
	}))
	newAuthority := func() (record.Authority, error) {
		return record.Authority{Certificate: []byte("c"), Key: []byte("k")}, nil
	}
	must[record.Authority](x.t)(s.Authority(ctx, newAuthority))
	maps.Copy(x.reads, map[string]func(context.Context) error{
		"credentials":  func(ctx context.Context) error { _, err := s.Credentials(ctx, id); return err },
		"certificates": func(ctx context.Context) error { _, err := s.Certificate(ctx, "f"); return err },
		"authorities":  func(ctx context.Context) error { _, err := s.Authority(ctx, newAuthority); return err },
		"claim_codes": func(ctx context.Context) error {
			_, err := claims.one(ctx, s.read, where("hash = ?", record.Hash("code")))
			return err
		},
	})
}

// share adds what there is of roles and of the audit log, and how it is read.
func (x *specimen) share(g record.Group) {
	x.t.Helper()
	s, ctx := x.s, x.t.Context()
	place := record.Place{Owner: g.Owner, Product: g.Product, Group: g.ID}
	invited := record.Invitation{Hash: record.Hash("i"), Place: place}
	invited = must[record.Invitation](x.t)(s.AddInvitation(ctx, invited))
	member := must[Account](x.t)(s.AddAccount(ctx, Account{Username: "member", Email: "m"}))
	must[record.Grant](x.t)(s.AddGrant(ctx, record.Grant{Member: member.ID, Place: place}))
	if err := s.RecordAction(ctx, &Trail{}, "x"); err != nil {
		x.t.Fatal(err)
	}
	maps.Copy(x.reads, map[string]func(context.Context) error{
		"grants": func(ctx context.Context) error {
			_, err := grants.query(ctx, s.read, condition{}, Page{})
			return err
		},
		"audit": func(ctx context.Context) error {
			_, err := audits.query(ctx, s.read, condition{}, Page{})
			return err
		},
		"invitations": func(ctx context.Context) error { _, err := s.Invitation(ctx, invited.ID); return err },
	})
}

// fill writes what is read once.
func (x *specimen) fill() {
	x.t.Helper()
	if err := save(x.s, agent, 1, "table", tandem.Mark{Boot: 1, Seq: 2}); err != nil {
		x.t.Fatal(err)
	}
	result := make(chan error, 2)
	x.s.End(agent, 1, []byte("image"), func(err error) { result <- err })
	x.s.Post(agent, 1, &record.Post{Name: "n", Data: []byte("data"), Cause: tandem.Mark{Boot: 1, Seq: 2}, Nth: 1},
		func(_ uint64, err error) { result <- err })
	for range 2 {
		if err := <-result; err != nil {
			x.t.Fatal(err)
		}
	}
}

// readAgent reads what the row of an agent has.
func (x *specimen) readAgent(ctx context.Context) error {
	_, err := x.s.Record(ctx, agent)
	return errors.Join(err, x.s.do(ctx, func() error { _, err := x.s.posting(agent, 1); return err }))
}

func (x *specimen) readSnapshot(context.Context) error {
	result := make(chan error, 1)
	x.s.TakeSnapshot(agent, func(_ []byte, err error) { result <- err })
	err := <-result
	x.fill()
	return err
}

// columns returns all columns of the database with their types.
func (x *specimen) columns() map[string]string {
	x.t.Helper()
	query := `SELECT m.name || '.' || p.name, lower(p.type) FROM sqlite_schema m, pragma_table_info(m.name) p
		WHERE m.type = 'table'`
	if x.s.postgres != nil {
		query = `SELECT table_name || '.' || column_name, data_type FROM information_schema.columns
			WHERE table_schema = 'public'`
	}
	rows := must[*sql.Rows](x.t)(x.raw.QueryContext(x.t.Context(), query))
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			x.t.Fatal(err)
		}
		all[name] = kind
	}
	if err := rows.Err(); err != nil {
		x.t.Fatal(err)
	}
	return all
}

// changed returns an expression for another value of a column.
func changed(column, kind string) string {
	switch kind {
	case "text":
		if column == "tags" || column == "recovery" {
			return "'[\"b\"]'"
		}
		return "coalesce(" + column + ", '') || 'x'"
	case "blob":
		return "CAST(" + column + " || x'00' AS BLOB)"
	case "bytea":
		return column + " || '\\x00'::bytea"
	case "boolean":
		return "NOT " + column
	}
	if column == "refresh" || column == "load_after_blessing" || column == "validate_tls" ||
		column == "enabled" || column == "administrator" { // booleans, on SQLite
		return "1 - " + column
	}
	return column + " + 1"
}

// TestDamage changes each column of each table, as damage of the disk does, and checks that the
// record is refused by its name. A new column must be covered by a checksum, or be named above.
func TestDamage(t *testing.T) { onBoth(t, testDamage) }

func testDamage(t *testing.T, open opener) {
	x := newSpecimen(t, open(t))
	tried := 0
	for name, kind := range x.columns() {
		table, column, _ := strings.Cut(name, ".")
		if slices.Contains(apart, table) || unprotected[name] != "" || unprotected["."+column] != "" {
			continue
		}
		read := x.reads[table]
		if read == nil {
			t.Errorf("the table %s is not tried", table)
			continue
		}
		if err := read(t.Context()); err != nil {
			t.Fatalf("%s before the damage: %v", name, err)
		}
		tried++
		x.exec("CREATE TABLE spare AS SELECT * FROM " + table)
		x.exec("UPDATE " + table + " SET " + column + " = " + changed(column, kind))
		var damage *record.Damaged
		if err := read(t.Context()); !errors.As(err, &damage) || damage.What == "" || damage.Remedy == "" {
			t.Errorf("damage of %s is not noticed: %v", name, err)
		}
		x.exec("DELETE FROM " + table)
		x.exec("INSERT INTO " + table + x.overriding(table) + " SELECT * FROM spare")
		x.exec("DROP TABLE spare")
	}
	if tried < 80 {
		t.Errorf("only %d columns were tried", tried)
	}
	if n := x.s.Health().Damaged; n == 0 {
		t.Error("the health does not have the damage")
	}
}

// overriding lets a column be written that PostgreSQL numbers.
func (x *specimen) overriding(table string) string {
	if x.s.postgres == nil || slices.Contains([]string{"agents", "snapshots", "posts"}, table) {
		return ""
	}
	return " OVERRIDING SYSTEM VALUE"
}

func (x *specimen) exec(statement string) {
	x.t.Helper()
	if _, err := x.raw.ExecContext(x.t.Context(), statement); err != nil {
		x.t.Fatalf("%s: %v", statement, err)
	}
}

// TestGiveUp: an agent with a damaged record does not start, whatever is damaged, until an
// operator gives it up. What is intact is kept.
func TestGiveUp(t *testing.T) { onBoth(t, testGiveUp) }

func testGiveUp(t *testing.T, open opener) {
	x := newSpecimen(t, open(t))
	ctx := t.Context()
	for _, tt := range []struct {
		name, statement string
		table           string // that the agent has afterwards
		lost            int
	}{
		{"nothing", "UPDATE agents SET changed = 7", "table", 0},
		{"the table", "UPDATE agents SET mark_seq = 7", "", 1},
		{"the record", "DELETE FROM agents", "", 1},
		{"a message", "UPDATE posts SET name = 'x'", "table", 1},
		{"the numbering", "UPDATE agents SET cause_boot = 77", "table", 1},
		{"all", "UPDATE agents SET mark_seq = 7, cause_boot = 77", "", 2},
	} {
		x.exec(tt.statement)
		lost, err := x.s.GiveUp(ctx, agent)
		if err != nil || len(lost) != tt.lost {
			t.Errorf("%s: %v were given up, %v", tt.name, lost, err)
		}
		if r := recordOf(t, x.s, agent); string(r.Saved) != tt.table {
			t.Errorf("%s: the agent has %q", tt.name, r.Saved)
		}
		if again, err := x.s.GiveUp(ctx, agent); err != nil || len(again) != 0 {
			t.Errorf("%s: %v were given up again, %v", tt.name, again, err)
		}
		if tt.name == "the record" {
			begin(t, x.s, agent)
		}
		x.exec("DELETE FROM posts")
		x.exec("UPDATE agents SET cause_boot = 0, cause_seq = 0, cause_nth = 0, posting_sum = NULL")
		x.fill()
	}
}

// TestListsLeaveOutDamage: a damaged record does not hide the others of a list.
func TestListsLeaveOutDamage(t *testing.T) {
	onBoth(t, func(t *testing.T, open opener) {
		x := newSpecimen(t, open(t))
		must[Account](t)(x.s.AddAccount(t.Context(), Account{Username: "bob", Email: "bob"}))
		x.exec("UPDATE accounts SET password = 'x' WHERE username <> 'bob'")
		list, _, err := x.s.Accounts(t.Context(), Page{})
		if err != nil || len(list) != 1 || list[0].Username != "bob" {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// TestWithoutSums: rows of an older version, which have no checksums, are taken as they are, and
// get one with the next write.
func TestWithoutSums(t *testing.T) {
	onBoth(t, func(t *testing.T, open opener) {
		x := newSpecimen(t, open(t))
		for table := range x.reads {
			x.exec("UPDATE " + table + " SET sum = NULL")
		}
		x.exec("UPDATE agents SET posting_sum = NULL")
		for table, read := range x.reads {
			if err := read(t.Context()); err != nil {
				t.Errorf("%s: %v", table, err)
			}
		}
		x.fill()
		x.exec("UPDATE agents SET mark_seq = 7")
		if _, err := x.s.Record(t.Context(), agent); err == nil {
			t.Error("a row that was written again has no checksum")
		}
	})
}

// TestMedia flips bits of the database's file. What is read is what was written, or an error; no
// agent that ran is taken for one that never did, and the node lives.
func TestMedia(t *testing.T) {
	const agents, tries = 40, 150
	path := filepath.Join(t.TempDir(), "tandem.db")
	s := must[*Store](t)(Open(t.Context(), path))
	stop := run(t, s)
	owner := addAccount(t, s, "ann").ID
	list := make([]record.Device, agents)
	for i := range list {
		list[i] = record.Device{Owner: owner, KeyHash: record.Hash(fmt.Sprint(i))}
	}
	list = must[[]record.Device](t)(s.AddDevices(t.Context(), list))
	table := func(i int) string { return fmt.Sprintf("%0*d", 20+i*i*5, i) }
	for i, d := range list {
		begin(t, s, d.Agent)
		if err := save(s, d.Agent, 1, table(i), tandem.Mark{Boot: 1, Seq: uint64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole := must[[]byte](t)(os.ReadFile(path))
	r := rand.New(rand.NewPCG(1, 2))
	refused, noticed := 0, 0
	for range tries {
		bad := slices.Clone(whole)
		at := 100 + r.IntN(len(bad)-100)
		bad[at] ^= 1 << r.IntN(8)
		copied := filepath.Join(t.TempDir(), "tandem.db")
		if err := os.WriteFile(copied, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), copied)
		if err != nil {
			refused++
			continue
		}
		stop := run(t, s)
		for i, d := range list {
			have, err := s.Record(t.Context(), d.Agent)
			device, deviceErr := s.Device(t.Context(), d.ID)
			switch {
			case err != nil:
				noticed++
			case deviceErr != nil: // it does not start
				noticed++
			case string(have.Saved) != table(i) || have.Mark.Seq != uint64(i):
				t.Errorf("bit at %d: agent %d has %d bytes, mark %v", at, i, len(have.Saved), have.Mark)
			case device.Agent != d.Agent || string(device.KeyHash) != string(d.KeyHash):
				t.Errorf("bit at %d: device %d is %+v", at, i, device)
			}
		}
		stop()
		if err := s.Close(); err != nil && !corrupt(err) {
			t.Error(err)
		}
	}
	if noticed == 0 {
		t.Error("no damage was noticed")
	}
	t.Logf("%d databases were refused, %d records", refused, noticed)
}
