package store

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

func post(s *Store, incarnation uint64, p record.Post) (uint64, error) {
	type answer struct {
		seq uint64
		err error
	}
	result := make(chan answer, 1)
	s.Post(agent, incarnation, &p, func(seq uint64, err error) { result <- answer{seq, err} })
	a := <-result
	return a.seq, a.err
}

func posts(t testing.TB, s *Store) string {
	t.Helper()
	list, err := s.Posts(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Name+"="+string(p.Data))
	}
	return strings.Join(names, " ")
}

func handled(t testing.TB, s *Store, seq uint64) {
	t.Helper()
	result := make(chan error, 1)
	s.Handled(agent, seq, func(err error) { result <- err })
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func TestPosts(t *testing.T) { onBoth(t, testPosts) }

func testPosts(t *testing.T, open opener) {
	s := open(t)
	begin(t, s, agent)
	must := func(p record.Post) uint64 {
		t.Helper()
		seq, err := post(s, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	first := must(record.Post{Name: "a", Data: []byte("1")})
	second := must(record.Post{Name: "b", Data: []byte("2")})
	if second <= first {
		t.Errorf("numbers %d and then %d", first, second)
	}
	if got := posts(t, s); got != "a=1 b=2" {
		t.Errorf("there are %s", got)
	}
	if _, err := post(s, 2, record.Post{Name: "c"}); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("post of another incarnation: %v", err)
	}
	handled(t, s, first)
	handled(t, s, first)
	begin(t, s, agent)
	if got := posts(t, s); got != "b=2" {
		t.Errorf("after the first was handled and a restart there are %s", got)
	}
}

// A message that is handled once more posts nothing twice.
func TestPostsOfOneCause(t *testing.T) { onBoth(t, testPostsOfOneCause) }

func testPostsOfOneCause(t *testing.T, open opener) {
	s := open(t)
	begin(t, s, agent)
	cause := func(boot, seq uint64, nth uint32) record.Post {
		return record.Post{Name: "x", Data: []byte{byte('0' + nth)}, Cause: tandem.Mark{Boot: boot, Seq: seq}, Nth: nth}
	}
	var seqs []uint64
	for _, p := range []record.Post{cause(1, 1, 1), cause(1, 1, 2), cause(1, 1, 1), cause(1, 1, 2), cause(1, 2, 1), cause(2, 1, 1), cause(1, 9, 1)} {
		seq, err := post(s, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
	}
	if seqs[2] != seqs[0] || seqs[3] != seqs[1] || seqs[4] == seqs[1] || seqs[6] != 0 {
		t.Errorf("numbers %d", seqs)
	}
	if got := posts(t, s); got != "x=1 x=2 x=1 x=1" {
		t.Errorf("there are %s", got)
	}
	handled(t, s, seqs[5])
	if seq, err := post(s, 1, cause(2, 1, 1)); seq != 0 || err != nil {
		t.Errorf("one that was handled has number %d, %v", seq, err)
	}
}

func TestPostsLimits(t *testing.T) { onBoth(t, testPostsLimits) }

func testPostsLimits(t *testing.T, open opener) {
	s := open(t)
	begin(t, s, agent)
	big := record.Post{Name: "big", Data: make([]byte, tandem.PostsSize/2)}
	if _, err := post(s, 1, big); err != nil {
		t.Fatal(err)
	}
	if _, err := post(s, 1, big); tandem.KindOf(err) != tandem.Limit {
		t.Errorf("too much data: %v", err)
	}
	results := make(chan error, tandem.PostsKept)
	for range tandem.PostsKept - 1 {
		s.Post(agent, 1, &record.Post{Name: "small", Data: []byte{0}}, func(_ uint64, err error) { results <- err })
	}
	for range tandem.PostsKept - 1 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := post(s, 1, record.Post{Name: "small", Data: []byte{0}}); tandem.KindOf(err) != tandem.Limit {
		t.Errorf("too many: %v", err)
	}
}
