package core

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/spool"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/store/record"
)

// forkCode posts what is different in each run of each directory.
const forkCode = `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 1);
local n = 0;
function next() {
    server.log("line " + n);
    agent.send("sent", n);
    local text = hardware.lightlevel() + "." + tandem.incarnation() + "." + ++n;
    if (tandem.post("own", text) != 0) server.error("not posted");
    if (n < 3) imp.wakeup(0.5, next);
}
next();`

// judge is a server that takes messages by their numbers, as an agent does, and looks at
// hello as the node does.
type judge struct {
	w       *world
	heard   record.Boot
	mark    tandem.Mark
	refused bool
	forks   int
	handled []string // posts
	posted  []string // on some disk
	sends   int      // that were taken
	lines   tandem.Mark
	logged  int
}

func newJudge(t testing.TB, seed uint64) *judge {
	w := newWorld(t)
	w.cfg.Chance = rand.New(rand.NewPCG(seed, 9)).Uint64N
	w.install(forkCode)
	j := &judge{w: w}
	w.server.refuses = j.refuses
	w.wrote = j.wrote
	return j
}

// wrote takes note of the posts that are on the disk.
func (j *judge) wrote(e Effect) {
	w, ok := e.(*WriteAt)
	number, isSegment := SegmentNumber(fileOf(w, ok))
	if !isSegment || !w.Flush {
		return
	}
	for used := 0; ; {
		f, ok := spool.Next(w.Data[used:], number, w.Offset+int64(used))
		if !ok {
			return
		}
		used += f.End
		if k, ok := decodePost(f.Record); ok && f.Kind == recordPost {
			if text := jsonOf(k.Data, true); !slices.Contains(j.posted, text) {
				j.posted = append(j.posted, text)
			}
		}
	}
}

// refuses takes a message, or reports that nothing is taken of the connection.
func (j *judge) refuses(m *agentView) bool {
	if m.topic == "sys/hello" {
		j.hello(m.payload)
	}
	switch {
	case j.refused:
		return true
	case strings.HasPrefix(m.topic, "agent/") && m.mark.After(j.mark):
		j.mark = m.mark
		if m.post {
			j.handled = append(j.handled, m.payload)
		} else {
			j.sends++
		}
	case m.topic == "log" && m.mark.After(j.lines):
		j.lines = m.mark
		j.logged++
	}
	return false
}

func (j *judge) hello(payload string) {
	var h hello
	if err := json.Unmarshal([]byte(payload), &h); err != nil {
		j.w.t.Fatal(err)
	}
	claim := record.BootClaim{
		Boot:  record.Boot{Number: h.Boot, ID: h.ID, Installation: h.Installation},
		Heard: record.Boot{Number: h.Heard.Boot, ID: h.Heard.ID},
	}
	for _, b := range h.Unheard {
		claim.Unheard = append(claim.Unheard, record.Boot{Number: b.Boot, ID: b.ID})
	}
	j.refused = j.heard.Judge(claim) == record.Forked
	if !j.refused {
		j.heard = claim.Boot
		return
	}
	j.forks++
	s := &j.w.server
	s.batch = true
	s.say("sys/numbers", encode(bootName{j.heard.Number, j.heard.ID}))
	s.batch = false
	s.disconnect(mqtt.AdministrativeAction, "")
}

// off takes the power and returns a copy of the directory.
func (j *judge) off() Memory {
	j.w.cutPower(nil)
	return j.w.disk.Clone()
}

// use switches the device on with a directory. Each has a number of its own.
func (j *judge) use(disk Memory, number int) {
	j.w.disk = disk.Clone()
	j.w.install(forkCode)
	j.w.board.Drive("lightlevel", float64(number))
	j.w.on()
}

// after fails unless all that was posted is handled, what was posted first before the rest;
// repeats is how many may be handled twice.
func (j *judge) after(repeats int) {
	t := j.w.t
	t.Helper()
	first := slices.Clone(j.handled)
	for i := len(first) - 1; i > 0; i-- {
		if slices.Contains(first[:i], first[i]) {
			first = slices.Delete(first, i, i+1)
		}
	}
	if twice := len(j.handled) - len(first); twice > repeats {
		t.Errorf("%d posts were handled twice, %d may be: %v", twice, repeats, j.handled)
	}
	lost := slices.DeleteFunc(slices.Clone(j.posted), func(p string) bool { return slices.Contains(first, p) })
	if len(lost) > 0 {
		t.Errorf("%v were posted and never handled; handled were %v", lost, j.handled)
	}
}

// stories are what happens to a directory. Each ends with the device switched on; the power
// goes during what follows.
var stories = map[string]struct {
	do      func(j *judge)
	repeats int // how many posts may be handled twice: those that the directory did not know to be handled
	forks   int // at least
}{
	"lost": {do: func(j *judge) {
		j.use(Memory{}, 1)
		j.w.pass(time.Minute)
		j.off()
		j.use(Memory{}, 2)
	}, forks: 1},
	"lost before anything was sent": {do: func(j *judge) {
		j.w.net = "down"
		j.use(Memory{}, 1)
		j.w.pass(time.Minute)
		j.off()
		j.posted = nil // it is gone with the directory
		j.use(Memory{}, 2)
	}},
	"restored": {do: func(j *judge) {
		j.use(Memory{}, 1)
		j.w.pass(time.Minute)
		old := j.off()
		for range 3 {
			j.use(j.w.disk, 1)
			j.w.pass(time.Minute)
			j.off()
		}
		j.use(old, 2)
	}, forks: 1},
	"restored, and what it kept was handled since": {do: func(j *judge) {
		j.w.net = "down"
		j.use(Memory{}, 1)
		j.w.pass(time.Minute)
		old := j.off()
		j.w.net = "up"
		j.use(old, 2)
		j.w.pass(time.Minute)
		j.off()
		j.use(old, 3)
	}, repeats: 3, forks: 1},
	"copied": {do: func(j *judge) {
		j.use(Memory{}, 1)
		j.w.pass(time.Minute)
		a := j.off()
		b := a
		for i := range 3 {
			j.use(b, 10+i)
			j.w.pass(time.Minute)
			b = j.off()
			j.use(a, 20+i)
			j.w.pass(time.Minute)
			a = j.off()
		}
		j.use(b, 30)
	}, forks: 6},
	"counters lost": {do: func(j *judge) {
		j.use(Memory{}, 1)
		j.w.pass(time.Minute)
		j.w.net = "down"
		j.off()
		j.use(j.w.disk, 2)
		j.w.pass(time.Minute)
		j.off()
		j.w.disk.Do(&RemoveFile{Name: countersFile})
		j.use(j.w.disk, 3)
	}, forks: 1},
	"renumbered twice without a link between": {do: func(j *judge) {
		j.w.net = "down"
		j.use(Memory{}, 1)
		j.w.pass(time.Minute)
		old := j.off()
		j.w.net = "up"
		j.use(Memory{}, 2)
		j.w.pass(time.Minute)
		other := j.off()
		j.w.net = "down"
		j.use(old, 3)
		j.w.pass(time.Minute)
		j.w.net = "up"
		j.refuseOnce()
		j.w.pass(time.Minute)
		old = j.off()
		j.w.net = "up"
		j.use(other, 4)
		j.w.pass(time.Minute)
		j.off()
		j.use(old, 5)
	}, forks: 2},
}

// refuseOnce has the next connection end when the device has been told of higher numbers.
func (j *judge) refuseOnce() {
	refuses := j.w.server.refuses
	j.w.server.refuses = func(m *agentView) bool {
		refused := refuses(m)
		if refused {
			j.w.net = "down"
			j.w.server.refuses = refuses
		}
		return refused
	}
}

// TestForks: whatever happened to a directory, and wherever the power goes then, what was
// posted is handled.
func TestForks(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			plain := newJudge(t, 1)
			story.do(plain)
			plain.w.net = "up"
			plain.w.ops = 0
			plain.w.pass(5 * time.Minute)
			plain.after(story.repeats)
			if plain.forks < story.forks {
				t.Errorf("%d forks were seen, at least %d were meant", plain.forks, story.forks)
			}
			for op := 1; op <= plain.w.ops; op++ {
				for _, kept := range []uint64{0, 1} { // all of what was not flushed, and nothing
					j := newJudge(t, 1)
					story.do(j)
					j.w.net = "up"
					j.w.ops = 0
					j.w.cut = func(n int) bool { return n == op }
					j.w.chance = func(n uint64) uint64 { return min(kept, n-1) }
					j.w.pass(5 * time.Minute)
					if j.w.core == nil {
						j.w.cut = nil
						j.w.on()
						j.w.pass(5 * time.Minute)
					}
					j.after(story.repeats)
					if t.Failed() {
						t.Fatalf("operation %d, %d\n%s", op, kept, j.w.out.String())
					}
				}
			}
			if t.Failed() {
				t.Log(plain.w.out.String())
			}
		})
	}
}

// TestCauseOfOldNode: what is known of causes does not go back by a start, when no node has said
// whose posts they are, and the entry with the newest is lost.
func TestCauseOfOldNode(t *testing.T) {
	file := copies{name: stateFile, size: stateSize}
	data, _, _ := file.next(encode(durable{cause: cause{Cause: 7, Nth: 2}}))
	var c Core
	c.load(Contents{
		Files:   []File{{Name: stateFile, Data: data}},
		Journal: []*Segment{{number: 1, size: segmentSize, cause: cause{Cause: 3, Nth: 1}}},
	})
	if got := c.disk.state.cause; got != (cause{Cause: 7, Nth: 2}) {
		t.Errorf("%+v", got)
	}
}
