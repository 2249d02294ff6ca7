package store_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/storetest"
	"github.com/tandem-iot/tandem/store/twin"
)

// node does the operations of the suite on a store.
type node struct {
	store *store.Store
	now   *atomic.Int64 // of its clock, in nanoseconds
}

// run runs a store until the test ends.
func run(tb testing.TB, s *store.Store) node {
	n := node{store: s, now: new(atomic.Int64)}
	n.now.Store(time.Now().UnixNano())
	s.SetClock(func() time.Time { return time.Unix(0, n.now.Load()) })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return n
}

// Do implements storetest.Node.
func (n node) Do(now time.Time, ops ...twin.Op) []twin.Answer {
	n.now.Store(now.UnixNano())
	answers := make([]twin.Answer, len(ops))
	results := make([]chan twin.Answer, len(ops))
	collect := func(until int) {
		for i, result := range results[:until] {
			if result != nil {
				answers[i] = <-result
				results[i] = nil
			}
		}
	}
	for i, op := range ops {
		results[i] = make(chan twin.Answer, 1)
		done := func(v any, err error) {
			if err != nil {
				v = nil
			}
			results[i] <- twin.Answer{Value: v, Err: err}
		}
		if n.submit(op, done) {
			continue
		}
		if _, handover := op.(twin.Handover); !handover { // that one waits by itself
			collect(i)
		}
		done(n.perform(context.Background(), op))
	}
	collect(len(ops))
	return answers
}

// submit does an operation that does not block. False: it is another one.
func (n node) submit(op twin.Op, done func(any, error)) bool {
	plain := func(err error) { done(nil, err) }
	switch op := op.(type) {
	case twin.Begin:
		n.store.Begin(op.Agent, func(incarnation uint64, err error) { done(incarnation, err) })
	case twin.Save:
		n.store.Save(op.Agent, op.Incarnation, op.Table, op.Mark, plain)
	case twin.Post:
		n.store.Post(op.Agent, op.Incarnation, &op.Post, func(seq uint64, err error) { done(seq, err) })
	case twin.Handled:
		n.store.Handled(op.Agent, op.Seq, plain)
	case twin.Quarantine:
		n.store.Quarantine(op.Agent, op.Incarnation, op.Code, plain)
	case twin.End:
		n.store.End(op.Agent, op.Incarnation, op.Snapshot, plain)
	case twin.TakeSnapshot:
		n.store.TakeSnapshot(op.Agent, func(snapshot []byte, err error) { done(snapshot, err) })
	case twin.Seen:
		n.store.Seen(op.Device, op.Sighting, plain)
	default:
		return false
	}
	return true
}

// perform does an operation that is waited for.
func (n node) perform(ctx context.Context, op twin.Op) (any, error) {
	s := n.store
	switch op := op.(type) {
	case twin.Record:
		return s.Record(ctx, op.Agent)
	case twin.Posts:
		return s.Posts(ctx, op.Agent)
	case twin.Running:
		return s.Running(ctx)
	case twin.RunningIn:
		return s.RunningIn(ctx, op.Shards)
	case twin.Device:
		return s.Device(ctx, op.Device)
	case twin.DeviceOf:
		return s.DeviceOf(ctx, op.Agent)
	case twin.Devices:
		list, _, err := s.Devices(ctx, store.DeviceFilter{Group: op.Group}, store.Page{})
		return list, err
	case twin.Group:
		return s.Group(ctx, op.ID)
	case twin.Product:
		return s.Product(ctx, op.ID)
	case twin.Deployment:
		return s.Deployment(ctx, op.ID)
	case twin.LibraryCode:
		return s.LibraryCode(ctx, op.Library)
	default:
		return n.place(ctx, op)
	}
}

// place does an operation about the cluster.
func (n node) place(ctx context.Context, op twin.Op) (any, error) {
	s := n.store
	switch op := op.(type) {
	case twin.Register:
		return s.Register(ctx, op.Node, op.Lease)
	case twin.Renew:
		return nil, s.Renew(ctx, op.Node, op.Lease)
	case twin.Leave:
		return nil, s.Leave(ctx)
	case twin.Membership:
		m, err := s.Membership(ctx, op.Known)
		if err != nil {
			return nil, err
		}
		return *m, nil
	case twin.Planner:
		return s.Planner(ctx, op.Node, op.Lease)
	case twin.Bury:
		return s.Bury(ctx, op.Node, op.Session)
	case twin.AssignShards:
		return nil, s.AssignShards(ctx, op.Plan)
	case twin.Handover:
		return s.Handover(ctx, op.Shards, op.To, op.ToSession)
	default:
		return nil, tandem.Errorf(tandem.Internal, "the suite has an operation that is unknown here: %T", op)
	}
}

func openSQLite(tb testing.TB) node {
	return run(tb, must[*store.Store](tb)(store.Open(tb.Context(), filepath.Join(tb.TempDir(), "tandem.db"))))
}

func openPostgres(tb testing.TB, url string) node {
	return run(tb, must[*store.Store](tb)(store.OpenPostgres(tb.Context(), url)))
}

// must returns v, or ends the test.
func must[T any](tb testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// fill puts the control records of the suite into a database.
func fill(tb testing.TB, n node) (known storetest.Known) {
	tb.Helper()
	s, ctx := n.store, tb.Context()
	a := must[store.Account](tb)(s.AddAccount(ctx, store.Account{Username: "ann", Email: "ann@example.com"}))
	known.Product = must[record.Product](tb)(s.AddProduct(ctx, record.Product{Owner: a.ID, Name: "Kettle"}))
	group := record.Group{Product: known.Product.ID, Name: "g", Type: tandem.GroupDevelopment}
	g := must[record.Group](tb)(s.AddGroup(ctx, group))
	deployment := record.Deployment{Group: g.ID, AgentCode: "server.log(1);", Tags: []string{}}
	known.Deployment = must[record.Deployment](tb)(s.Deploy(ctx, deployment))
	known.Group = must[record.Group](tb)(s.Group(ctx, g.ID))
	known.Device = must[[]record.Device](tb)(s.AddDevices(ctx, []record.Device{
		{Owner: a.ID, Group: g.ID, KeyHash: record.Hash("key")}, {Owner: a.ID, KeyHash: record.Hash("other")},
	}))[0]
	known.Library, known.LibraryCode = tandem.LibraryID{Name: "Promise.lib.nut", Version: "4.0.0"}, "class Promise {}"
	must[store.Library](tb)(s.AddLibrary(ctx, known.Library, known.LibraryCode))
	return known
}

func TestSuite(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) (storetest.Node, storetest.Known) {
			n := openSQLite(tb)
			return n, fill(tb, n)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) (storetest.Node, storetest.Known) {
			n := openPostgres(tb, pgtest.Start(tb))
			return n, fill(tb, n)
		})
	})
}

func openCluster(tb testing.TB, count int) (nodes []storetest.Node) {
	url := pgtest.Start(tb)
	for range count {
		nodes = append(nodes, openPostgres(tb, url))
	}
	return nodes
}

func TestClusterSuite(t *testing.T) { storetest.RunCluster(t, openCluster) }

// simulated returns twins of some nodes.
func simulated(count int) (nodes []storetest.Node) {
	db := twin.New(placement.DefaultShards)
	for range count {
		nodes = append(nodes, storetest.Simulated{Store: db.Open()})
	}
	return nodes
}

func TestTwin(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { storetest.Compare(t, openSQLite(t), simulated(1)[0]) })
	t.Run("postgres", func(t *testing.T) { storetest.Compare(t, openPostgres(t, pgtest.Start(t)), simulated(1)[0]) })
	t.Run("cluster", func(t *testing.T) { storetest.CompareCluster(t, openCluster(t, 3), simulated(3)) })
}
