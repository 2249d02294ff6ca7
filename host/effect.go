package host

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// do has one effect happen.
func (p *pair) do(e agent.Effect) {
	switch e := e.(type) {
	case *agent.Log:
		p.log(e.Type, e.Msg)
	case *agent.Send:
		e.Message.Incarnation = p.incarnation
		if p.send("device/"+e.Message.Name, e.Message) {
			p.host.counts.toDevice.Add(1)
		}
	case *agent.Answer:
		p.answer(e.ID, e.Response, nil)
	case *agent.Fetch:
		p.fetch(e.ID, e.Fetch)
	case *agent.Upload:
		p.upload(e.ID, e.Fetch)
	case *agent.Chunk:
		p.uploads[e.ID].add(e.Data)
	case *agent.ChunksEnd:
		p.uploads[e.ID].end(e.Timeout, e.Stream)
	case *agent.MQTTConnect:
		p.connectMQTT(e)
	case *agent.MQTTPublish, *agent.MQTTSubscribe, *agent.MQTTUnsubscribe, *agent.MQTTClose:
		p.doMQTT(e)
	case *agent.Cancel:
		if cancel := p.fetches[e.ID]; cancel != nil {
			delete(p.fetches, e.ID)
			delete(p.uploads, e.ID)
			cancel()
		}
	case *agent.Save:
		p.save(e)
	case *agent.Over:
		p.host.counts.over.Add(e.Limit, int64(e.Times))
	case *agent.Post:
		p.post(e)
	case *agent.Restart:
		if e.Detail != "" {
			p.log(tandem.LogAgentError, e.Detail)
		}
		p.end(e)
	}
}

func (p *pair) log(typ, msg string) {
	p.host.Log.Append(tandem.LogEntry{Device: p.device, TS: time.Now(), Type: typ, Msg: msg})
}

// save hands the table to the committer. The machine waits meanwhile.
func (p *pair) save(e *agent.Save) {
	incarnation, began := p.incarnation, time.Now()
	p.host.Store.Save(p.agent, incarnation, e.Table, e.Mark, func(err error) {
		p.host.counts.saved(began, err)
		if err != nil {
			p.host.Logger.Error("server.save failed", "agent", p.agent, "incarnation", incarnation, "err", err)
		}
		p.command(func() {
			if p.machine != nil && p.incarnation == incarnation {
				p.resolve(&agent.Saved{Err: err})
			}
		})
	})
}

// resolve ends what the machine waits for. That of a pair that is to leave goes with
// it: the program might go on to the next thing to wait for, and never be able to.
func (p *pair) resolve(ev agent.Event) {
	p.mu.Lock()
	leaving := p.leaving
	p.mu.Unlock()
	if leaving {
		p.result = ev
		return
	}
	p.step(ev)
}

// fetch begins an outgoing request.
func (p *pair) fetch(id uint64, f *tandem.Fetch) {
	ctx, cancel := p.beginFetch(id, f.Timeout)
	incarnation := p.incarnation
	p.request(ctx, id, f, func(data []byte) { p.fetchedPart(ctx, incarnation, id, data) }, func(*tandem.Response) { cancel() })
}

// request has a request made. Pieces of the body go to part; end is called with the
// response before the agent has it. Whoever has made the request runs the pair.
func (p *pair) request(ctx context.Context, id uint64, f *tandem.Fetch, part func([]byte), end func(*tandem.Response)) {
	if !p.host.busy() {
		return
	}
	incarnation := p.incarnation
	p.host.Fetcher.Fetch(ctx, f, part, func(r *tandem.Response) {
		defer p.host.work.Done()
		end(r)
		p.commandNow(func() { p.fetched(incarnation, id, item{event: &agent.Fetched{ID: id, Response: r}}) })
	})
}

// beginFetch notes that there is a request, which may take so long; 0 is for ever.
func (p *pair) beginFetch(id uint64, limit time.Duration) (ctx context.Context, cancel context.CancelFunc) {
	if limit > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), limit)
	} else {
		ctx, cancel = context.WithCancel(context.Background())
	}
	if p.fetches == nil {
		p.fetches = map[uint64]context.CancelFunc{}
	}
	p.fetches[id] = cancel
	return ctx, cancel
}

// fetchedPart passes on a piece of a body. It returns when the agent has had
// it, so that the next is not read before.
func (p *pair) fetchedPart(ctx context.Context, incarnation, id uint64, data []byte) {
	taken := make(chan struct{})
	p.command(func() {
		p.fetched(incarnation, id, item{event: &agent.FetchedPart{ID: id, Data: data}, handled: func() { close(taken) }})
	})
	select {
	case <-taken:
	case <-ctx.Done():
	}
}

// fetched passes on what came of a request, unless nobody wants it any more.
func (p *pair) fetched(incarnation, id uint64, it item) {
	if p.away {
		p.fetchedAfter(incarnation, id, it)
		return
	}
	if p.incarnation != incarnation || p.fetches[id] == nil {
		return
	}
	if _, last := it.event.(*agent.Fetched); last {
		delete(p.fetches, id)
		delete(p.fetchedAt, id)
		delete(p.uploads, id)
	}
	p.enqueue(it)
}

// enqueue puts an event of the host's own making into the inbox, however full
// that is. The machine may be waiting for it.
func (p *pair) enqueue(it item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox = append(p.inbox, it)
}

// fetchedAfter sends what came of a request after the agent, which has moved.
func (p *pair) fetchedAfter(incarnation, id uint64, it item) {
	ref := tandem.FetchRef{Node: p.host.node, Agent: p.agent, Incarnation: incarnation, ID: id}
	taken := it.handled
	if taken == nil {
		taken = func() {}
	}
	switch ev := it.event.(type) {
	case *agent.Fetched:
		p.host.away.Delete(ref)
		p.host.others.Fetched(ref, ev.Response, nil, taken)
	case *agent.FetchedPart:
		p.host.others.Fetched(ref, nil, ev.Data, taken)
	default:
		taken()
	}
}
