package life

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestOnce: whatever happens, and whatever fails, each token is given back once,
// and each request that does not give up is answered once. No call panics, and no
// deadline stays when its Tick has been.
func TestOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWalker(t, allActs)
		for _, o := range drawWalk(t, roughOps, 60) {
			w.do(o)
			checkCounts(t, w.life)
		}
		w.end()
	})
}

// checkCounts compares what a life counts with what there is.
func checkCounts(t *rapid.T, l *Life) {
	requests, messages := 0, len(l.Hearing)
	for _, it := range slices.Concat(l.Inbox, l.Unread) {
		if it.request != 0 {
			requests++
		} else if it.isMessage() {
			messages++
		}
	}
	if r, m := l.Waiting(); r != requests || m != messages {
		t.Fatalf("%d requests and %d messages are counted, and there are %d and %d", r, m, requests, messages)
	}
	if seen, unseen := l.Pending(); seen+unseen != len(l.waiting()) {
		t.Fatalf("%d requests are open, and %d are in the queue", seen+unseen, len(l.waiting()))
	}
}

// TestSame: the same events at the same times give the same effects, to the byte.
func TestSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		walk := drawWalk(t, roughOps, 40)
		run := func() string {
			w := newWalker(t, allActs)
			w.keep = true
			for _, o := range walk {
				w.do(o)
			}
			return w.record()
		}
		first := run()
		others := make(chan string, 2*runtime.GOMAXPROCS(0))
		for range cap(others) {
			go func() { others <- run() }()
		}
		for range cap(others) {
			if again := <-others; again != first {
				t.Fatalf("the same events gave\n%s\nand\n%s", first, again)
			}
		}
	})
}

// ofMove are lines that a move adds or changes: that of the move itself, what the
// other host reads for itself, and what belongs to a host.
var ofMove = regexp.MustCompile(`^[^ ]+ (arrived |status: Agent moved|send sys/agent {"event":"moved"|load |` +
	`drop link|use link|left: |hand on |handled |forget (said|act|part|mqtt|request)|answer \d+: the agent has moved)`)

// likeHere makes lines of a pair that has moved comparable with those of one that
// has not.
func likeHere(lines []string) (list []string) {
	for _, line := range lines {
		if !ofMove.MatchString(line) {
			line = strings.Replace(line, "answer to n2 ", "answer ", 1)
			list = append(list, strings.TrimSuffix(line, " at n0"))
		}
	}
	return list
}

// TestMoved: a pair that leaves and arrives goes on as if it had not.
func TestMoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		walk := drawWalk(t, quietOps, 50)
		moves := rapid.SliceOfN(rapid.IntRange(0, len(walk)), 1, 3).Draw(t, "moves")
		stays, goes := newWalker(t, quietActs), newWalker(t, quietActs)
		stays.stamp, goes.stamp = true, true
		for i, o := range walk {
			stays.do(o)
			goes.do(o)
			if slices.Contains(moves, i) && goes.leave(0) {
				goes.do(op{what: "arrive", n: 3 + i*3}) // why is balance
			}
		}
		stays.pass(pauses[len(pauses)-1])
		goes.pass(pauses[len(pauses)-1])
		a, b := likeHere(stays.lines), likeHere(goes.lines)
		if !slices.Equal(a, b) {
			t.Fatalf("the pair that stayed did\n%s\nand the one that moved\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		if s, g := fmt.Sprint(stays.store.record), fmt.Sprint(goes.store.record); s != g {
			t.Fatalf("the store has %s and %s", s, g)
		}
	})
}
