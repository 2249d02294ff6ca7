package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store/record"
)

// cluster opens and runs the stores of nodes that share a database. They are
// registered as n1, n2 and so on, each with a lease.
func cluster(t *testing.T, lease time.Duration, count int) (nodes []*Store) {
	t.Helper()
	url := pgtest.Start(t)
	for i := range count {
		s := must[*Store](t)(OpenPostgres(t.Context(), url))
		running(t, s)
		register(t, s, fmt.Sprint("n", i+1), lease)
		nodes = append(nodes, s)
	}
	return nodes
}

func register(t *testing.T, s *Store, node string, lease time.Duration) int64 {
	t.Helper()
	info := record.Node{ID: node, URL: "http://" + node, Started: time.UnixMilli(1000), Version: "v"}
	return must[int64](t)(s.Register(t.Context(), info, lease))
}

func shard(number int, owner string, epoch int64, target string) record.Shard {
	return record.Shard{Shard: number, Owner: owner, Epoch: epoch, Target: target}
}

func membership(t *testing.T, s *Store) *record.Membership {
	t.Helper()
	return must[*record.Membership](t)(s.Membership(t.Context(), -1))
}

// bury buries a node once its lease has run out, which it waits for.
func bury(t *testing.T, s *Store, node string, session int64) {
	t.Helper()
	for {
		buried, err := s.Bury(t.Context(), node, session)
		if err != nil {
			t.Fatal(err)
		}
		if buried {
			return
		}
		pause(10 * time.Millisecond)
	}
}

// assign gives shards to a node, from whatever they are.
func assign(t *testing.T, s *Store, node string, shards ...int) {
	t.Helper()
	all := membership(t, s).Shards
	var plan []record.Shard
	for _, shard := range shards {
		i := all[shard]
		i.Target = node
		plan = append(plan, i)
	}
	if err := s.AssignShards(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}

func TestPlacementOnSQLite(t *testing.T) {
	s := open(t)
	_, err := s.Register(t.Context(), record.Node{ID: "n"}, time.Second)
	wantKind(t, err, tandem.Invalid, "PostgreSQL")
	_, err = s.Membership(t.Context(), 0)
	wantKind(t, err, tandem.Invalid, "PostgreSQL")
	_, err = s.Handover(t.Context(), nil, "n", 1)
	wantKind(t, err, tandem.Invalid, "PostgreSQL")
}

// TestBuried checks that nothing of a buried node is written, and that its next
// session begins with nothing.
func TestBuried(t *testing.T) {
	nodes := cluster(t, time.Hour, 2)
	a, b := nodes[0], nodes[1]
	assign(t, b, "n1", 9)
	if buried, err := b.Bury(t.Context(), "n1", 1); buried || err != nil {
		t.Errorf("one that is alive: %v, %v", buried, err)
	}
	session := register(t, a, "n1", 100*time.Millisecond)
	if i := membership(t, b).Shards[9]; session != 2 || i != (shard(9, "", 2, "n1")) {
		t.Errorf("session %d, shard %+v", session, i)
	}
	assign(t, b, "n1", 9)
	begin(t, a, agent)
	fenced := make(chan struct{})
	a.OnFenced(func() { close(fenced) })
	bury(t, b, "n1", session)
	if again, err := b.Bury(t.Context(), "n1", session); again || err != nil {
		t.Errorf("buried twice: %v, %v", again, err)
	}
	m := membership(t, b)
	if i := m.Shards[9]; i != (shard(9, "", 4, "n1")) || len(m.Nodes) != 1 {
		t.Errorf("shard %+v, nodes %+v", i, m.Nodes)
	}
	for range 2 { // refused by the database, then at once
		wantKind(t, save(a, agent, 1, "late", tandem.Mark{}), tandem.Conflict, "declared lost")
		result := make(chan error, 1)
		a.Begin(agent, func(_ uint64, err error) { result <- err })
		wantKind(t, <-result, tandem.Conflict, "declared lost")
		_, err := a.AddAccount(t.Context(), Account{Username: "late", Email: "late"})
		wantKind(t, err, tandem.Conflict, "declared lost")
		select {
		case <-fenced: // closed once, or it panics
		case <-time.After(patience):
			t.Fatal("the node is not told that it has been declared lost")
		}
	}
	_, err := a.Handover(t.Context(), []record.Shard{{Shard: 9, Epoch: 4}}, "n2", 1)
	wantKind(t, err, tandem.Conflict, "declared lost")
	wantKind(t, a.Renew(t.Context(), record.Node{ID: "n1"}, time.Hour), tandem.Conflict, "declared lost")
	called := false
	if a.OnFenced(func() { called = true }); !called {
		t.Error("who asks later is not told")
	}
	if r := recordOf(t, b, agent); r.Saved != nil || r.Incarnation != 1 {
		t.Errorf("the record is %+v", r)
	}
	if list, _, err := b.Accounts(t.Context(), Page{}); err != nil || len(list) != 0 {
		t.Errorf("accounts %v, %v", list, err)
	}
	if session := register(t, a, "n1", time.Hour); session != 4 {
		t.Errorf("session %d", session)
	}
	if err := save(a, agent, 1, "new life", tandem.Mark{}); err != nil {
		t.Error(err)
	}
}

// standStill has a node stop in the middle of a transaction that makes an
// account. It goes on when goOn is closed; written tells how it ended.
func standStill(s *Store, username string) (goOn chan<- struct{}, written <-chan error) {
	inside := make(chan struct{})
	resume := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- s.do(context.Background(), func() error {
			close(inside)
			<-resume
			return accounts.insert(s, &Account{ID: newID(), Username: username, Email: "x"})
		})
	}()
	<-inside
	return resume, result
}

// TestBuryWaits checks that a transaction that is being made delays Bury, and
// is part of the database when Bury returns.
func TestBuryWaits(t *testing.T) {
	nodes := cluster(t, time.Millisecond, 2)
	a, b := nodes[0], nodes[1]
	goOn, written := standStill(a, "in time")
	done := make(chan struct{})
	go func() {
		defer close(done)
		bury(t, b, "n1", 1)
		if list, _, err := b.Accounts(context.Background(), Page{}); err != nil || len(list) != 1 {
			t.Errorf("after the burial: %v, %v", list, err)
		}
	}()
	// Let it begin to wait.
	waitFor(t, b,
		"SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE nodes%')")
	select {
	case <-done:
		t.Error("the burial did not wait")
	default:
	}
	close(goOn)
	if err := <-written; err != nil {
		t.Error(err)
	}
	<-done
}

// waitFor waits until a query says true.
func waitFor(t *testing.T, s *Store, query string) {
	t.Helper()
	for range 1000 {
		var yes bool
		if err := s.read.DB.QueryRow(query).Scan(&yes); err != nil {
			t.Fatal(err)
		}
		if yes {
			return
		}
		pause(5 * time.Millisecond)
	}
	t.Fatal("it never came true: " + query)
}

// TestFrozen checks that a node which stands still in the middle of a
// transaction cannot keep the others from burying it.
func TestFrozen(t *testing.T) {
	nodes := cluster(t, time.Millisecond, 2)
	a, b := nodes[0], nodes[1]
	goOn, written := standStill(a, "too late")
	bury(t, b, "n1", 1)
	close(goOn)
	wantKind(t, <-written, tandem.Unavailable, "")
	wantKind(t, save(a, agent, 1, "", tandem.Mark{}), tandem.Conflict, "declared lost")
}

// TestEarlierLife checks that what was submitted before a registration is not
// written after it.
func TestEarlierLife(t *testing.T) {
	url := pgtest.Start(t)
	s := must[*Store](t)(OpenPostgres(t.Context(), url))
	results := make(chan error, 3)
	add := func(name string) {
		s.submit(&op{done: func(err error) { results <- err }, run: func() error {
			return accounts.insert(s, &Account{ID: newID(), Username: name, Email: name})
		}})
	}
	add("before any")
	register(t, s, "n1", time.Hour)
	add("first life")
	register(t, s, "n1", time.Hour)
	add("second life")
	running(t, s)
	var errs []error
	for range 3 {
		if err := <-results; err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) != 1 {
		t.Fatal(errs)
	}
	wantKind(t, errs[0], tandem.Conflict, "declared lost")
	if _, err := s.AccountNamed(t.Context(), "first life"); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestHandover(t *testing.T) {
	nodes := cluster(t, time.Hour, 2)
	a, b := nodes[0], nodes[1]
	ctx := t.Context()
	assign(t, b, "n1", 1, 2, 3)
	assign(t, b, "n2", 1, 2)
	begin(t, a, agent)
	saved := make(chan error, 2000)
	for i := range cap(saved) {
		a.Save(agent, 1, fmt.Append(nil, i), tandem.Mark{}, func(err error) { saved <- err })
	}
	list := []record.Shard{{Shard: 1, Epoch: 1}, {Shard: 2, Epoch: 1}}
	epochs, err := a.Handover(ctx, list, "n2", 1)
	if err != nil || epochs[1] != 2 || epochs[2] != 2 || len(epochs) != 2 {
		t.Fatalf("%v, %v", epochs, err)
	}
	if len(saved) != cap(saved) {
		t.Errorf("%d of %d saves were before it", len(saved), cap(saved))
	}
	if r := recordOf(t, b, agent); string(r.Saved) != "1999" {
		t.Errorf("the new owner sees %s", r.Saved)
	}
	m := membership(t, b)
	for shard, want := range map[int]record.Shard{
		1: shard(1, "n2", 2, "n2"),
		2: shard(2, "n2", 2, "n2"),
		3: shard(3, "n1", 1, "n1"),
	} {
		if m.Shards[shard] != want {
			t.Errorf("shard %+v, want %+v", m.Shards[shard], want)
		}
	}
}

// TestContention has nodes plan, hand over, bury and register against each
// other, and checks that no node gets stuck and that a shard has only owners that
// are there.
func TestContention(t *testing.T) {
	nodes := cluster(t, 10*time.Millisecond, 3)
	var wg sync.WaitGroup
	for n, s := range nodes {
		wg.Go(func() {
			for round := range 30 {
				if err := contend(s, n, round); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	m := membership(t, nodes[0])
	for _, i := range m.Shards {
		there := slices.ContainsFunc(m.Nodes, func(n record.Node) bool { return n.ID == i.Owner })
		if i.Owner != "" && !there {
			t.Errorf("the owner of %+v is not registered", i)
		}
	}
}

func contend(s *Store, n, round int) error {
	ctx := context.Background()
	own := fmt.Sprint("n", n+1)
	m, err := s.Membership(ctx, -1)
	if err != nil {
		return err
	}
	var plan, mine []record.Shard
	for _, i := range m.Shards[:40] {
		if i.Owner == own {
			mine = append(mine, i)
		}
		i.Target = fmt.Sprint("n", (i.Shard+round)%3+1)
		plan = append(plan, i)
	}
	slices.Reverse(plan[round%len(plan):])
	if err := s.AssignShards(ctx, plan); err != nil {
		return err
	}
	for _, other := range m.Nodes {
		if other.ID != own {
			if _, err := s.Bury(ctx, other.ID, other.Session); err != nil {
				return err
			}
			_, err := s.Handover(ctx, mine, other.ID, other.Session)
			if err != nil && tandem.KindOf(err) != tandem.Conflict {
				return err
			}
		}
	}
	switch err := s.Renew(ctx, record.Node{ID: own}, 10*time.Millisecond); {
	case tandem.KindOf(err) == tandem.Conflict:
		_, err := s.Register(ctx, record.Node{ID: own}, 10*time.Millisecond)
		return err
	default:
		return err
	}
}

// TestBurials has many bury the same node: one of them does.
func TestBurials(t *testing.T) {
	nodes := cluster(t, time.Millisecond, 3)
	waitFor(t, nodes[0], "SELECT bool_and(expires + interval '600 milliseconds' < clock_timestamp()) FROM leases")
	var mu sync.Mutex
	buried := 0
	var wg sync.WaitGroup
	for _, s := range nodes[1:] {
		for range 4 {
			wg.Go(func() {
				did, err := s.Bury(context.Background(), "n1", 1)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if did {
					buried++
				}
			})
		}
	}
	wg.Wait()
	if buried != 1 {
		t.Errorf("buried %d times", buried)
	}
}

// TestConcurrentChanges has two nodes change the same records at once: no
// change is lost.
func TestConcurrentChanges(t *testing.T) {
	nodes := cluster(t, time.Hour, 2)
	g := addGroup(t, nodes[0], "ann")
	must[LoginKey](t)(nodes[0].AddLoginKey(t.Context(), LoginKey{ID: "k", Account: g.Owner}))
	const each = 50
	var wg sync.WaitGroup
	for _, s := range nodes {
		wg.Go(func() {
			for range each {
				use := func(k *LoginKey) error { k.Usages++; return nil }
				if _, err := s.ChangeLoginKey(context.Background(), "k", use); err != nil {
					t.Error(err)
				}
				if _, err := s.Deploy(context.Background(), record.Deployment{Group: g.ID}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if k := must[LoginKey](t)(nodes[0].LoginKey(t.Context(), "k")); k.Usages != 2*each {
		t.Errorf("%d usages", k.Usages)
	}
	list, _, err := nodes[1].Deployments(t.Context(), DeploymentFilter{}, Page{})
	versions := map[int]bool{}
	for _, d := range list {
		versions[d.Version] = true
	}
	if err != nil || len(versions) != 2*each || !versions[2*each] {
		t.Errorf("%d versions, %v", len(versions), err)
	}
}
