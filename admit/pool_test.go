package admit

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// lab is a pool whose holders have names.
type lab struct {
	*Pool[string]
	lost []string
}

func (l *lab) enter(key, name string, n int64) *Holder[string] {
	return l.Enter(key, n, func() { l.lost = append(l.lost, name) })
}

func (l *lab) expect(t *testing.T, held int64, lost ...string) {
	t.Helper()
	if l.Held() != held || !slices.Equal(l.lost, lost) {
		t.Errorf("%d units are held and %q gave way; want %d and %q", l.Held(), l.lost, held, lost)
	}
}

// TestPoolKey: a key over its limit loses what it has had longest, and others nothing.
func TestPoolKey(t *testing.T) {
	l := &lab{Pool: NewPool[string](10, 3)}
	l.enter("b", "b1", 1)
	for i := range 5 {
		l.enter("a", fmt.Sprint("a", i), 1)
	}
	l.expect(t, 4, "a0", "a1")
}

// TestPoolTotal: when all is used up, what has waited longest gives way.
func TestPoolTotal(t *testing.T) {
	l := &lab{Pool: NewPool[string](3, 3)}
	first := l.enter("a", "a", 1)
	l.enter("b", "b", 1)
	l.enter("c", "c", 1)
	l.enter("d", "d", 2)
	l.expect(t, 3, "a", "b")
	if first.Grow(1) {
		t.Error("a holder that has given way has grown")
	}
	first.Leave()
	first.Shrink(1)
	l.expect(t, 3, "a", "b")
}

// TestPoolWork: what works or is known stays, so a newcomer may get nothing. What has
// worked lately stays longer than what has not.
func TestPoolWork(t *testing.T) {
	l := &lab{Pool: NewPool[string](3, 3)}
	working := l.enter("a", "working", 1)
	working.Works()
	lately := l.enter("a", "lately", 1)
	lately.Works()
	lately.Waits()
	l.enter("a", "idle", 1)
	if l.enter("b", "b", 1) == nil {
		t.Fatal("there is no room")
	}
	l.expect(t, 3, "idle")
	l.enter("c", "c", 1).Works()
	l.expect(t, 3, "idle", "b")
	lately.Works()
	if l.enter("d", "d", 1) != nil {
		t.Error("something that works has given way")
	}
	if l.Over() != 3 {
		t.Errorf("%d counted", l.Over())
	}
	working.Waits()
	if l.enter("d", "d", 1) == nil {
		t.Error("nothing gave way")
	}
}

// TestPoolKnown: what has logged in does not count for its key, only for the total.
func TestPoolKnown(t *testing.T) {
	l := &lab{Pool: NewPool[string](100, 2)}
	for i := range 50 {
		l.enter("a", fmt.Sprint(i), 1).Know()
	}
	l.enter("a", "stranger", 2)
	l.expect(t, 52)
	if !l.enter("a", "newer", 0).Grow(2) {
		t.Error("the stranger has not given way")
	}
	l.expect(t, 52, "stranger")
	if got := l.Shed(100); got != 0 {
		t.Errorf("%d were shed that have just come", got)
	}
	late := l.enter("b", "late", 1)
	late.Works()
	late.Waits()
	if a, b := l.Shed(20), l.Shed(100); a != 20 || b != 31 || l.Held() != 1 {
		t.Errorf("%d and %d were shed, %d are held", a, b, l.Held())
	}
	if l.Shed(100) != 1 {
		t.Error("what has come late is left")
	}
}

// TestPoolGrow: a holder never gives way to itself.
func TestPoolGrow(t *testing.T) {
	l := &lab{Pool: NewPool[string](10, 8)}
	h := l.enter("a", "h", 4)
	if h.Grow(5) || !h.Grow(4) {
		t.Error("the limit of a key is not 8")
	}
	h.Shrink(2)
	l.expect(t, 6)
	h.Leave()
	l.expect(t, 0)
	if len(l.of) != 0 || l.all.Len() != 0 {
		t.Error("something is left")
	}
}

// one is a holder, and what the pool should know about it.
type one struct {
	*Holder[int]
	units   int64
	working int
	known   bool
}

func checkSums(t *rapid.T, p *Pool[int], all map[*one]bool) {
	sum, by := int64(0), map[int]int64{}
	for o := range all {
		sum += o.units
		if !o.known {
			by[o.key] += o.units
		}
	}
	if sum != p.Held() || sum > 20 {
		t.Fatalf("%d units are held, the pool says %d", sum, p.Held())
	}
	for key, n := range by {
		if n > 8 || p.of[key].held != n {
			t.Fatalf("key %d has %d units", key, n)
		}
	}
}

// TestPoolCounts compares a pool with sums over its holders, after anything.
func TestPoolCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPool[int](20, 8)
		all := map[*one]bool{}
		pick := func(t *rapid.T) *one {
			if len(all) == 0 {
				t.Skip("there is none")
			}
			list := make([]*one, 0, len(all))
			for o := range all {
				list = append(list, o)
			}
			slices.SortFunc(list, func(a, b *one) int { return int(a.units - b.units) })
			return list[rapid.IntRange(0, len(list)-1).Draw(t, "which")]
		}
		units := rapid.Int64Range(0, 9)
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				o := &one{units: units.Draw(t, "n")}
				o.Holder = p.Enter(rapid.IntRange(0, 3).Draw(t, "key"), o.units, func() {
					if o.working > 0 {
						t.Fatal("one that works gave way")
					}
					delete(all, o)
				})
				if o.Holder != nil {
					all[o] = true
				}
			},
			"grow": func(t *rapid.T) {
				o, n := pick(t), units.Draw(t, "n")
				if o.Grow(n) {
					o.units += n
				}
			},
			"work":  func(t *rapid.T) { o := pick(t); o.working++; o.Works() },
			"know":  func(t *rapid.T) { o := pick(t); o.known = true; o.Know() },
			"leave": func(t *rapid.T) { o := pick(t); delete(all, o); o.Leave() },
			"wait": func(t *rapid.T) {
				if o := pick(t); o.working > 0 {
					o.working--
					o.Waits()
				}
			},
			"shrink": func(t *rapid.T) {
				o := pick(t)
				n := min(o.units, units.Draw(t, "n"))
				o.units -= n
				o.Shrink(n)
			},
			"": func(t *rapid.T) { checkSums(t, p, all) },
		})
	})
}
