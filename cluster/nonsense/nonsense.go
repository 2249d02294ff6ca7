// Package nonsense makes messages as a hostile node of the cluster would send them, for tests
// and trials.
package nonsense

import (
	"math"
	"math/rand/v2"
	"reflect"

	"github.com/tandem-iot/tandem/cluster/protocol"
)

// Messages returns one of each kind of message and question.
func Messages() (list []protocol.Message) {
	list = []protocol.Message{
		&protocol.Open{}, &protocol.Publish{}, &protocol.Close{}, &protocol.Send{}, &protocol.End{}, &protocol.Ack{},
		&protocol.Closed{}, &protocol.Astray{}, &protocol.Gone{}, &protocol.Request{}, &protocol.Answer{},
		&protocol.Taken{}, &protocol.Empty{}, &protocol.Settled{}, &protocol.Fetched{}, &protocol.Cancel{}, &protocol.Offer{},
		&protocol.Ready{}, &protocol.Decline{}, &protocol.Go{}, &protocol.Stay{}, &protocol.Routes{}, &protocol.Told{},
		&protocol.Line{},
	}
	for _, q := range []protocol.Question{
		&protocol.RestartAgent{}, &protocol.RestartDevice{}, &protocol.Online{}, &protocol.Runs{}, &protocol.Deployed{},
		&protocol.Assigned{}, &protocol.Deleted{}, &protocol.Drain{}, &protocol.History{}, &protocol.Follow{},
		&protocol.Unfollow{},
	} {
		list = append(list, &protocol.Ask{Question: q})
	}
	return list
}

// Maker makes messages with values that are absurd, or almost right.
type Maker struct {
	*rand.Rand
	Texts []string // for strings
}

func (r Maker) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if r.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			r.fill(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				r.fill(v.Field(i))
			}
		}
	case reflect.Slice:
		n := r.IntN(4)
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n = r.IntN(200)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			r.fill(v.Index(i))
		}
	case reflect.Map:
	case reflect.String:
		v.SetString(r.Texts[r.IntN(len(r.Texts))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64, reflect.Int32:
		list := []int64{0, 1, -1, 5, 4095, 4096, math.MinInt64, math.MaxInt64, math.MaxInt32}
		v.SetInt(list[r.IntN(len(list))])
	case reflect.Uint64, reflect.Uint32, reflect.Uint8:
		list := []uint64{0, 1, 2, 255, math.MaxUint64, math.MaxUint64 - 1}
		v.SetUint(list[r.IntN(len(list))])
	case reflect.Float64, reflect.Float32:
		v.SetFloat([]float64{0, -1, math.NaN(), math.Inf(1)}[r.IntN(4)])
	default: // interfaces: the question of an Ask, which is filled apart
	}
}

// Harmless takes out of a message what a node of the cluster may rightly do to others: it
// can end other nodes' runs and take their shards, in the database as well.
func (r Maker) Harmless(m protocol.Message, self protocol.Peer) protocol.Message {
	switch m := m.(type) {
	case *protocol.Offer:
		m.Known = []protocol.Peer{self}
		if r.IntN(2) == 0 {
			m.Epochs = make([]int64, len(m.Shards))
		}
	case *protocol.Routes:
		m.Shards = append(m.Shards[:0], -1, 4096, math.MaxInt)
		m.Epochs = []int64{1, math.MaxInt64, -1}
	case *protocol.Go:
		m.Epochs = make([]int64, len(m.Shards))
	case *protocol.Taken:
		m.By = self
	case *protocol.Ask:
		switch q := m.Question.(type) {
		case *protocol.Drain:
			q.Undo = true
		case *protocol.Deleted:
			q.Device = "no such device"
		}
	}
	return m
}

// Message makes a message of the kind of another one.
func (r Maker) Message(of protocol.Message, self protocol.Peer) protocol.Message {
	m := reflect.New(reflect.TypeOf(of).Elem())
	r.fill(m.Elem())
	if a, ok := m.Interface().(*protocol.Ask); ok {
		q := reflect.New(reflect.TypeOf(of.(*protocol.Ask).Question).Elem())
		r.fill(q.Elem())
		a.Question = q.Interface().(protocol.Question)
	}
	return r.Harmless(m.Interface().(protocol.Message), self)
}
