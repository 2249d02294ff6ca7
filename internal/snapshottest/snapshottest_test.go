package snapshottest

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Number int
	hidden string
}

type outer struct {
	Flag  bool
	in    inner
	list  []inner
	index map[uint32]string
	when  time.Time
	share *float64
	pair  [2]uint8
	call  func()
	cache map[string]int
}

// TestCheck takes a value through a copy of all that is not local.
func TestCheck(t *testing.T) {
	local := map[string]string{"call": "a function", "cache": "derived", "in.hidden": "only an example"}
	Check(t, &outer{call: func() {}}, local, func(m *outer) *outer {
		in := inner{Number: m.in.Number}
		return &outer{Flag: m.Flag, in: in, list: m.list, index: m.index, when: m.when, share: m.share, pair: m.pair}
	})
}

func TestFiller(t *testing.T) {
	var o outer
	f := filler{local: map[string]string{"cache": "derived"}}
	f.fill("", reflect.ValueOf(&o).Elem())
	if len(f.problems) != 1 || !strings.HasPrefix(f.problems[0], "call: a func() cannot be filled") {
		t.Errorf("problems: %q", f.problems)
	}
	if !o.Flag || o.in.Number == 0 || o.in.hidden == "" || o.list[0].hidden == "" || len(o.index) != 1 ||
		o.when.IsZero() || *o.share == 0 || o.pair[1] == 0 {
		t.Errorf("not all of %+v is filled", o)
	}
	if o.in.Number == o.list[0].Number || o.pair[0] == o.pair[1] {
		t.Errorf("fields of %+v are the same", o)
	}
	if o.cache != nil || at(reflect.ValueOf(&o).Elem(), "in.hidden").String() != o.in.hidden {
		t.Error("a local field was filled, or a path leads elsewhere")
	}
}
