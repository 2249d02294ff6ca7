package admit

import (
	"fmt"
	"testing"
	"time"
)

var (
	here  = SourceOf(Addr("192.0.2.1"))
	there = SourceOf(Addr("192.0.2.2"))
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

// try logs in, and returns how long the client must wait instead.
func try(l *Logins, now time.Time, a Attempt, right bool) time.Duration {
	wait := l.Delay(now, a)
	switch {
	case wait > 0:
	case right:
		l.Succeeded(now, a)
	default:
		l.Failed(now, a)
	}
	return wait
}

// TestLoginsIdentity: who guesses an identity's secret waits. The identity can log in from
// elsewhere, and from the same address if it has before.
func TestLoginsIdentity(t *testing.T) {
	var l Logins
	good := Attempt{here, "device", "right"}
	if try(&l, noon, good, true) != 0 {
		t.Fatal("the first attempt waits")
	}
	for i := range pairBurst {
		if wait := try(&l, noon, Attempt{here, "device", fmt.Sprint(i)}, false); wait != 0 {
			t.Fatalf("attempt %d waits for %v", i, wait)
		}
	}
	guess := Attempt{here, "device", "guess"}
	if wait := try(&l, noon, guess, false); wait != pairInterval {
		t.Errorf("waits for %v", wait)
	}
	for _, a := range []Attempt{good, {there, "device", "right"}, {here, "another", "its own"}} {
		if wait := try(&l, noon, a, true); wait != 0 {
			t.Errorf("%v waits for %v", a, wait)
		}
	}
	noon := noon.Add(pairInterval)
	if try(&l, noon, guess, false) != 0 || try(&l, noon, guess, false) != pairInterval {
		t.Error("not one attempt per interval")
	}
	if l.Slowed() != 2 {
		t.Errorf("%d were slowed", l.Slowed())
	}
}

// TestLoginsSource: who guesses many identities waits too, and its neighbours who are
// logged in do not.
func TestLoginsSource(t *testing.T) {
	var l Logins
	good := Attempt{here, "", "right"}
	try(&l, noon, good, true)
	failed := 0
	for i := range 100_000 {
		if try(&l, noon.Add(time.Duration(i)*time.Millisecond), Attempt{here, fmt.Sprint(i), "guess"}, false) == 0 {
			failed++
		}
	}
	if failed < 155 || failed > 165 { // 60, and one a second
		t.Errorf("%d guesses in 100 s", failed)
	}
	end := noon.Add(100 * time.Second)
	if try(&l, end, good, true) != 0 || try(&l, end, Attempt{there, "", "right"}, true) != 0 {
		t.Error("good attempts wait")
	}
	if c := l.Failures(time.Now()); c.N != failed || c.Sources != 1 || c.Most != here || c.MostN != failed {
		t.Errorf("%+v", c)
	}
	if c := l.Failures(time.Now()); c.N != 0 {
		t.Errorf("counted again: %+v", c)
	}
}

// TestLoginsNameless: secrets that say themselves who it is count for their source only.
func TestLoginsNameless(t *testing.T) {
	var l Logins
	for i := range sourceBurst {
		if wait := try(&l, noon, Attempt{here, "", fmt.Sprint(i)}, false); wait != 0 {
			t.Fatalf("guess %d waits for %v", i, wait)
		}
	}
	if wait := try(&l, noon, Attempt{here, "", "guess"}, false); wait != sourceInterval {
		t.Errorf("waits for %v", wait)
	}
}

// TestLoginsBounds: guessing from many addresses takes bounded memory.
func TestLoginsBounds(t *testing.T) {
	var l Logins
	for i := range 5 * boundedHalf {
		a := Attempt{SourceOf(Addr(fmt.Sprintf("2001:db8:%x:%x::", i>>16, i&0xffff))), "x", "y"}
		l.Failed(noon, a)
		l.Succeeded(noon, a)
	}
	for _, n := range []int{
		len(l.sources.young), len(l.sources.old), len(l.pairs.young), len(l.pairs.old), len(l.good.young), len(l.good.old),
	} {
		if n > boundedHalf {
			t.Errorf("%d are kept", n)
		}
	}
	if c := l.Failures(time.Now()); c.N != 5*boundedHalf || c.Sources != talliedSources {
		t.Errorf("%+v", c)
	}
}
