package store

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store/record"
)

func TestDollars(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                     "SELECT 1",
		"a = ? AND b = ?":              "a = $1 AND b = $2",
		"a = ?2 AND b = ? AND c = ?1":  "a = $2 AND b = $3 AND c = $1",
		"a = '?' AND b = ?":            "a = '?' AND b = $1",
		"a = 'it''s ?' AND b IN (?,?)": "a = 'it''s ?' AND b IN ($1,$2)",
		"a = ?12":                      "a = $12",
		"a = $1":                       "a = $1",
	} {
		if got := dollars(query); got != want {
			t.Errorf("%s gave %s, want %s", query, got, want)
		}
	}
}

func TestOpenPostgresErrors(t *testing.T) {
	fresh := pgtest.Start(t)
	changed := func(change func(*url.URL)) string {
		u := must[*url.URL](t)(url.Parse(fresh))
		change(u)
		return u.String()
	}
	prepared := func(script string) string {
		text := pgtest.Start(t)
		db := must[*sql.DB](t)(sql.Open("pgx", text))
		if _, err := db.Exec(script); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, tt := range []struct {
		name, url string
		kind      tandem.Kind
		says      string
	}{
		{"no URL", "", tandem.Invalid, "postgres://user:password@host"},
		{"another kind of URL", "https://example.com", tandem.Invalid, "postgres://user:password@host"},
		{"a URL that is none", "postgres://%%secret", tandem.Invalid, "postgres://user:password@host"},
		{"a strange port", "postgres://ann:secret@localhost:none/x", tandem.Invalid, "postgres://user:password@host"},
		{"no such database", changed(func(u *url.URL) { u.Path = "/none" }), tandem.NotFound, "the database none at 127.0.0.1:"},
		{"no such user", changed(func(u *url.URL) { u.User = url.User("stranger") }), tandem.Forbidden, "does not accept this user"},
		{"no server", "postgres://ann@127.0.0.1:1/x?sslmode=disable", tandem.Unavailable, "the database x at 127.0.0.1:1 cannot be reached"},
		{"no such host", "postgres://ann@nowhere.invalid/x", tandem.Unavailable, "cannot be reached"},
		{"another program's", prepared("CREATE TABLE products (a INT)"), tandem.Invalid, "of another program"},
		{"a newer schema", prepared("CREATE TABLE tandem_schema (version INT); INSERT INTO tandem_schema VALUES (99)"), tandem.Conflict, "has schema 99"},
		{"one that can only be read", prepared("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$"), tandem.Unavailable, "can only be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := OpenPostgres(t.Context(), tt.url)
			wantKind(t, err, tt.kind, tt.says)
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

// TestOpenAtOnce has many nodes open a new database at the same time.
func TestOpenAtOnce(t *testing.T) {
	text := pgtest.Start(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := OpenPostgres(context.Background(), text)
			if err != nil {
				t.Error(err)
				return
			}
			m, err := s.Membership(context.Background(), -1)
			if err != nil || len(m.Shards) != s.Shards() {
				t.Errorf("%+v, %v", m, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPostgresDurability(t *testing.T) {
	s := must[*Store](t)(OpenPostgres(t.Context(), pgtest.Start(t)+"&synchronous_commit=off"))
	running(t, s)
	var synchronous string
	if err := s.do(t.Context(), func() error {
		return s.write.scan(s.inside(), "SHOW synchronous_commit", nil, &synchronous)
	}); err != nil || synchronous != "on" {
		t.Errorf("synchronous_commit %s, %v", synchronous, err)
	}
}

// TestRefusedAlone checks that a statement which the server refuses fails its
// own write only.
func TestRefusedAlone(t *testing.T) {
	s := must[*Store](t)(OpenPostgres(t.Context(), pgtest.Start(t)))
	results := make(chan error, 4)
	for _, id := range []tandem.AgentID{"one", "zero\x00", "two", "not \xff UTF-8"} {
		s.Begin(id, func(_ uint64, err error) { results <- err })
	}
	running(t, s)
	for i := range 4 {
		if err := <-results; i%2 == 0 && err != nil {
			t.Error(err)
		} else if i%2 == 1 {
			wantKind(t, err, tandem.Invalid, "UTF-8")
		}
	}
	if ids := must[[]tandem.AgentID](t)(s.Running(t.Context())); len(ids) != 2 {
		t.Errorf("running: %v", ids)
	}
}

// TestFirstContradicts checks that a write which violates a constraint gets that answer
// also when it is the first one of its connection.
func TestFirstContradicts(t *testing.T) {
	text := pgtest.Start(t)
	for try := range 2 {
		s := must[*Store](t)(OpenPostgres(t.Context(), text))
		running(t, s)
		_, err := s.AddAccount(t.Context(), Account{Username: "operator", Email: "operator@localhost"})
		if try == 0 && err != nil {
			t.Error(err)
		} else if try == 1 {
			wantKind(t, err, tandem.Conflict, "unique names")
		}
	}
}

// ownServer starts a server of the test's own, with a store that runs.
func ownServer(t *testing.T) (*pgtest.Server, *Store) {
	t.Helper()
	server := must[*pgtest.Server](t)(pgtest.StartServer(pgtest.Dir(t), 0))
	t.Cleanup(func() {
		if err := server.Quit(); err != nil {
			t.Error(err)
		}
	})
	s := must[*Store](t)(OpenPostgres(t.Context(), must[string](t)(server.Create(t.Context()))))
	running(t, s)
	return server, s
}

// TestKillServer kills the server, again and again, while agents save, and
// checks that every save they were told of is there.
func TestKillServer(t *testing.T) {
	server, s := ownServer(t)
	register(t, s, "n1", time.Hour)
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for i := range crashAgents {
		begin(t, s, crashAgent(i))
	}
	var acknowledged [crashAgents]atomic.Int64
	news := make(chan struct{}, 1) // something was acknowledged
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range crashAgents {
		wg.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				err := save(s, crashAgent(i), 1, string(crashTable(n)), tandem.Mark{Boot: 1, Seq: uint64(n)})
				if err != nil {
					wantKind(t, err, tandem.Unavailable, "")
					continue
				}
				acknowledged[i].Store(int64(n))
				select {
				case news <- struct{}{}:
				default:
				}
			}
		})
	}
	for round := range rounds {
		for range 1 + rand.IntN(200) {
			<-news
		}
		if err := server.Stop(true); err != nil {
			t.Fatal(err)
		}
		var before [crashAgents]int
		for i := range before {
			before[i] = int(acknowledged[i].Load())
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		for i, n := range before {
			r := recordOf(t, s, crashAgent(i))
			got := int(r.Mark.Seq)
			if got < n {
				t.Errorf("round %d, agent %d: save %d was acknowledged, the record has %d", round, i, n, got)
			}
			if got > 0 && string(r.Saved) != string(crashTable(got)) {
				t.Errorf("agent %d: the table of save %d is damaged", i, got)
			}
		}
	}
	stop()
	wg.Wait()
}

// wantSoon checks that an answer did not take longer than it may.
func wantSoon(t *testing.T, began time.Time, what string) {
	t.Helper()
	if d := time.Since(began); d > patience+time.Minute {
		t.Errorf("%s took %v", what, d)
	}
}

func TestServerAway(t *testing.T) {
	server, s := ownServer(t)
	begin(t, s, agent)
	if err := server.Stop(false); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	const writes = 3 * record.MaxBatch // some are in the transaction that breaks, the others wait
	results := make(chan error, writes)
	for range writes {
		s.Save(agent, 1, nil, tandem.Mark{}, func(err error) { results <- err })
	}
	for range writes {
		err := <-results
		wantKind(t, err, tandem.Unavailable, "the database test_1 at 127.0.0.1:")
	}
	wantSoon(t, began, "to fail")
	began = time.Now()
	wantKind(t, save(s, agent, 1, "", tandem.Mark{}), tandem.Unavailable, "cannot be reached")
	wantSoon(t, began, "to fail again")
	_, err := s.Record(t.Context(), agent)
	wantKind(t, err, tandem.Unavailable, "the database test_1 at 127.0.0.1:")
	_, err = s.Membership(t.Context(), 0)
	wantKind(t, err, tandem.Unavailable, "the database test_1 at 127.0.0.1:")

	waits := make(chan error, 1)
	s.Save(agent, 1, []byte("waited"), tandem.Mark{}, func(err error) { waits <- err })
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; err != nil {
		t.Errorf("a save that waited for the server: %v", err)
	}
	if r := recordOf(t, s, agent); string(r.Saved) != "waited" {
		t.Errorf("saved %q", r.Saved)
	}
}

// TestStaleConnections checks that reads do not fail because of connections
// that broke while they were idle.
func TestStaleConnections(t *testing.T) {
	server, s := ownServer(t)
	begin(t, s, agent)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			if _, err := s.read.DB.Exec("SELECT pg_sleep(0.1)"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := server.Stop(true); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if r := recordOf(t, s, agent); r.Incarnation != 1 {
		t.Errorf("%+v", r)
	}
}

// network is a way to a server, which can swallow everything.
type network struct {
	listener net.Listener
	mu       sync.Mutex
	silent   bool
	conns    []net.Conn
	wg       sync.WaitGroup
}

// throughNetwork returns a network to the server of a URL, and the URL there.
func throughNetwork(t *testing.T, text string) (*network, string) {
	u := must[*url.URL](t)(url.Parse(text))
	n := &network{listener: must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))}
	host := u.Host
	n.wg.Go(func() {
		for {
			in, err := n.listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", host)
			if err != nil {
				t.Error(err)
				return
			}
			n.mu.Lock()
			n.conns = append(n.conns, in, out)
			n.mu.Unlock()
			n.wg.Go(func() { n.copy(in, out) })
			n.wg.Go(func() { n.copy(out, in) })
		}
	})
	t.Cleanup(func() {
		n.listener.Close()
		n.breakAll()
		n.wg.Wait()
	})
	u.Host = n.listener.Addr().String()
	return n, u.String()
}

func (n *network) copy(to, from net.Conn) {
	buffer := make([]byte, 4096)
	for {
		k, err := from.Read(buffer)
		n.mu.Lock()
		silent := n.silent
		n.mu.Unlock()
		if !silent && k > 0 {
			if _, err := to.Write(buffer[:k]); err != nil {
				return
			}
		}
		if err != nil {
			if err == io.EOF && !silent {
				to.Close()
			}
			return
		}
	}
}

func (n *network) breakAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
	n.conns = nil
}

// TestSilentServer checks that a server which takes everything and answers
// nothing is not waited for without end.
func TestSilentServer(t *testing.T) {
	n, text := throughNetwork(t, pgtest.Start(t))
	s := must[*Store](t)(OpenPostgres(t.Context(), text))
	running(t, s)
	begin(t, s, agent)
	n.mu.Lock()
	n.silent = true
	n.mu.Unlock()
	began := time.Now()
	wantKind(t, save(s, agent, 1, "lost", tandem.Mark{}), tandem.Unavailable, "does not answer")
	wantSoon(t, began, "to fail")
	began = time.Now()
	wantKind(t, save(s, agent, 1, "lost", tandem.Mark{}), tandem.Unavailable, "cannot be reached")
	wantSoon(t, began, "to fail without a connection")
	_, err := s.Membership(t.Context(), 0)
	wantKind(t, err, tandem.Unavailable, "server")
	n.mu.Lock()
	n.silent = false
	n.mu.Unlock()
	n.breakAll()
	if err := save(s, agent, 1, "found", tandem.Mark{}); err != nil {
		t.Error(err)
	}
	if r := recordOf(t, s, agent); string(r.Saved) != "found" {
		t.Errorf("saved %q", r.Saved)
	}
}

// TestUnknownOutcome breaks the network while a transaction is being made: a
// save that was acknowledged is there, whatever the others met.
func TestUnknownOutcome(t *testing.T) {
	n, text := throughNetwork(t, pgtest.Start(t))
	s := must[*Store](t)(OpenPostgres(t.Context(), text))
	running(t, s)
	begin(t, s, agent)
	last := 0
	failures := 0
	for i := 1; i <= 300; i++ {
		done := make(chan error, 1)
		s.Save(agent, 1, fmt.Append(nil, i), tandem.Mark{Seq: uint64(i)}, func(err error) { done <- err })
		if i%3 == 0 {
			n.breakAll()
		}
		if err := <-done; err != nil {
			wantKind(t, err, tandem.Unavailable, "")
			failures++
			continue
		}
		last = i
	}
	r := recordOf(t, s, agent)
	if got := int(r.Mark.Seq); got < last || failures == 0 {
		t.Errorf("save %d was acknowledged, the record has %d; %d failures", last, got, failures)
	}
}

// TestWording checks what people are told of the server's errors.
func TestWording(t *testing.T) {
	p := must[*postgres](t)(newServer("postgres://ann@db.example.com/tandem"))
	for code, want := range map[string]struct {
		kind tandem.Kind
		says string
	}{
		"23505": {tandem.Conflict, "contradicts another record"},
		"54000": {tandem.Limit, "too large"},
		"53100": {tandem.Unavailable, "no space is left for the database tandem at db.example.com:5432"},
		"53300": {tandem.Unavailable, "max_connections"},
		"28P01": {tandem.Forbidden, "password"},
		"42501": {tandem.Forbidden, "owner"},
		"3D000": {tandem.NotFound, "CREATE DATABASE"},
		"40P01": {tandem.Unavailable, "try again"},
		"55P03": {tandem.Unavailable, "try again"},
		"57P01": {tandem.Unavailable, "try again"},
		"58030": {tandem.Unavailable, "disk"},
		"XX001": {tandem.Invalid, "backup"},
		"42601": {tandem.Internal, "db.example.com"},
	} {
		wantKind(t, p.describe(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code})), want.kind, want.says)
	}
	wantKind(t, p.describe(context.DeadlineExceeded), tandem.Unavailable, "does not answer")
	wantKind(t, p.describe(io.ErrUnexpectedEOF), tandem.Unavailable, "broke")
	if err := p.describe(context.Canceled); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
