package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store/record"
)

// claimant is a run of a node that may get the name it wants.
type claimant struct {
	*Store
	claim record.Claim
}

func newClaimant(t *testing.T, url, node, key, holder string) claimant {
	t.Helper()
	s := must[*Store](t)(OpenPostgres(t.Context(), url))
	running(t, s)
	return claimant{s, record.Claim{Node: node, Key: key, Address: key + ":7422", Holder: holder}}
}

const claimLease = 3 * time.Second

func (c claimant) take(t *testing.T) error {
	t.Helper()
	return c.Claim(t.Context(), c.claim, claimLease)
}

// join claims the name and registers, and renews the lease until stop is called.
func (c claimant) join(t *testing.T) (stop func()) {
	t.Helper()
	if err := c.take(t); err != nil {
		t.Fatal(err)
	}
	info := record.Node{ID: c.claim.Node, Version: "v"}
	must[int64](t)(c.Register(t.Context(), info, claimLease))
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(claimLease / 6):
			}
			if err := c.Renew(t.Context(), info, claimLease); err != nil {
				t.Errorf("%s: %v", c.claim.Key, err)
			}
		}
	}()
	return func() { close(done); <-ended }
}

// TestClaim: a name that a running node has is refused to every other node, and the one
// that has it does not notice.
func TestClaim(t *testing.T) {
	url := pgtest.Start(t)
	first := newClaimant(t, url, "n1", "first", "lock 1")
	stop := first.join(t)
	for _, holder := range []string{"", "lock 2"} {
		twin := newClaimant(t, url, "n1", "twin "+holder, holder)
		wantKind(t, twin.take(t), tandem.Conflict, "another node has the name n1")
	}
	if m := membership(t, first.Store); len(m.Nodes) != 1 || m.Nodes[0].Session != 1 || m.Nodes[0].Key != "first" ||
		m.Nodes[0].Address != "first:7422" {
		t.Errorf("%+v", m.Nodes)
	}
	stop()
	// The node has stood still for longer than its lease; another one takes the name, and the
	// first can no longer join.
	other := newClaimant(t, url, "n1", "other", "lock 2")
	defer other.join(t)()
	_, err := first.Register(t.Context(), record.Node{ID: "n1"}, claimLease)
	wantKind(t, err, tandem.Conflict, "another node has the name n1")
	if m := membership(t, other.Store); m.Nodes[0].Key != "other" || m.Nodes[0].Session != 2 {
		t.Errorf("%+v", m.Nodes)
	}
}

// TestClaimAfterCrash: the successor of a process that has ended, by the lock that it has
// of the directory, has the name at once, long before the lease runs out.
func TestClaimAfterCrash(t *testing.T) {
	url := pgtest.Start(t)
	const long = time.Hour
	for i := range 3 {
		c := newClaimant(t, url, "n1", fmt.Sprint("run ", i), "lock")
		if err := c.Claim(t.Context(), c.claim, long); err != nil {
			t.Fatal(err)
		}
		if got := must[int64](t)(c.Register(t.Context(), record.Node{ID: "n1"}, long)); got != int64(i+1) {
			t.Errorf("session %d, want %d", got, i+1)
		}
	}
	// A node that left does not keep others from its name.
	c := newClaimant(t, url, "n2", "leaving", "lock of n2")
	if err := c.Claim(t.Context(), c.claim, long); err != nil {
		t.Fatal(err)
	}
	must[int64](t)(c.Register(t.Context(), record.Node{ID: "n2"}, long))
	if err := c.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := newClaimant(t, url, "n2", "next", "another lock")
	if err := next.Claim(t.Context(), next.claim, long); err != nil {
		t.Error(err)
	}
}

// TestClaimAtOnce: of nodes that want a name at the same time, one gets it.
func TestClaimAtOnce(t *testing.T) {
	url := pgtest.Start(t)
	const nodes = 4
	taken := make(chan claimant, nodes)
	refused := make(chan error, nodes)
	for i := range nodes {
		c := newClaimant(t, url, "n1", fmt.Sprint("key ", i), fmt.Sprint("lock ", i))
		go func() {
			if err := c.take(t); err != nil {
				refused <- err
				return
			}
			if _, err := c.Register(t.Context(), record.Node{ID: "n1"}, claimLease); err != nil {
				t.Error(err)
			}
			taken <- c
		}()
	}
	winner := <-taken
	for renew := time.NewTicker(claimLease / 6); len(refused) < nodes-1; <-renew.C {
		if len(taken) > 0 {
			t.Fatalf("%s and %s have the name", winner.claim.Key, (<-taken).claim.Key)
		}
		if err := winner.Renew(t.Context(), record.Node{}, claimLease); err != nil {
			t.Fatal(err)
		}
	}
	for range nodes - 1 {
		wantKind(t, <-refused, tandem.Conflict, "another node has the name")
	}
}

// TestClaimBesideEarlier: a node of a version that knows no claims keeps this one away.
func TestClaimBesideEarlier(t *testing.T) {
	url := pgtest.Start(t)
	old := must[*Store](t)(OpenPostgres(t.Context(), url))
	running(t, old)
	register(t, old, "old", time.Hour)
	c := newClaimant(t, url, "n1", "key", "lock")
	wantKind(t, c.take(t), tandem.Conflict, "node old runs version v, which cannot talk to this one: stop all")
	if err := old.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.take(t); err != nil {
		t.Error(err)
	}
}

func TestClaimNeedsName(t *testing.T) {
	c := newClaimant(t, pgtest.Start(t), "", "key", "lock")
	wantKind(t, c.take(t), tandem.Invalid, "a node needs an id")
}
