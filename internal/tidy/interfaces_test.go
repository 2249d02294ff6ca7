package tidy

import (
	"maps"
	"testing"
)

func TestInterfaces(t *testing.T) {
	s, err := parseSource("p/p.go", []byte(`package p
type Sum interface{ sum() }
type Number interface{ ~int | ~float64 }
type Any interface{}
type Small interface{ Read(); Write() }
type Wide interface{ A(); B(); C(); D(); E(); F() }
func f() { type inner interface{ X() } }
`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.interfaces(), (map[string]int{"Small": 2, "Wide": 6, "inner": 1}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
