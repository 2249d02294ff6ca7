package rehearsal

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// perform does what the life wants done.
func (w *World) perform(effects []life.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *life.Answer:
			w.outside.answered(w, w.give(e.Token).call, e.Response, e.Err)
		case *life.AnswerAway:
			w.outside.answered(w, e.Origin.ID, e.Response, e.Err)
		case *life.Handled:
			w.after(0, handledAt(w.give(e.Token)))
		case *life.Forget:
			w.give(e.Token)
		case *life.Log:
			w.line(e.Type, e.Msg, e.Where)
		case *life.Restarted, *life.Report, *life.Over, *life.Arrived, *life.Froze:
		default:
			w.performLink(e)
		}
	}
}

func (w *World) performLink(e life.Effect) {
	h := &w.host
	switch e := e.(type) {
	case *life.UseLink:
		if h.coming != nil {
			h.link, h.coming = h.coming, nil
		}
	case *life.CloseLink:
		if h.link != nil {
			w.endConn(h.link, e.Why)
		}
	case *life.DropLink:
		h.link = nil
	case *life.Send:
		if h.link == nil || !w.sendTo(h.link, e.Topic, e.Message) {
			h.inbox = append([]arrival{{event: &life.NotSent{Post: e.Message.Post}}}, h.inbox...)
		}
	case *life.Stopped:
		h.door.Shut(h.life.Gone())
	case *life.Left:
		w.depart(e.Moved)
	case *life.Stayed:
		h.door.Open()
	default:
		w.performOutside(e)
	}
}

func (w *World) performOutside(e life.Effect) {
	cause := w.host.life.Number()
	switch e := e.(type) {
	case *life.Fetch:
		w.outside.fetch(w, e.Incarnation, e.ID, e.Fetch, false)
	case *life.Upload:
		w.outside.fetch(w, e.Incarnation, e.ID, e.Fetch, true)
	case *life.Chunk:
		w.outside.chunk(w, e.ID, e.Data)
	case *life.ChunksEnd:
		w.outside.chunksEnd(w, e)
	case *life.CancelFetch:
		w.outside.cancel(e.ID)
	case *life.CancelAway:
		w.outside.cancel(e.Ref.ID)
	case *life.HandOn: // who makes the request goes on
	case *life.ConnectMQTT:
		w.after(20*time.Millisecond, outcome{w.host.run, cause, &life.MQTT{Conn: e.Conn, Event: &agent.MQTTConnected{
			ID: e.Connect.ID, Code: -1, Why: "there is no broker in a rehearsal",
		}}})
	case *life.DoMQTT, *life.CloseMQTT:
	case *life.LoadAgent, *life.LoadProgram, *life.LoadDevice, *life.LoadPosts:
		w.after(readTime, storeOp{w.host.run, cause, e})
	default:
		w.after(commitTime, storeOp{w.host.run, cause, e})
	}
}

// storeOp is a read or a write of the store at the moment at which it takes place.
type storeOp struct {
	run, cause uint64
	effect     life.Effect
}

// errAway is what the node is told while the store refuses everything.
var errAway = tandem.Errorf(tandem.Unavailable, "the store cannot be reached")

func (e storeOp) happen(w *World) {
	h := &w.host
	if h.run != e.run || !h.up {
		return // the process ended before
	}
	if ev := w.write(e.effect); ev != nil {
		w.after(0, outcome{e.run, e.cause, ev})
	}
}

// ask performs an operation, which is not a write of an agent.
func (w *World) ask(op twin.Op) (any, error) {
	h := &w.host
	if h.away > w.now {
		return nil, errAway
	}
	number, err := h.store.Submit(w.hostNow().Wall, op)
	if err != nil {
		return nil, err
	}
	a := h.store.Perform(w.wall(), number, twin.Done).Answers[0]
	return a.Value, a.Err
}

// commit makes a transaction of one write of an agent.
func (w *World) commit(op twin.Op) (any, error) {
	h := &w.host
	if h.away > w.now {
		return nil, errAway
	}
	if _, err := h.store.Submit(w.hostNow().Wall, op); err != nil {
		return nil, err
	}
	a := h.store.Commit(w.wall(), 1, twin.Done).Answers[0]
	return a.Value, a.Err
}

// write makes the write that an effect wants, and returns its outcome; nil for none.
func (w *World) write(e life.Effect) life.Event {
	switch e := e.(type) {
	case *life.Begin:
		v, err := w.commit(twin.Begin{Agent: AgentID})
		number, _ := v.(uint64)
		return &life.Begun{ID: e.ID, Incarnation: number, Err: err}
	case *life.Save:
		_, err := w.commit(twin.Save{Agent: AgentID, Incarnation: e.Incarnation, Table: e.Table, Mark: e.Mark})
		return &life.Saved{ID: e.ID, Err: err}
	case *life.Quarantine:
		_, err := w.commit(twin.Quarantine{Agent: AgentID, Incarnation: e.Incarnation, Code: e.Code})
		return &life.QuarantineKept{Err: err}
	case *life.KeepPost:
		v, err := w.commit(twin.Post{Agent: AgentID, Incarnation: e.Incarnation, Post: e.Post})
		seq, _ := v.(uint64)
		return &life.Posted{ID: e.ID, Seq: seq, Err: err}
	case *life.ForgetPost:
		_, err := w.commit(twin.Handled{Agent: AgentID, Seq: e.Seq})
		return &life.PostForgotten{Seq: e.Seq, Err: err}
	case *life.TakeSnapshot:
		v, err := w.commit(twin.TakeSnapshot{Agent: AgentID})
		data, _ := v.([]byte)
		return &life.SnapshotTaken{ID: e.ID, Data: data, Err: err}
	case *life.Seen:
		_, err := w.commit(twin.Seen{Device: DeviceID, Sighting: e.Sighting})
		if e.ID == 0 { // without it a start may be logged twice
			return nil
		}
		return &life.SeenKept{ID: e.ID, Err: err}
	}
	return w.read(e)
}

// read makes the read that an effect wants, and returns its outcome.
func (w *World) read(e life.Effect) life.Event {
	program := &w.cfg.Pair.program
	switch e := e.(type) {
	case *life.LoadAgent:
		v, err := w.ask(twin.Record{Agent: AgentID})
		rec, _ := v.(record.Agent)
		return &life.AgentLoaded{ID: e.ID, Record: rec, Err: err, Group: group, Program: program}
	case *life.LoadProgram:
		return &life.ProgramLoaded{ID: e.ID, Group: group, Program: program}
	case *life.LoadDevice:
		v, err := w.ask(twin.Device{Device: DeviceID})
		d, _ := v.(record.Device)
		peer := life.Peer{Known: d.Boot != 0, Boot: d.Boot, Incarnation: d.Incarnation, Heard: d.Heard}
		return &life.DeviceLoaded{ID: e.ID, Peer: peer, Err: err}
	case *life.LoadPosts:
		v, err := w.ask(twin.Posts{Agent: AgentID})
		posts, _ := v.([]record.Post)
		return &life.PostsLoaded{ID: e.ID, Posts: posts, Err: err}
	}
	w.broken("the life wants %T", e)
	return nil
}

// depart takes the pair along to another node.
func (w *World) depart(m *life.Moved) {
	h := &w.host
	if m == nil {
		return
	}
	h.door.Depart(m)
	h.onWay = true
	w.after(moveTime, arriveThere{h.run, m})
}

// arriveThere is the moment at which a pair that has left is at its next node.
type arriveThere struct {
	run   uint64
	moved *life.Moved
}

func (e arriveThere) happen(w *World) {
	h := &w.host
	if h.run != e.run || !h.up {
		return
	}
	program := func(string) (*life.Program, error) { return &w.cfg.Pair.program, nil }
	l, _, err := life.Arrive(&h.cfg, w.hostNow(), e.moved, program)
	if err != nil {
		w.broken("the pair cannot be taken up: %v", err)
		return
	}
	late, coming := h.inbox, h.coming
	h.newLife(l)
	if ref := e.moved.Link; ref != nil {
		h.link = w.connOfRef(*ref)
	}
	h.coming = coming
	// What the gateway has not heard of it says again, as it does to a new owner.
	h.inbox = append([]arrival{{event: &life.GoOn{Why: tandem.ReasonBalance}}}, w.unheard(late)...)
	h.inbox = append(h.inbox, late...)
	w.runLife()
}
