package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store/record"
)

// opener opens a store on a new database.
type opener func(testing.TB) *Store

// engines are the databases that a store can be on.
var engines = []struct {
	name string
	open opener // and does not run it
}{
	{"sqlite", func(t testing.TB) *Store {
		return must[*Store](t)(Open(t.Context(), filepath.Join(t.TempDir(), "tandem.db")))
	}},
	{"postgres", func(t testing.TB) *Store {
		return must[*Store](t)(OpenPostgres(t.Context(), pgtest.Start(t)))
	}},
}

// onBoth runs a test on both databases, with stores that run.
func onBoth(t *testing.T, test func(*testing.T, opener)) {
	onBothIdle(t, func(t *testing.T, open opener) {
		test(t, func(t testing.TB) *Store {
			t.Helper()
			s := open(t)
			running(t, s)
			return s
		})
	})
}

// onBothIdle runs a test on both databases, with stores that the test runs and
// closes.
func onBothIdle(t *testing.T, test func(*testing.T, opener)) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) { test(t, engine.open) })
	}
}

// open opens and runs a store on a new file.
func open(t testing.TB) *Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "tandem.db"))
}

// openFile opens and runs a store until the test ends.
func openFile(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	running(t, s)
	return s
}

// running runs a store until the test ends.
func running(t testing.TB, s *Store) {
	stop := run(t, s)
	t.Cleanup(func() {
		stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// run runs a store until the returned function is called.
func run(t testing.TB, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func begin(t testing.TB, s *Store, id tandem.AgentID) uint64 {
	t.Helper()
	type answer struct {
		incarnation uint64
		err         error
	}
	result := make(chan answer, 1)
	s.Begin(id, func(incarnation uint64, err error) { result <- answer{incarnation, err} })
	a := <-result
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a.incarnation
}

func save(s *Store, id tandem.AgentID, incarnation uint64, table string, mark tandem.Mark) error {
	result := make(chan error, 1)
	s.Save(id, incarnation, []byte(table), mark, func(err error) { result <- err })
	return <-result
}

func recordOf(t testing.TB, s *Store, id tandem.AgentID) record.Agent {
	t.Helper()
	r, err := s.Record(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const agent = tandem.AgentID("AAAAAAAAAAAA")

func TestSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ?#%.db") // a name that must not be taken for a URL
	for i := range uint64(3) {
		s, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, s)
		if got := begin(t, s, agent); got != i+1 {
			t.Errorf("incarnation %d, want %d", got, i+1)
		}
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestStop checks that what waits when Run ends is still written, and what
// comes later is refused.
func TestStop(t *testing.T) { onBothIdle(t, testStop) }

func testStop(t *testing.T, open opener) {
	s := open(t)
	const writes = 3 * record.MaxBatch
	results := make(chan error, writes)
	s.Begin(agent, func(_ uint64, err error) { results <- err })
	for range writes - 1 {
		s.Save(agent, 1, nil, tandem.Mark{}, func(err error) { results <- err })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for range writes {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if err := save(s, agent, 1, "", tandem.Mark{}); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("save after the end: %v", err)
	}
	if _, err := s.AddProduct(t.Context(), record.Product{}); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("AddProduct after the end: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseWithoutRun(t *testing.T) { onBothIdle(t, testCloseWithoutRun) }

func testCloseWithoutRun(t *testing.T, open opener) {
	s := open(t)
	result := make(chan error, 1)
	s.Save(agent, 1, nil, tandem.Mark{}, func(err error) { result <- err })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("the write that waited: %v", err)
	}
}

// TestWithdrawn checks that a write whose context ends before its transaction
// began does not happen.
func TestWithdrawn(t *testing.T) { onBothIdle(t, testWithdrawn) }

func testWithdrawn(t *testing.T, open opener) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.AddAccount(ctx, Account{Username: "a", Email: "a@b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	stop := run(t, s)
	if _, err := s.AddAccount(t.Context(), Account{Username: "b", Email: "b@b"}); err != nil {
		t.Error(err)
	}
	if list, _, err := s.Accounts(t.Context(), Page{}); err != nil || len(list) != 1 {
		t.Errorf("accounts: %v, %v", list, err)
	}
	stop()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestFullDisk fills the database, and checks that no failed write is reported as a
// success, that every writer gets an answer, and that the store recovers.
func TestFullDisk(t *testing.T) {
	s := open(t)
	const writers = 100
	ids := make([]tandem.AgentID, writers)
	for i := range ids {
		ids[i] = tandem.NewAgentID()
		begin(t, s, ids[i])
	}
	limit := func(pages string) {
		if err := s.do(t.Context(), func() error { return s.exec("PRAGMA max_page_count = " + pages) }); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // the least it can be: the present size
	saved := map[tandem.AgentID]string{}
	failures := 0
	for round := range 5 {
		table := strings.Repeat(string(rune('a'+round)), 2000*(round+1))
		results := make([]chan error, writers)
		for i, id := range ids {
			results[i] = make(chan error, 1)
			s.Save(id, 1, []byte(table), tandem.Mark{}, func(err error) { results[i] <- err })
		}
		for i, id := range ids {
			switch err := <-results[i]; {
			case err == nil:
				saved[id] = table
			case tandem.KindOf(err) != tandem.Unavailable || !strings.Contains(err.Error(), "no space"):
				t.Errorf("on a full disk: %v", err)
			default:
				failures++
			}
		}
	}
	if failures < writers {
		t.Errorf("only %d failures", failures)
	}
	for _, id := range ids {
		if r := recordOf(t, s, id); string(r.Saved) != saved[id] {
			t.Errorf("agent %s has %d bytes, acknowledged were %d", id, len(r.Saved), len(saved[id]))
		}
	}
	limit("1000000")
	for _, id := range ids {
		if err := save(s, id, 1, "after", tandem.Mark{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneFailsAlone checks that a write which is wrong takes no others with it.
func TestOneFailsAlone(t *testing.T) { onBothIdle(t, testOneFailsAlone) }

func testOneFailsAlone(t *testing.T, open opener) {
	s := open(t)
	own := errors.New("mine")
	results := make(chan error, 4)
	submit := func(run func() error) {
		s.submit(&op{run: run, done: func(err error) { results <- err }})
	}
	add := func(name string) error {
		return accounts.insert(s, &Account{ID: newID(), Username: name, Email: name})
	}
	submit(func() error { return add("a") })
	submit(func() error { return errors.Join(add("b"), own) })
	submit(func() error { return add("a") })
	submit(func() error { return add("c") })
	stop := run(t, s)
	for i, check := range []func(error) bool{
		func(err error) bool { return err == nil },
		func(err error) bool { return errors.Is(err, own) },
		func(err error) bool { return tandem.KindOf(err) == tandem.Conflict },
		func(err error) bool { return err == nil },
	} {
		if err := <-results; !check(err) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	list, _, err := s.Accounts(t.Context(), Page{})
	if err != nil || len(list) != 2 || list[0].Username != "a" || list[1].Username != "c" {
		t.Errorf("accounts: %+v, %v", list, err)
	}
	stop()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	database := func(name, script string) string {
		path := filepath.Join(dir, name)
		db, err := sql.Open("sqlite", dsn(path, ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(script); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	inUse := filepath.Join(dir, "inuse.db")
	openFile(t, inUse)
	locked := file("locked.db", "")
	if err := os.Mkdir(locked+".lock", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		kind       tandem.Kind
		says       string
	}{
		{"a directory", dir, tandem.Invalid, "is a directory"},
		{"a file in no directory", filepath.Join(dir, "no", "tandem.db"), tandem.NotFound, "does not exist"},
		{"no database", file("short", "x"), tandem.Invalid, "is not a Tandem database"},
		{"a text file", file("text", strings.Repeat("text ", 1000)), tandem.Invalid, "is not a Tandem database"},
		{"a damaged database", file("damaged", "SQLite format 3\x00"+strings.Repeat("x", 5000)), tandem.Invalid, "is damaged"},
		{"another program's", database("other", "CREATE TABLE t (a)"), tandem.Invalid, "of another program"},
		{"a newer schema", database("newer", "CREATE TABLE t (a); PRAGMA user_version = 99; PRAGMA application_id = 0x54616e64"), tandem.Conflict, "has schema 99"},
		{"in use", inUse, tandem.Conflict, inUse + ".lock"},
		{"a lock that is none", locked, tandem.Invalid, ".lock is a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(t.Context(), tt.path)
			if err == nil {
				t.Fatal(errors.Join(errors.New("no error"), s.Close()))
			}
			if tandem.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v: %v; want %v and %q", tandem.KindOf(err), err, tt.kind, tt.says)
			}
		})
	}
}

func TestUnusable(t *testing.T) {
	err := unusable("/d/x.db", &os.PathError{Op: "open", Path: "/d/x.db", Err: os.ErrPermission})
	if tandem.KindOf(err) != tandem.Forbidden || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("permission: %v", err)
	}
	err = unusable("/d/x.db", &os.PathError{Op: "open", Path: "/d/x.db", Err: os.ErrDeadlineExceeded})
	if tandem.KindOf(err) != tandem.Unavailable || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("another error: %v", err)
	}
}

// TestDurability checks the settings that make a commit survive a power cut.
func TestDurability(t *testing.T) {
	s := open(t)
	var journal string
	var synchronous int
	err := s.do(t.Context(), func() error {
		return s.write.scan(s.inside(),
			"SELECT (SELECT journal_mode FROM pragma_journal_mode), (SELECT synchronous FROM pragma_synchronous)",
			nil, &journal, &synchronous)
	})
	if err != nil || journal != "wal" || synchronous != 2 {
		t.Errorf("journal_mode %s, synchronous %d, %v; want wal and 2", journal, synchronous, err)
	}
}
