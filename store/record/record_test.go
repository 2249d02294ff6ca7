package record

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123_456_789, time.FixedZone("east", 3600))

func wantKind(t *testing.T, err error, kind tandem.Kind) {
	t.Helper()
	if err == nil || tandem.KindOf(err) != kind {
		t.Errorf("error %v, want one of kind %v", err, kind)
	}
}

// TestCurrentIncarnationAlone checks that only the current incarnation changes
// a record, whatever has happened before.
func TestCurrentIncarnationAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Agent{ID: "a"}
		for range rapid.Uint64Range(0, 4).Draw(t, "begun") {
			a = a.Begin(noon)
		}
		n := rapid.Uint64Range(0, 5).Draw(t, "incarnation")
		current := n == a.Incarnation && n > 0
		saved, err := a.Save(n, []byte("x"), tandem.Mark{Boot: 1})
		if (err == nil) != current || (string(saved.Saved) == "x") != current {
			t.Errorf("incarnation %d of %d saved %q, %v", n, a.Incarnation, saved.Saved, err)
		}
		ended, err := a.End(n, false, noon)
		if (err == nil) != current || current && ended.Running || !current && ended.Running != a.Running {
			t.Errorf("incarnation %d of %d ended: %+v, %v", n, a.Incarnation, ended, err)
		}
	})
}

func TestAgentLife(t *testing.T) {
	a := Agent{ID: "a"}.Begin(noon)
	if want := time.Date(2026, 1, 2, 11, 0, 0, 123_000_000, time.UTC); a.Incarnation != 1 || !a.Running ||
		a.Changed != want {
		t.Errorf("begun: %+v", a)
	}
	for _, snapshot := range []bool{true, false} {
		ended, err := a.End(1, snapshot, noon.Add(time.Hour))
		if err != nil || ended.Running != snapshot || ended.Changed != a.Changed.Add(time.Hour) {
			t.Errorf("ended, with a snapshot %v: %+v, %v", snapshot, ended, err)
		}
	}
}

func TestPosting(t *testing.T) {
	cause := func(boot, seq uint64, nth uint32) Post {
		return Post{Cause: tandem.Mark{Boot: boot, Seq: seq}, Nth: nth}
	}
	p := Posting{Last: 9, Cause: tandem.Mark{Boot: 2, Seq: 5}, Nth: 2}
	for _, tt := range []struct {
		name    string
		post    Post
		repeats bool
		next    Posting
	}{
		{"without a cause", Post{Nth: 1}, false, Posting{uint64(noon.UnixMilli()), p.Cause, 2}},
		{"of an earlier boot, the first", cause(1, 9, 1), true, Posting{}},
		{"of an earlier message", cause(2, 4, 3), true, Posting{}},
		{"the first of the message", cause(2, 5, 1), true, Posting{}},
		{"the newest", cause(2, 5, 2), true, Posting{}},
		{"the next of the message", cause(2, 5, 3), false, Posting{uint64(noon.UnixMilli()), p.Cause, 3}},
		{"of the next message", cause(2, 6, 1), false, Posting{uint64(noon.UnixMilli()), tandem.Mark{Boot: 2, Seq: 6}, 1}},
		{"of a later boot", cause(3, 1, 1), false, Posting{uint64(noon.UnixMilli()), tandem.Mark{Boot: 3, Seq: 1}, 1}},
	} {
		if got := p.Repeats(tt.post); got != tt.repeats {
			t.Errorf("%s: repeats %v", tt.name, got)
		} else if got := p.Next(tt.post, noon); !tt.repeats && got != tt.next {
			t.Errorf("%s: next %+v, want %+v", tt.name, got, tt.next)
		}
	}
	first := Posting{}.Next(cause(1, 1, 1), noon)
	if want := (Posting{uint64(noon.UnixMilli()), tandem.Mark{Boot: 1, Seq: 1}, 1}); first != want {
		t.Errorf("the first: %+v, want %+v", first, want)
	}
}

// TestRescuePosting: after a database went back, the device has handled none of the numbers that
// come, and what was posted for a message is not posted again.
func TestRescuePosting(t *testing.T) {
	ahead := uint64(noon.Add(RescueAhead).UnixMilli())
	had := Posting{Last: 9, Cause: tandem.Mark{Boot: 2, Seq: 5}, Nth: 2}
	later := Posting{Last: ahead + 7, Cause: tandem.Mark{Boot: 2, Seq: 6}, Nth: 1}
	waits := Post{Seq: ahead + 9, Cause: tandem.Mark{Boot: 2, Seq: 7}, Nth: 3}
	for _, tt := range []struct {
		name   string
		rescue Rescue
		want   Posting
	}{
		{"nothing", Rescue{}, Posting{ahead, had.Cause, 2}},
		{"one that was handled", Rescue{Made: later}, later},
		{"an older one", Rescue{Made: Posting{Last: 8, Cause: had.Cause, Nth: 1}}, Posting{ahead, had.Cause, 2}},
		{"one that waits", Rescue{Posts: []Post{waits}, Made: later}, Posting{waits.Seq, waits.Cause, 3}},
	} {
		if got := tt.rescue.Posting(had, noon); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestRoom(t *testing.T) {
	post := Post{Name: "é", Data: make([]byte, 98)} // 100 bytes
	for _, tt := range []struct {
		count, bytes int
		room         bool
	}{
		{0, 0, true},
		{tandem.PostsKept - 1, 0, true},
		{tandem.PostsKept, 0, false},
		{1, tandem.PostsSize - 100, true},
		{1, tandem.PostsSize - 99, false},
	} {
		if err := Room(tt.count, tt.bytes, post); (err == nil) != tt.room {
			t.Errorf("%d of %d bytes: %v", tt.count, tt.bytes, err)
		} else if err != nil {
			wantKind(t, err, tandem.Limit)
		}
	}
}

func TestAssign(t *testing.T) {
	free, owned := Shard{7, "", 3, ""}, Shard{7, "a", 3, "a"}
	for _, tt := range []struct {
		name      string
		row, plan Shard
		able, ok  bool
		want      Shard
	}{
		{"one without an owner", free, Shard{7, "", 3, "b"}, true, true, Shard{7, "b", 4, "b"}},
		{"one that is to move", owned, Shard{7, "a", 3, "b"}, true, true, Shard{7, "a", 3, "b"}},
		{"to a node that is not registered", free, Shard{7, "", 3, "b"}, false, false, free},
		{"to none", owned, Shard{7, "a", 3, ""}, false, true, Shard{7, "a", 3, ""}},
		{"one without an owner, to none", free, Shard{7, "", 3, ""}, false, true, free},
		{"for another epoch", owned, Shard{7, "a", 2, "b"}, true, false, owned},
		{"for another owner", owned, Shard{7, "c", 3, "b"}, true, false, owned},
	} {
		if got, ok := tt.row.Assign(tt.plan, tt.able); ok != tt.ok || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, got, ok)
		}
	}
}

func TestHandOver(t *testing.T) {
	row := Shard{7, "a", 3, "b"}
	if got, ok := row.HandOver("a", 3, "b"); !ok || got != (Shard{7, "b", 4, "b"}) {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := row.HandOver("a", 2, "b"); ok {
		t.Error("an old epoch was accepted")
	}
	if _, ok := row.HandOver("b", 3, "b"); ok {
		t.Error("a node gave what it does not own")
	}
	if got, ok := row.Abandon("a"); !ok || got != (Shard{7, "", 4, "b"}) {
		t.Errorf("abandoned: %+v, %v", got, ok)
	}
	if _, ok := row.Abandon("b"); ok {
		t.Error("a node abandoned what it does not own")
	}
	if err := HandedOver(3, 3); err != nil {
		t.Error(err)
	}
	wantKind(t, HandedOver(2, 3), tandem.Conflict)
	for _, tt := range []struct {
		node  Node
		from  string
		takes bool
	}{
		{Node{ID: "b", Session: 2, Alive: true}, "a", true},
		{Node{ID: "b", Session: 1, Alive: true}, "a", false},
		{Node{ID: "b", Session: 2}, "a", false},
		{Node{ID: "a", Session: 2}, "a", true},
	} {
		if got := Taker(tt.node, 2, tt.from); got != tt.takes {
			t.Errorf("%+v takes from %s: %v", tt.node, tt.from, got)
		}
	}
}

func TestLeases(t *testing.T) {
	if Alive(noon, noon) || !Alive(noon.Add(1), noon) {
		t.Error("a lease lives until it ends")
	}
	if Buriable(noon, noon.Add(BurialDelay)) || !Buriable(noon, noon.Add(BurialDelay+1)) {
		t.Error("a node can be declared lost after the delay, not before")
	}
	p := Planner{Node: "a", Expires: noon}
	if !p.MayPlan("a", noon.Add(-time.Hour)) || p.MayPlan("b", noon) || !p.MayPlan("b", noon.Add(1)) {
		t.Error("the planner is another than the one with the lease")
	}
}

func TestFence(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fence  Fence
		write  int64 // the session it was submitted in
		row    int64 // the session in the database
		admits bool
		holds  bool
	}{
		{"in no cluster", Fence{}, 0, 0, true, true},
		{"from before the first session", Fence{"a", 1, false}, 0, 1, true, true},
		{"of this session", Fence{"a", 2, false}, 2, 2, true, true},
		{"of an earlier session", Fence{"a", 2, false}, 1, 2, false, true},
		{"of a session that is lost", Fence{"a", 2, true}, 2, 2, false, true},
		{"of a session that is lost unknown to the node", Fence{"a", 2, false}, 2, 3, true, false},
	} {
		if got := tt.fence.Admits(tt.write); got != tt.admits {
			t.Errorf("%s: admitted %v", tt.name, got)
		}
		if got := tt.fence.Holds(tt.row); got != tt.holds {
			t.Errorf("%s: holds %v", tt.name, got)
		}
	}
	wantKind(t, CheckNode(Node{}), tandem.Invalid)
	if err := CheckNode(Node{ID: "a"}); err != nil {
		t.Error(err)
	}
}

func TestBatch(t *testing.T) {
	for _, tt := range []struct{ waiting, alone, want int }{
		{0, -1, 0}, {3, -1, 3}, {MaxBatch + 1, -1, MaxBatch}, {3, 0, 1}, {3, 1, 1}, {3, 2, 2},
		{MaxBatch + 1, MaxBatch, MaxBatch},
	} {
		if got := Batch(tt.waiting, func(i int) bool { return i == tt.alone }); got != tt.want {
			t.Errorf("of %d, %d alone: %d, want %d", tt.waiting, tt.alone, got, tt.want)
		}
	}
}

func TestSeen(t *testing.T) {
	d := Device{Address: "192.0.2.1", Runtime: "r", Boot: 1, Incarnation: 2}
	if got := d.Seen(Sighting{At: noon}); got.Changed != Stamp(noon) || got.Address != d.Address ||
		got.Runtime != "r" || got.Boot != 1 || got.Incarnation != 2 {
		t.Errorf("what was not seen has changed: %+v", got)
	}
	if got := d.Seen(Sighting{Address: "192.0.2.2", Runtime: "s", Boot: 3}); got.Address != "192.0.2.2" ||
		got.Runtime != "s" || got.Boot != 3 || got.Incarnation != 0 {
		t.Errorf("seen: %+v", got)
	}
}

func TestDeploymentSum(t *testing.T) {
	d := Deployment{DeviceCode: "a", AgentCode: "b"}
	d.Sum()
	swapped := Deployment{DeviceCode: "b", AgentCode: "a"}
	swapped.Sum()
	if len(d.SHA) != 64 || d.SHA == swapped.SHA || d.DeviceSHA != swapped.AgentSHA || d.Flagged() ||
		!(Deployment{Flagger: "ann"}).Flagged() {
		t.Errorf("%+v and %+v", d, swapped)
	}
}

func TestKeys(t *testing.T) {
	d := Device{KeyHash: Hash("key")}
	if !d.HasKey("key") || d.HasKey("Key") || d.HasKey("") {
		t.Error("another key than the device's is accepted, or its own is not")
	}
	wantKind(t, Absent("device"), tandem.NotFound)
	wantKind(t, Stale("a", 1), tandem.Conflict)
	wantKind(t, Fenced(), tandem.Conflict)
	wantKind(t, NotRegistered(), tandem.Invalid)
	wantKind(t, NotAlive("a", 1), tandem.Conflict)
}
