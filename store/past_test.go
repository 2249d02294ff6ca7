package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store/record"
)

// session opens and runs a store on a file, does something, and closes it. It returns what the
// store had to say, and its health.
func session(t *testing.T, path string, do func(*Store)) (said string, health Health) {
	t.Helper()
	s := must[*Store](t)(Open(t.Context(), path))
	var out bytes.Buffer
	s.LogTo(slog.New(slog.NewTextHandler(&out, nil)))
	stop := run(t, s)
	do(s)
	health = s.Health()
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), health
}

func saving(t *testing.T, text string) func(*Store) {
	return func(s *Store) {
		t.Helper()
		r := recordOf(t, s, agent)
		if r.Incarnation == 0 {
			r.Incarnation = begin(t, s, agent)
		}
		if err := save(s, agent, r.Incarnation, text, tandem.Mark{}); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	if err := os.WriteFile(to, must[[]byte](t)(os.ReadFile(from)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRestoredBackup: a node on a machine of its own says once that its database is older than
// before, and goes on with it. It does not believe so after an ordinary restart.
func TestRestoredBackup(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "tandem.db"), filepath.Join(dir, "backup")
	session(t, path, saving(t, "one"))
	copyFile(t, backup, path)
	for _, text := range []string{"two", "three"} {
		if said, h := session(t, path, saving(t, text)); said != "" || h.WentBack != 0 {
			t.Errorf("after a restart it says %s, %+v", said, h)
		}
	}
	copyFile(t, path, backup)
	said, h := session(t, path, func(s *Store) {
		if r := recordOf(t, s, agent); string(r.Saved) != "one" {
			t.Errorf("the backup has %q", r.Saved)
		}
	})
	if strings.Count(said, "older than when this node last wrote to it") != 1 || h.WentBack != 1 {
		t.Errorf("after a restored backup it says %q, %+v", said, h)
	}
	if said, h := session(t, path, saving(t, "four")); said != "" || h.WentBack != 0 {
		t.Errorf("the second time it says %s, %+v", said, h)
	}
	// The backup that was gone on from, and then put back again.
	copyFile(t, path, backup)
	if said, h := session(t, path, func(*Store) {}); h.WentBack != 1 {
		t.Errorf("after the same backup again it says %q, %+v", said, h)
	}
	// Another machine's database, and then an empty one.
	other := filepath.Join(dir, "other.db")
	session(t, other, saving(t, "other"))
	copyFile(t, path, other)
	said, h = session(t, path, saving(t, "five"))
	if !strings.Contains(said, "another one than before") || h.WentBack != 0 {
		t.Errorf("with another database it says %q, %+v", said, h)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if said, _ := session(t, path, func(*Store) {}); !strings.Contains(said, "another one than before") {
		t.Errorf("with a new database it says %q", said)
	}
}

// TestReplacedFile: a database that is replaced while the node runs takes nothing for durable any
// more, and ends the store.
func TestReplacedFile(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"removed":  os.Remove,
		"moved":    func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error { return os.Rename(path+".other", path) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tandem.db")
			if err := os.WriteFile(path+".other", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s := must[*Store](t)(Open(t.Context(), path))
			ended := make(chan error, 1)
			go func() { ended <- s.Run(t.Context()) }()
			saving(t, "one")(s)
			if err := replace(path); err != nil {
				t.Fatal(err)
			}
			for err := error(nil); err == nil; {
				<-time.After(lookEvery / 10)
				if err = save(s, agent, 1, "two", tandem.Mark{}); err != nil && tandem.KindOf(err) != tandem.Unavailable {
					t.Errorf("a save: %v", err)
				}
			}
			if err := <-ended; err == nil || !strings.Contains(err.Error(), "was replaced or removed") {
				t.Errorf("the store ended with %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSeenFile: what is no such file, or was torn, says nothing.
func TestSeenFile(t *testing.T) {
	seen := record.Seen{Database: "d", Number: 2, History: "h", Node: "n 1", Count: 3, Version: 4}
	text := textOf(seen)
	if len(text) != seenSize {
		t.Errorf("%d bytes", len(text))
	}
	if got := parseSeen(text); got != seen {
		t.Errorf("came back as %+v", got)
	}
	for i := range text {
		torn := bytes.Clone(text)
		torn[i] ^= 4
		if got := parseSeen(torn); got != (record.Seen{}) {
			t.Errorf("with byte %d changed it is %+v", i, got)
		}
		if got := parseSeen(text[:i]); got != (record.Seen{}) {
			t.Errorf("%d bytes of it are %+v", i, got)
		}
	}
}

// loud is a log that a test reads.
type loud struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *loud) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// goesBack takes the newest transactions of a node away from a database, as a late standby does.
func goesBack(t *testing.T, s *Store, node string, by int) {
	t.Helper()
	const take = "UPDATE progress SET n = n - $1 WHERE node = $2"
	if _, err := s.placing.ExecContext(t.Context(), take, by, node); err != nil {
		t.Fatal(err)
	}
}

// notices are the ways in which node n1 notices. Each returns the error of the write or the renewal.
var notices = map[string]func(t *testing.T, s *Store) error{
	"a write":   func(_ *testing.T, s *Store) error { return save(s, agent, 1, "after", tandem.Mark{}) },
	"a renewal": func(t *testing.T, s *Store) error { return s.Renew(t.Context(), record.Node{ID: "n1"}, time.Minute) },
	"a look": func(t *testing.T, s *Store) error {
		_, err := s.Membership(t.Context(), -1)
		if tandem.KindOf(err) != tandem.Unavailable {
			return err
		}
		return s.Renew(t.Context(), record.Node{ID: "n1"}, time.Minute)
	},
}

// TestServerWentBack: nothing is written to a database that lacks transactions which it had
// acknowledged, however few. Its node notices with the next write, the next renewal, or the next
// look at the membership; then no shard has an owner, epochs and sessions are larger than any that
// were lost, and agents are saved again.
func TestServerWentBack(t *testing.T) {
	for name, notice := range notices {
		t.Run(name, func(t *testing.T) {
			nodes := cluster(t, time.Minute, 2)
			a, b := nodes[0], nodes[1]
			assign(t, a, "n1", 7)
			assign(t, a, "n2", 8)
			begin(t, a, agent)
			saving(t, "one")(a)
			saving(t, "two")(a)
			m, mb := membership(t, a), membership(t, b)
			fenced := make(chan string, 10)
			a.OnFenced(func() { fenced <- "n1" })
			b.OnFenced(func() { fenced <- "n2" })
			goesBack(t, a, "n1", 1)
			if err := notice(t, a); tandem.KindOf(err) != tandem.Conflict {
				t.Errorf("%s: %v", name, err)
			}
			if who := <-fenced; who != "n1" {
				t.Errorf("%s was told", who)
			}
			if r := recordOf(t, a, agent); string(r.Saved) == "after" {
				t.Error("it was written")
			}
			if back, err := a.WentBack(t.Context()); err != nil || !back {
				t.Fatalf("it went back: %v, %v", back, err)
			}
			// The other node learns of it, although it has lost nothing.
			if _, err := b.Membership(t.Context(), mb.Version); err == nil {
				t.Error("the other node does not notice")
			}
			if who := <-fenced; who != "n2" {
				t.Errorf("%s was told", who)
			}
			if back, err := b.WentBack(t.Context()); err != nil || !back {
				t.Errorf("the other: %v, %v", back, err)
			}
			checkRescue(t, a, b)
			if err := b.Rescued(t.Context()); err != nil {
				t.Fatal(err)
			}
			for node, s := range map[string]*Store{"n1": a, "n2": b} {
				if session := register(t, s, node, time.Minute); session <= record.HistoryStep {
					t.Errorf("%s has session %d", node, session)
				}
			}
			plan := membership(t, a).Shards[7:8]
			plan[0].Target = "n2"
			if err := a.AssignShards(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			after := membership(t, a)
			if after.Shards[7].Owner != "n2" || after.Shards[7].Epoch <= m.Shards[7].Epoch+record.HistoryStep/2 ||
				after.Version <= m.Version {
				t.Errorf("then %+v, version %d; before %+v, version %d", after.Shards[7], after.Version, m.Shards[7], m.Version)
			}
			if r := recordOf(t, b, agent); string(r.Saved) != "rescued" {
				t.Errorf("the agent has %q", r.Saved)
			}
			saving(t, "goes on")(a)
			checkNumbers(t, b)
		})
	}
}

// TestIdleNodeNotices: a node that has written nothing but renewals of its lease notices with its
// first look at an old database, in which the leases of all nodes have ended, that these nodes are
// not gone: all of them may save their agents again.
func TestIdleNodeNotices(t *testing.T) {
	nodes := cluster(t, time.Minute, 2)
	for i, s := range nodes {
		membership(t, s)
		if err := s.Renew(t.Context(), record.Node{ID: fmt.Sprint("n", i+1)}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	idle := nodes[1]
	for _, query := range []string{
		"UPDATE renewals SET n = n - 1",
		"UPDATE leases SET expires = clock_timestamp() - interval '1 hour'",
	} {
		if _, err := idle.placing.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := idle.Membership(t.Context(), -1); tandem.KindOf(err) != tandem.Unavailable {
		t.Fatalf("it believes %+v, %v", m, err)
	}
	for i, s := range nodes {
		if back, err := s.WentBack(t.Context()); err != nil || !back {
			t.Errorf("n%d: it went back: %v, %v", i+1, back, err)
		}
		if _, err := s.Rescue(t.Context(), nil); err != nil {
			t.Errorf("n%d: %v", i+1, err)
		}
	}
}

// TestWentBackTwice: the database goes back to the same backup twice. The membership of the third
// history has no number of the second, which the backup does not know.
func TestWentBackTwice(t *testing.T) {
	a := cluster(t, time.Minute, 1)[0]
	assign(t, a, "n1", 7)
	first := membership(t, a)
	var number int64
	var id string
	if err := a.placing.QueryRowContext(t.Context(), "SELECT number, id FROM history").Scan(&number, &id); err != nil {
		t.Fatal(err)
	}
	newest := first
	for range 2 {
		for _, restore := range []step{
			{query: "UPDATE history SET number = $1, id = $2", args: []any{number, id}},
			{query: "UPDATE cluster SET value = $1 WHERE key = 'version'", args: []any{fmt.Sprint(first.Version - 1)}},
			{query: "UPDATE shards SET epoch = $1 WHERE shard = 7", args: []any{first.Shards[7].Epoch}},
		} {
			if _, err := a.placing.ExecContext(t.Context(), restore.query, restore.args...); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Membership(t.Context(), newest.Version); err == nil {
			t.Fatal("it is not noticed")
		}
		if back, err := a.WentBack(t.Context()); err != nil || !back {
			t.Fatalf("%v, %v", back, err)
		}
		if err := a.Rescued(t.Context()); err != nil {
			t.Fatal(err)
		}
		register(t, a, "n1", time.Minute)
		assign(t, a, "n1", 7)
		m := membership(t, a)
		if m.Version <= newest.Version || m.Shards[7].Epoch <= newest.Shards[7].Epoch {
			t.Errorf("version %d after %d, %+v after %+v", m.Version, newest.Version, m.Shards[7], newest.Shards[7])
		}
		newest = m
	}
}

// checkRescue has a node save an agent again: not over a later incarnation, nothing is given away
// before, and not after it has said that it is done.
func checkRescue(t *testing.T, a, b *Store) {
	t.Helper()
	ctx := t.Context()
	rescue := func(incarnation uint64, text string) record.Rescue {
		r := record.Agent{ID: agent, Incarnation: incarnation, Saved: []byte(text)}
		made := record.Posting{Last: 10, Cause: tandem.Mark{Boot: 1, Seq: 1}, Nth: 1}
		return record.Rescue{Agent: r, Posts: []record.Post{{Seq: 9, Name: "n", Data: []byte{1}}}, Made: made}
	}
	if err := a.AssignShards(ctx, []record.Shard{{Shard: 9, Target: "n1"}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []record.Rescue{rescue(3, "rescued"), rescue(2, "earlier")} {
		orphans, err := a.Rescue(ctx, []record.Rescue{r})
		if err != nil || len(orphans) != 1 { // the agent has no device
			t.Errorf("%v, %v", orphans, err)
		}
	}
	if r := recordOf(t, a, agent); r.Incarnation != 3 || string(r.Saved) != "rescued" || !r.Running {
		t.Errorf("%+v", r)
	}
	if posts, err := a.Posts(ctx, agent); err != nil || len(posts) != 1 || posts[0].Seq != 9 {
		t.Errorf("%v, %v", posts, err)
	}
	if err := a.Rescued(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Rescue(ctx, []record.Rescue{rescue(4, "late")}); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("a late rescue: %v", err)
	}
	if err := b.do(ctx, func() error { return nil }); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("a write before the node has registered again: %v", err)
	}
}

// checkNumbers has an agent that was saved again post: its numbers begin ahead of the time, since
// the clock of an earlier node may have been, and a message that was posted for is not posted for again.
func checkNumbers(t *testing.T, s *Store) {
	t.Helper()
	post := func(p *record.Post) uint64 {
		t.Helper()
		got := make(chan uint64, 1)
		s.Post(agent, 3, p, func(seq uint64, err error) {
			if err != nil {
				t.Error(err)
			}
			got <- seq
		})
		return <-got
	}
	if n := post(&record.Post{Name: "n", Data: []byte{1}, Cause: tandem.Mark{Boot: 1, Seq: 1}, Nth: 1}); n != 0 {
		t.Errorf("a post that was made before the database went back is made again, with number %d", n)
	}
	least := uint64(time.Now().Add(record.RescueAhead / 2).UnixMilli())
	if n := post(&record.Post{Name: "n", Data: []byte{1}, Cause: tandem.Mark{Boot: 1, Seq: 2}, Nth: 1}); n < least {
		t.Errorf("the next post has number %d", n)
	}
}

// TestWentBackWhileDown: a node that starts notices by its file.
func TestWentBackWhileDown(t *testing.T) {
	url, file := pgtest.Start(t), filepath.Join(t.TempDir(), "seen")
	out := &loud{}
	start := func(url string) (*Store, error) {
		s := must[*Store](t)(OpenPostgres(t.Context(), url))
		s.LogTo(slog.New(slog.NewTextHandler(out, nil)))
		if err := s.Remember(t.Context(), file); err != nil {
			return nil, errJoinClose(s, err)
		}
		running(t, s)
		_, err := s.Register(t.Context(), record.Node{ID: "a"}, time.Minute)
		return s, err
	}
	for i := range 3 {
		s, err := start(url)
		if err != nil {
			t.Fatal(err)
		}
		begin(t, s, agent)
		if n := s.Health().WentBack; n != uint64(i/2) {
			t.Errorf("start %d: it went back %d times", i, n)
		}
		if i == 1 {
			goesBack(t, s, "a", 1)
		}
	}
	if n := strings.Count(out.text.String(), "went back in time"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	if _, err := start(pgtest.Start(t)); tandem.KindOf(err) != tandem.Conflict || !strings.Contains(err.Error(), file) {
		t.Errorf("with another database: %v", err)
	}
}

func errJoinClose(s *Store, err error) error {
	if closing := s.Close(); closing != nil {
		return closing
	}
	return err
}
