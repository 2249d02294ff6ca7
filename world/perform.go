package world

import (
	"cmp"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// perform does what a life wants done. Reads of the store take time here, which a
// real host gives them as well, but with the pair standing still.
func (p *pair) perform(effects []life.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *life.Answer:
			p.give(e.Token).wait(e.Response, e.Err)
		case *life.AnswerAway:
			p.n.answerAway(e.Origin, e.Response, e.Err)
		case *life.Handled:
			p.give(e.Token).done()
		case *life.Forget:
			p.give(e.Token)
		case *life.UseLink:
			if p.coming != nil {
				p.link, p.coming = p.coming, nil
			}
		case *life.CloseLink:
			if p.link != nil {
				p.link.Close(e.Why)
			}
		case *life.DropLink:
			p.link = nil
		case *life.Send:
			if p.link == nil || !p.link.Send(e.Topic, e.Message) {
				p.queue = append([]arrival{{event: &life.NotSent{Post: e.Message.Post}}}, p.queue...)
			}
		case *life.Log:
			if e.Type == tandem.LogStatus && e.Msg == "Agent started." {
				p.watchBegun()
			}
			p.n.line(p.life.Device, e)
		case *life.Report:
			p.n.w.say("%s reports of %s: %s %v", p.n.name, p.life.Agent, e.Msg, e.Err)
		case *life.Restarted:
			p.watchBegun()
			p.n.w.say("%s restarts %s: %s", p.n.name, p.life.Agent, e.Reason)
		case *life.Over, *life.Arrived, *life.Froze:
		default:
			p.performOn(e)
		}
	}
}

func (p *pair) performOn(e life.Effect) {
	switch e := e.(type) {
	case *life.Stopped:
		p.end()
		p.depart(nil, nil)
	case *life.Left:
		if m := e.Moved; m != nil {
			p.door.Depart(m)
			if p.n.pairs[p.life.Agent] == p {
				delete(p.n.pairs, p.life.Agent)
			}
		}
		p.end()
		p.depart(e.Moved, nil)
	case *life.Stayed:
		p.door.Open()
		p.depart(nil, e.Err)
	case *life.End:
		p.end()
		left := p.left
		p.left = nil
		op := twin.End{Agent: p.life.Agent, Incarnation: e.Incarnation, Snapshot: e.Data}
		p.n.write(op, func(any, error) {
			for _, f := range left {
				f(nil, nil)
			}
		})
	default:
		p.performStore(e)
	}
}

// end lets go of what the shell of a life that has ended here has.
func (p *pair) end() { p.door.Shut(p.life.Gone()) }

// depart tells who asked the pair to leave or to stop how that went.
func (p *pair) depart(m *life.Moved, err error) {
	left := p.left
	p.left = nil
	for _, f := range left {
		f(m, err)
	}
}

func (p *pair) performStore(e life.Effect) {
	n, agent, cause := p.n, p.life.Agent, p.life.Number()
	outcome := func(ev life.Event) {
		if !p.lost {
			p.bring(arrival{event: ev, cause: cause})
		}
	}
	switch e := e.(type) {
	case *life.Begin:
		n.write(twin.Begin{Agent: agent}, func(v any, err error) {
			number, _ := v.(uint64)
			outcome(&life.Begun{ID: e.ID, Incarnation: number, Err: err})
		})
	case *life.Save:
		n.write(twin.Save{Agent: agent, Incarnation: e.Incarnation, Table: e.Table, Mark: e.Mark}, func(_ any, err error) {
			outcome(&life.Saved{ID: e.ID, Err: err})
		})
	case *life.Quarantine:
		n.write(twin.Quarantine{Agent: agent, Incarnation: e.Incarnation, Code: e.Code}, func(_ any, err error) {
			outcome(&life.QuarantineKept{Err: err})
		})
	case *life.KeepPost:
		n.write(twin.Post{Agent: agent, Incarnation: e.Incarnation, Post: e.Post}, func(v any, err error) {
			seq, _ := v.(uint64)
			outcome(&life.Posted{ID: e.ID, Seq: seq, Err: err})
		})
	case *life.ForgetPost:
		n.write(twin.Handled{Agent: agent, Seq: e.Seq}, func(_ any, err error) {
			outcome(&life.PostForgotten{Seq: e.Seq, Err: err})
		})
	case *life.TakeSnapshot:
		n.write(twin.TakeSnapshot{Agent: agent}, func(v any, err error) {
			data, _ := v.([]byte)
			outcome(&life.SnapshotTaken{ID: e.ID, Data: data, Err: err})
		})
	case *life.Seen:
		n.write(twin.Seen{Device: p.life.Device, Sighting: e.Sighting}, func(_ any, err error) {
			if e.ID != 0 {
				outcome(&life.SeenKept{ID: e.ID, Err: err})
			}
		})
	default:
		p.read(e, outcome)
	}
}

// read does an effect that reads the store.
func (p *pair) read(e life.Effect, outcome func(life.Event)) {
	n, agent := p.n, p.life.Agent
	switch e := e.(type) {
	case *life.LoadAgent:
		n.read(twin.Record{Agent: agent}, func(v any, err error) {
			rec, _ := v.(record.Agent)
			n.withProgram(func(program *life.Program, unread error) {
				err := cmp.Or(err, unread)
				outcome(&life.AgentLoaded{ID: e.ID, Record: rec, Err: err, Group: "group", Program: program})
			})
		})
	case *life.LoadProgram:
		n.after(n.jitter(), func() {
			n.withProgram(func(program *life.Program, err error) {
				outcome(&life.ProgramLoaded{ID: e.ID, Group: "group", Program: program, Err: err})
			})
		})
	case *life.LoadDevice:
		n.read(twin.Device{Device: p.life.Device}, func(v any, err error) {
			d, _ := v.(record.Device)
			peer := life.Peer{Known: d.Boot != 0, Boot: d.Boot, Incarnation: d.Incarnation, Heard: d.Heard}
			outcome(&life.DeviceLoaded{ID: e.ID, Peer: peer, Err: err})
		})
	case *life.LoadPosts:
		n.read(twin.Posts{Agent: agent}, func(v any, err error) {
			posts, _ := v.([]record.Post)
			outcome(&life.PostsLoaded{ID: e.ID, Posts: posts, Err: err})
		})
	default:
		unknown(e)
	}
}

// line is a line of a log, and the run of the node that has it.
type line struct {
	tandem.LogEntry
	at protocol.Peer
}

// line appends a line to a device's log.
func (n *node) line(id tandem.DeviceID, e *life.Log) {
	if n.w.agentOf(id) == "" {
		return // only the logs of devices are looked at
	}
	entry := tandem.LogEntry{
		Device: id, TS: e.TS, Type: e.Type, Msg: e.Msg, Clock: uint64(n.clock.Now()), Where: e.Where, Written: e.Written,
	}
	n.newest = entry.Clock
	n.w.log[id] = append(n.w.log[id], line{entry, n.self})
	if n.w.cfg.Trace && e.Type != tandem.LogAgent && e.Type != tandem.LogDevice {
		n.w.say("%s logs for %s: %s %s", n.name, id, e.Type, e.Msg)
	}
}
