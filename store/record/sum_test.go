package record

import (
	"hash/crc32"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestSums: a checksum depends on each field, on where it ends, and on whose record it is.
func TestSums(t *testing.T) {
	mark := tandem.Mark{Boot: 1, Seq: 2}
	sums := map[Sum]string{}
	for name, s := range map[string]Sum{
		"saved":            SumSaved("a", []byte("bc"), mark),
		"another agent's":  SumSaved("ab", []byte("c"), mark),
		"another table":    SumSaved("a", []byte("bd"), mark),
		"another boot":     SumSaved("a", []byte("bc"), tandem.Mark{Boot: 2, Seq: 2}),
		"another sequence": SumSaved("a", []byte("bc"), tandem.Mark{Boot: 1, Seq: 3}),
		"snapshot":         SumSnapshot("a", []byte("bc")),
		"post":             SumPost("a", Post{Seq: 1, Name: "b", Data: []byte("c")}),
		"another name":     SumPost("a", Post{Seq: 1, Name: "bc"}),
		"another number":   SumPost("a", Post{Seq: 2, Name: "b", Data: []byte("c")}),
		"posting":          Posting{Last: 1, Cause: mark, Nth: 1}.Sum("a"),
		"another nth":      Posting{Last: 1, Cause: mark, Nth: 2}.Sum("a"),
	} {
		if other, twice := sums[s]; twice {
			t.Errorf("%s has the checksum of %s", name, other)
		}
		sums[s] = name
	}
	if s := Sum(0).Number(7).one(9); s != Sum(crc32.Checksum([]byte{0, 0, 0, 0, 0, 0, 0, 7, 9}, castagnoli)) {
		t.Errorf("%x is not the CRC-32C", s)
	}
	table := make([]byte, 500)
	if n := testing.AllocsPerRun(100, func() { SumSaved("AAAAAAAAAAAA", table, mark) }); n > 0 {
		t.Errorf("the checksum of a save allocates %v times", n)
	}
}

func BenchmarkSumSaved(b *testing.B) {
	table := make([]byte, 500)
	for b.Loop() {
		SumSaved("AAAAAAAAAAAA", table, tandem.Mark{Boot: 1, Seq: 2})
	}
}

// TestSeen has each way in which a database can differ from what a node has seen.
func TestCompare(t *testing.T) {
	seen := Seen{Database: "d", Number: 3, History: "h", Node: "n", Count: 10, Version: 20}
	for name, tt := range map[string]struct {
		change func(*Seen)
		want   Past
	}{
		"the same":              {func(*Seen) {}, Onward},
		"farther":               {func(s *Seen) { s.Count++; s.Version++ }, Onward},
		"another node's count":  {func(s *Seen) { s.Node, s.Count = "m", 0 }, Onward},
		"a transaction less":    {func(s *Seen) { s.Count-- }, Back},
		"an older membership":   {func(s *Seen) { s.Version-- }, Back},
		"an earlier history":    {func(s *Seen) { s.Number, s.Count = 2, 11 }, Back},
		"a later history":       {func(s *Seen) { s.Number, s.Count = 4, 0 }, Newer},
		"the same number again": {func(s *Seen) { s.History = "x" }, Newer},
		"another database":      {func(s *Seen) { s.Database = "e" }, Another},
	} {
		db := seen
		tt.change(&db)
		if got := seen.Compare(db); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	if got := (Seen{}).Compare(seen); got != Onward {
		t.Errorf("a node that has seen nothing: %v", got)
	}
}
