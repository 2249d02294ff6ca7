package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// perform carries out a life's effects, in order.
func (p *pair) perform(effects []life.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *life.Answer:
			p.tokens.take(e.Token).wait.finish(e.Response, e.Err)
		case *life.Handled:
			p.tokens.take(e.Token).done()
		case *life.Forget:
			if f := p.tokens.take(e.Token); f.always {
				f.done()
			}
		case *life.Log:
			p.host.Log.Append(tandem.LogEntry{
				Device: p.device, TS: e.TS, Type: e.Type, Msg: e.Msg, Where: e.Where, Mark: e.Mark,
			})
		case *life.Send:
			p.send(e)
		case *life.AnswerAway:
			p.host.others.Answered(e.Origin, e.Response, e.Err)
		default:
			p.performOn(e)
		}
	}
}

// performOn carries out the rarer effects.
func (p *pair) performOn(e life.Effect) {
	switch e := e.(type) {
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
	case *life.Over:
		p.host.counts.over.Add(e.Limit, int64(e.Times))
	case *life.Restarted:
		p.host.counts.restarts.Add(string(e.Reason), 1)
	case *life.Arrived:
		p.host.counts.moves.Add(string(e.Why), 1)
	case *life.Froze:
		p.host.frozeArena(p.life.Arena())
	case *life.Report:
		if life.IsFault(e.Err) {
			p.host.counts.faults.Add(1)
		}
		level := slog.LevelWarn
		if e.Bad {
			level = slog.LevelError
		}
		p.host.Logger.Log(context.Background(), level, e.Msg, "agent", p.agent, "device", p.device, "err", e.Err)
	case *life.Stopped:
		p.end()
		p.depart(departure{})
	case *life.Left:
		p.leave(e.Moved)
	case *life.Stayed:
		p.box.open()
		p.depart(departure{err: e.Err})
	case *life.Fetch:
		p.fetch(e)
	case *life.Upload:
		p.upload(e)
	case *life.Chunk:
		p.calls[e.ID].add(e.Data)
	case *life.ChunksEnd:
		p.calls[e.ID].end(e.Timeout, e.Stream)
	case *life.CancelFetch:
		p.cancelFetch(e.ID)
	case *life.CancelAway:
		p.host.others.CancelFetch(e.Ref)
	case *life.HandOn:
		p.handOn(e.Ref)
	case *life.ConnectMQTT:
		p.connectMQTT(e)
	case *life.DoMQTT:
		p.doMQTT(e)
	case *life.CloseMQTT:
		p.closeMQTT(e.Conn)
	default:
		p.performStore(e)
	}
}

// send sends a message over the device's link.
func (p *pair) send(e *life.Send) {
	if p.link == nil || !p.link.Send(e.Topic, e.Message) {
		p.soon = append(p.soon, arrival{event: &life.NotSent{Post: e.Message.Post}, cause: p.life.Number()})
		return
	}
	if e.Message.Incarnation != 0 {
		p.host.counts.toDevice.Add(1)
	}
}

// performStore carries out effects on the store. The outcome of a read is known at once.
func (p *pair) performStore(e life.Effect) {
	cause := p.life.Number()
	outcome := func(ev life.Event) { p.bring(arrival{event: ev, cause: cause}) }
	switch e := e.(type) {
	case *life.Begin:
		p.host.Store.Begin(p.agent, func(n uint64, err error) { outcome(&life.Begun{ID: e.ID, Incarnation: n, Err: err}) })
	case *life.Save:
		began := time.Now()
		p.host.Store.Save(p.agent, e.Incarnation, e.Table, e.Mark, func(err error) {
			p.host.counts.saved(began, err)
			p.report("server.save failed", e.Incarnation, err)
			outcome(&life.Saved{ID: e.ID, Err: err})
		})
	case *life.Quarantine:
		p.host.Store.Quarantine(p.agent, e.Incarnation, e.Code, func(err error) {
			p.report("the quarantine of an agent is not kept", e.Incarnation, err)
			outcome(&life.QuarantineKept{Err: err})
		})
	case *life.KeepPost:
		p.host.Store.Post(p.agent, e.Incarnation, &e.Post, func(seq uint64, err error) {
			if tandem.KindOf(err) != tandem.Limit {
				p.report("tandem.post failed", e.Incarnation, err)
			}
			outcome(&life.Posted{ID: e.ID, Seq: seq, Err: err})
		})
	case *life.ForgetPost:
		p.host.Store.Handled(p.agent, e.Seq, func(err error) { outcome(&life.PostForgotten{Seq: e.Seq, Err: err}) })
	case *life.TakeSnapshot:
		p.host.Store.TakeSnapshot(p.agent, func(data []byte, err error) {
			outcome(&life.SnapshotTaken{ID: e.ID, Data: data, Err: err})
		})
	case *life.End:
		p.putToSleep(e)
	case *life.Seen:
		p.host.Store.Seen(p.device, e.Sighting, func(err error) {
			p.report("what was seen of the device is not remembered", 0, err)
			if e.ID != 0 {
				outcome(&life.SeenKept{ID: e.ID, Err: err})
			}
		})
	default:
		p.soon = append(p.soon, arrival{event: p.read(e), cause: cause})
	}
}

// report logs an error of the store.
func (p *pair) report(what string, incarnation uint64, err error) {
	if err != nil {
		p.host.Logger.Error(what, "agent", p.agent, "device", p.device, "incarnation", incarnation, "err", err)
	}
}

// readWait limits the time of a read of the store.
const readWait = 10 * time.Second

// read carries out an effect that reads the store, and returns the outcome.
func (p *pair) read(e life.Effect) life.Event {
	ctx, cancel := context.WithTimeout(context.Background(), readWait)
	defer cancel()
	defer func() { p.now = p.host.now() }() // the read may have taken long
	switch e := e.(type) {
	case *life.LoadAgent:
		ev := &life.AgentLoaded{ID: e.ID}
		if ev.Record, ev.Err = p.host.Store.Record(ctx, p.agent); ev.Err == nil {
			ev.Group, ev.Program, ev.ProgramErr = p.program(ctx, e.Group, e.Grouped)
		}
		return ev
	case *life.LoadProgram:
		ev := &life.ProgramLoaded{ID: e.ID}
		ev.Group, ev.Program, ev.Err = p.program(ctx, e.Group, e.Grouped)
		return ev
	case *life.LoadDevice:
		d, err := p.host.Store.Device(ctx, p.device)
		peer := life.Peer{Known: d.Boot != 0, Boot: d.Boot, Incarnation: d.Incarnation, Heard: d.Heard}
		return &life.DeviceLoaded{ID: e.ID, Err: err, Peer: peer}
	case *life.LoadPosts:
		list, err := p.host.Store.Posts(ctx, p.agent)
		return &life.PostsLoaded{ID: e.ID, Posts: list, Err: err}
	}
	panic(fmt.Sprintf("host: %T is no effect of a life", e))
}

// program returns the program of the pair's group. It looks the group up unless that is
// known.
func (p *pair) program(ctx context.Context, group string, known bool) (string, *life.Program, error) {
	if !known {
		d, err := p.host.Store.Device(ctx, p.device)
		if err != nil {
			return "", nil, unavailable(err)
		}
		group = d.Group
	}
	pr, err := p.host.programOf(ctx, group)
	if err != nil {
		return group, nil, unavailable(err)
	}
	return group, &pr.Program, nil
}

// unavailable gives a timeout the kind Unavailable, because trying again later can help.
func unavailable(err error) error {
	if timedOut(err) {
		return &tandem.Error{Kind: tandem.Unavailable, Msg: "the store does not answer in time", Err: err}
	}
	return err
}
