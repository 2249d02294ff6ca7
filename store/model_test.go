package store

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// model is what the store should do with agents, in the simplest form.
type model struct {
	record   record.Agent
	snapshot string
}

// answer is what a write comes back with.
type answer struct {
	incarnation uint64
	snapshot    string
	conflict    bool
}

// operation is one random write.
type operation struct {
	what        string
	incarnation uint64
	data        string
	mark        tandem.Mark
}

func (m *model) apply(o operation) (a answer) {
	r := &m.record
	current := o.incarnation == r.Incarnation && r.Incarnation > 0
	switch o.what {
	case "begin":
		r.Incarnation++
		r.Running, m.snapshot = true, ""
		a.incarnation = r.Incarnation
	case "save":
		if a.conflict = !current; current {
			r.Saved, r.Mark = []byte(o.data), o.mark
		}
	case "end", "leave":
		if a.conflict = !current; current {
			r.Running = o.what == "leave"
			m.snapshot = map[string]string{"leave": o.data}[o.what]
		}
	case "take":
		a.snapshot, m.snapshot = m.snapshot, ""
	}
	return a
}

// applyOperation queues an operation.
func (s *Store) applyOperation(id tandem.AgentID, o operation, answered func(answer, error)) {
	done := func(err error) { answered(answer{}, err) }
	switch o.what {
	case "begin":
		s.Begin(id, func(n uint64, err error) { answered(answer{incarnation: n}, err) })
	case "save":
		s.Save(id, o.incarnation, []byte(o.data), o.mark, done)
	case "end":
		s.End(id, o.incarnation, nil, done)
	case "leave":
		s.End(id, o.incarnation, []byte(o.data), done)
	case "take":
		s.TakeSnapshot(id, func(snapshot []byte, err error) { answered(answer{snapshot: string(snapshot)}, err) })
	}
}

// TestModel queues random writes without waiting, so that they share
// transactions, and compares every answer and the records with the model's.
func TestModel(t *testing.T) { onBoth(t, testModel) }

func testModel(t *testing.T, open opener) {
	s := open(t)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		models := map[tandem.AgentID]*model{}
		type pending struct {
			o    operation
			want answer
			got  chan error
		}
		var all []pending
		for range rapid.IntRange(1, 30).Draw(t, "operations") {
			id := tandem.AgentID(fmt.Sprintf("r%08d-a%d", round, rapid.IntRange(0, 2).Draw(t, "agent")))
			m := models[id]
			if m == nil {
				m = &model{record: record.Agent{ID: id}}
				models[id] = m
			}
			o := operation{
				what:        rapid.SampledFrom([]string{"begin", "save", "save", "end", "leave", "take"}).Draw(t, "what"),
				incarnation: m.record.Incarnation - rapid.SampledFrom([]uint64{0, 0, 0, 1}).Draw(t, "stale"),
				data:        rapid.StringN(1, 20, -1).Draw(t, "data"),
				mark:        tandem.Mark{Boot: rapid.Uint64().Draw(t, "boot"), Seq: rapid.Uint64().Draw(t, "seq")},
			}
			p := pending{o: o, want: m.apply(o), got: make(chan error, 1)}
			s.applyOperation(id, o, func(a answer, err error) {
				if a.conflict = tandem.KindOf(err) == tandem.Conflict; err != nil && !a.conflict || a != p.want {
					p.got <- fmt.Errorf("%+v gave %+v, %v; want %+v", o, a, err, p.want)
				}
				close(p.got)
			})
			all = append(all, p)
		}
		for _, p := range all {
			if err := <-p.got; err != nil {
				t.Error(err)
			}
		}
		for id, m := range models {
			got, err := s.Record(t.Context(), id)
			got.Changed = m.record.Changed
			if err != nil || !reflect.DeepEqual(got, m.record) {
				t.Errorf("record %+v, %v; want %+v", got, err, m.record)
			}
		}
	})
}
