package life

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// FuzzArrive damages what travels: it is refused, or is a pair that works.
func FuzzArrive(f *testing.F) {
	for _, m := range departures(f) {
		f.Add(m.State, uint16(0), byte(0))
		f.Add(m.State, uint16(len(m.State)/2), byte(0xff))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16, with byte) {
		data = append([]byte(nil), data...)
		if len(data) > 0 {
			data[int(at)%len(data)] ^= with
		}
		w := newWorld(t)
		w.deploy("g", walkCode, "device")
		w.moved = &Moved{Device: testDevice, Agent: testAgent, Version: version, State: data}
		l, _, err := Arrive(w.cfg, w.now, w.moved, func(string) (*Program, error) { return w.programs["g"], nil })
		if err != nil {
			return
		}
		work(w, l)
	})
}

// work has things happen to a pair. What they come to is not looked at: who can
// write a state can have it say anything.
func work(w *world, l *Life) {
	events := []Event{
		&GoOn{Why: tandem.ReasonBalance}, &Request{Token: 1, Number: 1 << 40, Request: &tandem.Request{Path: "/save"}},
		&Linked{Ref: tandem.LinkRef{ID: 7}}, &Said{Topic: "sys/hello", Data: []byte(`{"boot":1,"incarnation":1,"code":"x"}`)},
		&Message{Token: 2, Seq: 1, Message: tandem.Message{Name: "act", Data: []byte(`"post"`)}}, &Again{Token: 3, Seq: 1},
		&Tick{}, &Restart{tandem.ReasonRestart}, &NodeLost{Node: "n0"}, &Unlinked{Ref: tandem.LinkRef{ID: 7}}, &Tick{},
		&MQTT{Conn: 1, Event: &agent.MQTTLost{}}, &Reload{"g", "d"}, &Refuse{},
		&Leave{Node: "n", Patience: time.Second}, &Stop{},
	}
	for len(events) > 0 {
		effects := l.Take(w.now, 0, events[0])
		events = events[1:]
		for range 200 {
			for _, e := range effects {
				w.performStore(e)
			}
			for len(w.outcomes) > 0 {
				ev := w.outcomes[0]
				w.outcomes = w.outcomes[1:]
				for _, e := range l.Take(w.now, 0, ev) {
					w.performStore(e)
				}
			}
			if !l.Ready() {
				break
			}
			effects = l.Advance(w.now)
		}
		w.jump(11 * time.Second)
		l.Deadline(w.now)
	}
}

// departures are pairs that have left in several states.
func departures(t rapid.TB) (list []*Moved) {
	for _, acts := range [][]string{
		{}, {"nothing"}, {"sleep", "nothing", "save"}, {"fetch", "pieces", "sync", "post"}, {"mqtt", "upload", "park"},
		{"throw", "throw"}, {"told"},
	} {
		w := newWalker(t, allActs)
		if len(acts) > 0 {
			w.link(1, 1)
		}
		for i, act := range acts {
			w.requests++
			n := w.requests
			r := &Request{Token: w.newToken("request"), Number: n, Request: &tandem.Request{Path: "/" + act}}
			r.Origin = tandem.Origin{Node: "n2", ID: n}
			w.take(r)
			w.message(1, uint64(i)+1, tandem.Message{Name: "act", Data: []byte(`"post"`), Post: 1})
		}
		if !w.leave(0) {
			t.Fatal("a pair does not leave")
		}
		list = append(list, w.moved)
	}
	return list
}

// TestArriveDamaged has states arrive that are well-formed, and in which one thing
// or another is not as it can be.
func TestArriveDamaged(t *testing.T) {
	whole := departures(t)
	rapid.Check(t, func(t *rapid.T) {
		m := *rapid.SampledFrom(whole).Draw(t, "pair")
		var s state
		if err := decoding.Unmarshal(m.State, &s); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			damage(t, &s)
		}
		var err error
		if m.State, err = encoding.Marshal(&s); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		w.deploy("g", walkCode, "device")
		l, _, err := Arrive(w.cfg, w.now, &m, func(string) (*Program, error) { return w.programs["g"], nil })
		if err == nil {
			work(w, l)
		}
	})
}

// damage changes one thing in a state.
func damage(t *rapid.T, s *state) {
	n := rapid.Int64Range(-1<<62, 1<<62).Draw(t, "n")
	it := item{seq: uint64(n) % 3, request: uint64(n) % 2}
	if kind := rapid.IntRange(0, len(events)-1).Draw(t, "kind"); kind != 0 {
		it.event = reflect.New(reflect.TypeOf(events[kind]).Elem()).Interface().(agent.Event)
		if r, ok := it.event.(*agent.Request); ok {
			r.ID, r.Request = it.request, &tandem.Request{}
		}
	}
	switch rapid.IntRange(0, 13).Draw(t, "what") {
	case 0:
		s.Phase = phase(uint64(n) % 10)
	case 1:
		s.Handling = !s.Handling
	case 2:
		s.Current = it
	case 3:
		s.Inbox = append(s.Inbox, it)
	case 4:
		s.Unread = append(s.Unread, it)
	case 5:
		s.Result = &it
	case 6:
		s.Requests = append(s.Requests, s.Requests...) // twice
	case 7:
		s.Requests = append(s.Requests, &pending{Number: 1, Since: instant(n)})
	case 8:
		s.Packed = s.Packed[:len(s.Packed)*int(uint64(n)%3)/3]
	case 9:
		s.Crashes = int(n)
	case 10:
		at := s.instants()
		*at[int(uint64(n)%uint64(len(at)))] = instant(n)
	case 11:
		s.Alarm, s.Ringing = begin.Add(time.Duration(n)), begin.Add(-time.Duration(n))
	case 12:
		s.Fetches = append(s.Fetches, fetching{ID: uint64(n) % 4}, fetching{Node: "n", ID: 1})
	case 13:
		s.Hearing = append(s.Hearing, said{Topic: "sys/hello"}, said{Message: &tandem.Message{}})
	}
}

// TestCheckState: what cannot be is refused, and what can be is not.
func TestCheckState(t *testing.T) {
	handled := item{event: &agent.Handled{Seq: 1}}
	request := item{event: &agent.Request{ID: 3}, request: 3}
	for name, c := range map[string]struct {
		state state
		good  bool
	}{
		"absent":                      {state{}, true},
		"absent with a machine":       {state{Packed: []byte{1}}, false},
		"live":                        {state{Phase: live, Packed: []byte{1}}, true},
		"live without a machine":      {state{Phase: live}, false},
		"frozen without a machine":    {state{Phase: frozen}, false},
		"delayed":                     {state{Phase: delayed, StartAt: 1}, true},
		"delayed for ever":            {state{Phase: delayed}, false},
		"loading":                     {state{Phase: loading}, false},
		"stopped":                     {state{Phase: stopped}, false},
		"an outcome":                  {state{Phase: live, Packed: []byte{1}, Result: &handled}, true},
		"an outcome of nothing":       {state{Phase: live, Packed: []byte{1}, Result: &item{}}, false},
		"an outcome without machine":  {state{Phase: frozen, Packed: []byte{1}, Result: &handled}, false},
		"fewer than no crashes":       {state{Crashes: -1}, false},
		"requests":                    {state{Requests: []*pending{{Number: 1}, {Number: 2}}}, true},
		"a request twice":             {state{Requests: []*pending{{Number: 1}, {Number: 1}}}, false},
		"a request without a number":  {state{Requests: []*pending{{}}}, false},
		"no request":                  {state{Requests: []*pending{nil}}, false},
		"events":                      {state{Inbox: []item{handled, request}, Unread: []item{handled}}, true},
		"no event":                    {state{Inbox: []item{{}}}, false},
		"a boot":                      {state{Unread: []item{{event: &agent.Boot{}}}}, false},
		"a request with another's id": {state{Inbox: []item{{event: &agent.Request{ID: 3}, request: 4}}}, false},
		"a message with a request":    {state{Inbox: []item{{event: &agent.Handled{}, request: 4}}}, false},
		"the end of a fetch":          {state{Inbox: []item{{event: &agent.Fetched{Response: &tandem.Response{}}}}}, true},
		"no response":                 {state{Inbox: []item{{event: &agent.Fetched{}}}}, false},
	} {
		l := &Life{state: c.state}
		if err := l.checkState(); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
