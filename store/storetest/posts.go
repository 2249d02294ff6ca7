package storetest

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

func post(t testing.TB, n Node, p record.Post) uint64 {
	t.Helper()
	return value[uint64](t, n, twin.Post{Agent: agent, Incarnation: 1, Post: p})
}

// listed returns the posts that wait for the agent's device.
func listed(t testing.TB, n Node) string {
	t.Helper()
	var names []string
	last := uint64(0)
	for _, p := range value[[]record.Post](t, n, twin.Posts{Agent: agent}) {
		if p.Seq <= last {
			t.Errorf("number %d is after %d", p.Seq, last)
		}
		last = p.Seq
		names = append(names, p.Name+"="+string(p.Data))
	}
	return strings.Join(names, " ")
}

func posts(t *testing.T, n Node) {
	do(t, n, twin.Begin{Agent: agent})
	first := post(t, n, record.Post{Name: "a", Data: []byte("1")})
	second := post(t, n, record.Post{Name: "b", Data: []byte("2")})
	if first != uint64(start.UnixMilli()) || second != first+1 {
		t.Errorf("numbers %d and then %d", first, second)
	}
	if got := listed(t, n); got != "a=1 b=2" {
		t.Errorf("there are %s", got)
	}
	refused(t, n, twin.Post{Agent: agent, Incarnation: 2, Post: record.Post{Name: "c", Data: []byte{0}}},
		tandem.Conflict)
	refused(t, n, twin.Post{Agent: "BBBBBBBBBBBB", Incarnation: 1, Post: record.Post{Name: "c", Data: []byte{0}}},
		tandem.Conflict)
	handled := twin.Handled{Agent: agent, Seq: first}
	do(t, n, handled, handled, twin.Handled{Agent: "BBBBBBBBBBBB", Seq: second}, twin.Begin{Agent: agent})
	if got := listed(t, n); got != "b=2" {
		t.Errorf("after the first was handled and a restart there are %s", got)
	}
}

// postsOfOneCause checks that a message which is handled again does not post
// twice.
func postsOfOneCause(t *testing.T, n Node) {
	do(t, n, twin.Begin{Agent: agent})
	cause := func(boot, seq uint64, nth uint32) record.Post {
		return record.Post{Name: "x", Data: []byte{byte('0' + nth)}, Cause: tandem.Mark{Boot: boot, Seq: seq}, Nth: nth}
	}
	var seqs []uint64
	for _, p := range []record.Post{
		cause(1, 1, 1), cause(1, 1, 2), cause(1, 1, 1), cause(1, 1, 2), cause(1, 2, 1), cause(2, 1, 1), cause(1, 9, 1),
	} {
		seqs = append(seqs, post(t, n, p))
	}
	if seqs[2] != seqs[0] || seqs[3] != seqs[1] || seqs[4] == seqs[1] || seqs[6] != 0 {
		t.Errorf("numbers %d", seqs)
	}
	if got := listed(t, n); got != "x=1 x=2 x=1 x=1" {
		t.Errorf("there are %s", got)
	}
	do(t, n, twin.Handled{Agent: agent, Seq: seqs[5]})
	if seq := post(t, n, cause(2, 1, 1)); seq != 0 {
		t.Errorf("one that was handled has number %d", seq)
	}
	// A post without a cause leaves the newest cause as it is.
	free := post(t, n, record.Post{Name: "free", Data: []byte("0"), Nth: 1})
	if seq := post(t, n, cause(2, 1, 1)); seq != 0 {
		t.Errorf("after a post without a cause it has number %d", seq)
	}
	largest := record.Post{Name: "y", Data: []byte("0"), Cause: tandem.Mark{Boot: 1<<64 - 1, Seq: 1<<64 - 1},
		Nth: 1<<32 - 1}
	if seq := post(t, n, largest); seq != free+1 || post(t, n, largest) != seq {
		t.Errorf("with the largest cause it has number %d, after %d", seq, free)
	}
}

func postLimits(t *testing.T, n Node) {
	do(t, n, twin.Begin{Agent: agent})
	// Names and data count in bytes.
	name := strings.Repeat("é", 500)
	first := post(t, n, record.Post{Name: name, Data: make([]byte, tandem.PostsSize-1000-10)})
	refused(t, n, twin.Post{Agent: agent, Incarnation: 1, Post: record.Post{Name: "ab", Data: make([]byte, 9)}},
		tandem.Limit)
	exact := record.Post{Name: "a", Data: make([]byte, 9), Cause: tandem.Mark{Boot: 1, Seq: 1}, Nth: 1}
	second := post(t, n, exact)
	if again := post(t, n, exact); again != second {
		t.Errorf("one that is there already has number %d, then %d", second, again)
	}
	do(t, n, twin.Handled{Agent: agent, Seq: first})
	small := twin.Post{Agent: agent, Incarnation: 1, Post: record.Post{Name: "small", Data: []byte{0}}}
	var fill []twin.Op
	for range tandem.PostsKept - 1 {
		fill = append(fill, small)
	}
	do(t, n, fill...)
	refused(t, n, small, tandem.Limit)
	do(t, n, twin.Handled{Agent: agent, Seq: second}, small)
}
