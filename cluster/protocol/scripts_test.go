package protocol

import (
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
)

// testShard is the shard of an agent in scripts: agents are called s0, s1, …
func testShard(id tandem.AgentID) int {
	n, err := strconv.Atoi(string(id[1:]))
	if err != nil {
		panic(err) // the test's own names
	}
	return n
}

type linkScript struct{ *Link }

func (s *linkScript) mistake(b bugs) {
	s.Link = &Link{bugs: b}
}

func (s *linkScript) event(name string, a args) []Effect {
	switch name {
	case "new":
		b := s.bugs
		s.Link = NewLink(LinkConfig{Ref: tandem.LinkRef{Node: "g", ID: 7}, Device: "dev", Agent: "s0", Next: max(uint64(a.num("next")), 1)})
		s.bugs = b
		return nil
	case "bind":
		return s.Bind(a.now, a.table())
	case "tick":
		return s.Tick(a.now, a.table())
	case "again":
		return s.Again(a.now, a.table())
	case "publish":
		effects, err := s.Publish(uint64(a.num("seq")), a.str("topic"), tandem.Message{Data: []byte(a.str("data"))})
		if err != nil {
			return []Effect{Note{Failure: err}}
		}
		return effects
	case "close":
		return s.Close(tandem.LinkEnd{Clean: a.has("clean"), Lost: a.has("lost")})
	case "abandoned":
		return s.Abandoned(a.now)
	case "astray":
		return s.Astray(a.now, a.peer("from"))
	case "ack":
		return s.Acknowledged(uint64(a.num("seq")))
	case "deliver":
		return s.Deliver(a.num("epoch"), a.str("topic"), tandem.Message{})
	case "unsent":
		s.Unsent(tandem.Message{Post: uint64(a.num("post"))})
		return nil
	case "end":
		return s.End(a.peer("from"), a.num("epoch"), a.str("why"))
	case "heard":
		return s.Heard(a.peer("from"), a.has("lost"))
	}
	a.t.Fatalf("there is no event %q", name)
	return nil
}

type guestScript struct{ *Guests }

func (s *guestScript) mistake(b bugs) {
	s.Guests = NewGuests(testShard)
	s.bugs = b
}

func (s *guestScript) event(name string, a args) []Effect {
	id, from := uint64(a.num("id")), a.peer("from")
	device := tandem.DeviceID("dev")
	switch name {
	case "new":
		return nil
	case "table":
		s.Table(a.table())
	case "open":
		return s.Opened(from, &Open{ID: id, Device: device, Agent: "s0", Next: uint64(a.num("next")), Hello: []byte(a.str("hello"))})
	case "publish":
		return s.Published(from, &Publish{ID: id, Device: device, Seq: uint64(a.num("seq"))})
	case "close":
		return s.Closed(from, &Close{ID: id, Device: device, Clean: a.has("clean")})
	case "gone":
		return s.Gone(from, &Gone{ID: id, Device: device})
	case "came":
		return s.Came(tandem.LinkRef{Node: from.Node, ID: id}, from, device, 0)
	case "lost":
		return s.Lost(from)
	case "gave":
		s.Gave(a.list("shards"))
	case "settled":
		s.Settled(from)
	case "ask":
		if s.HasSettled(from) {
			return []Effect{Note{Text: "its links are settled"}}
		}
	case "returned":
		return s.Returned(a.list("shards"))
	case "abandoned":
		s.Abandoned()
	case "done":
		return s.Done(tandem.LinkRef{Node: from.Node, ID: id}, a.failure("failure"))
	default:
		a.t.Fatalf("there is no event %q", name)
	}
	return nil
}

type callScript struct{ *Calls }

func (s *callScript) mistake(b bugs) {
	s.Calls = NewCalls("i", testShard)
	s.bugs = b
}

// event brings an event. The caller of a call sleeps until its deadline: an event
// that brings it forward must have an effect that wakes it.
func (s *callScript) event(name string, a args) []Effect {
	before := map[uint64]time.Duration{}
	for id := range s.calls {
		before[id], _ = s.DeadlineOf(id)
	}
	out := s.bring(name, a)
	for id, was := range before {
		at, ok := s.DeadlineOf(id)
		wakes := func(e Effect) bool {
			f := reflect.ValueOf(e).FieldByName("ID")
			return f.IsValid() && f.CanUint() && f.Uint() == id
		}
		if ok && at < was && name != "tick" && !slices.ContainsFunc(out, wakes) {
			a.t.Errorf("%s brings the deadline of call %d forward to %v and wakes none", name, id, at)
		}
	}
	return out
}

func (s *callScript) bring(name string, a args) []Effect {
	id, from := uint64(a.num("id")), a.peer("from")
	switch name {
	case "new":
		return s.Table(a.now, a.table())
	case "table":
		return s.Table(a.now, a.table())
	case "ask":
		return s.Ask(a.now, id, "s0", &tandem.Request{Method: a.str("method")})
	case "question":
		target := Target{Node: a.str("node"), Run: a.peer("run")}
		if a.has("agent") {
			target.Agent = "s0"
		}
		return s.Question(a.now, id, target, &Online{Device: "dev"}, AskWait)
	case "refused":
		return s.Refused(a.now, id)
	case "found":
		return s.Found(a.now, id, a.failure("failure"))
	case "answer":
		m := &Answer{ID: id, Failure: a.failure("failure")}
		if m.Failure == nil {
			m.Response = &tandem.Response{Status: 200}
		}
		return s.Answered(a.now, m)
	case "told":
		return s.Told(a.now, &Told{ID: id, Yes: a.has("yes"), Failure: a.failure("failure")})
	case "taken":
		return s.Taken(a.now, &Taken{IDs: []uint64{id}, By: a.peer("by"), Epoch: a.num("epoch")})
	case "empty":
		s.Emptied(from)
		return nil
	case "lost":
		return s.Lost(a.now, from)
	case "abandoned":
		return s.Abandoned(a.now)
	case "tick":
		return s.Tick(a.now)
	case "request":
		return s.Requested(from, &Request{ID: id, Agent: "s0", Request: &tandem.Request{}})
	case "served":
		return s.Served(from, id, &tandem.Response{Status: 200}, a.failure("failure"))
	case "empties":
		return s.Empty()
	}
	a.t.Fatalf("there is no event %q", name)
	return nil
}

type moveScript struct{ *Moves }

func (s *moveScript) mistake(b bugs) {
	s.Moves = NewMoves(Peer{Node: "o", Session: 1}, testShard, 0, &Table{Routes: make([]Route, 4)})
	s.bugs = b
}

// pairs are what was exported: one pair with a link at node g and a request of node i.
func (s *moveScript) pairs(a args) (list []*Pair) {
	if a.has("pair") {
		p := &Pair{Device: "dev", Agent: "s0", Data: []byte(a.str("pair")), Origins: []tandem.Origin{{Node: "i", ID: 9}}}
		if a.has("link") {
			p.Link = &tandem.LinkRef{Node: a.str("link"), ID: 7}
		}
		list = append(list, p)
	}
	return list
}

func (s *moveScript) event(name string, a args) []Effect {
	n, id, from := uint64(a.num("n")), uint64(a.num("id")), a.peer("from")
	switch name {
	case "new":
		return nil
	case "table":
		return s.Table(a.now, a.table(), a.has("draining"))
	case "exported":
		return s.Exported(a.now, n, s.pairs(a), a.err("err"))
	case "sent":
		return s.Sent(a.now, n, a.err("err"))
	case "flushed":
		return s.Flushed(a.now, n, a.err("err"))
	case "ready":
		return s.Readied(a.now, from, id)
	case "decline":
		return s.Declined(a.now, from, id, a.failure("failure"))
	case "handed":
		epochs := map[int]int64{}
		for i, shard := range a.list("shards") {
			epochs[shard] = a.epochs("epochs")[i]
		}
		return s.HandedOver(a.now, n, epochs, a.err("err"))
	case "confirmed":
		return s.Confirmed(a.now, n, a.rows(), a.err("err"))
	case "lost":
		return s.Lost(a.now, from)
	case "halt":
		s.Halt()
		return nil
	case "refuse":
		s.Refuse()
		return nil
	case "quiet": // shown as an effect, for want of one
		if s.Quiet() {
			return []Effect{Note{Text: "quiet"}}
		}
		return nil
	case "tick":
		return s.Tick(a.now)
	case "offer":
		part := &Offer{ID: id, Shards: a.list("shards"), Epochs: a.epochs("epochs"), Pairs: s.pairs(a), More: a.has("more"), Version: a.num("version")}
		for i := range a.rows().Nodes {
			part.Known = append(part.Known, peerOf(&a.rows().Nodes[i]))
		}
		return s.Offered(a.now, from, part)
	case "prepared":
		return s.Prepared(a.now, OfferID{From: from, ID: id}, a.err("err"))
	case "stay":
		return s.Stayed(from, id)
	case "go":
		return s.Went(a.now, from, &Go{ID: id, Shards: a.list("shards"), Epochs: a.epochs("epochs")})
	}
	a.t.Fatalf("there is no event %q", name)
	return nil
}

type memberScript struct{ *Member }

func (s *memberScript) mistake(b bugs) {
	s.Member = NewMember(MemberConfig{Node: "a", Lease: 3 * time.Second})
	s.bugs = b
}

func (s *memberScript) event(name string, a args) []Effect {
	n := uint64(a.num("n"))
	switch name {
	case "new":
		return s.Start(a.now)
	case "registered":
		return s.Registered(a.now, n, a.num("session"), a.err("err"))
	case "read":
		rows := a.rows()
		if !a.has("routes") {
			rows.Shards = nil
		}
		return s.HaveRead(a.now, n, rows, a.err("err"))
	case "renewed":
		return s.Renewed(a.now, n, a.err("err"))
	case "planning":
		return s.Planning(a.now, n, a.has("mine"), a.err("err"))
	case "buried":
		return s.Buried(a.now, n, a.has("gone"), a.err("err"))
	case "assigned":
		return s.Assigned(a.now, n, a.err("err"))
	case "fenced":
		return s.Fenced(a.num("session"))
	case "abandoned":
		return s.Abandoned(a.now)
	case "exists":
		return s.Exists(a.peer("peer"), a.num("version"))
	case "learn":
		return s.Learn(&Routes{Shards: a.list("shards"), Owner: a.str("owner"), Epochs: a.epochs("epochs")})
	case "look":
		s.Look(a.now)
		return nil
	case "drain":
		return s.Drain(a.now, a.has("leaving"))
	case "undrain":
		effects, err := s.Undrain(a.now)
		if err != nil {
			return []Effect{Note{Failure: err}}
		}
		return effects
	case "tick":
		return s.Tick(a.now)
	}
	a.t.Fatalf("there is no event %q", name)
	return nil
}

type newsScript struct{ News }

func (s *newsScript) mistake(b bugs) { s.bugs = b }

func (s *newsScript) event(name string, a args) []Effect {
	switch name {
	case "new":
	case "say":
		var told []Effect // shown as effects, for want of some
		for _, node := range s.Say(a.now, &Deployed{Group: a.str("group")}, a.table()) {
			told = append(told, Note{Text: "told", Node: node})
		}
		return told
	case "hear":
		if a.has("group") {
			s.Hear(a.now, &Deployed{Group: a.str("group")})
			return nil
		}
		s.Hear(a.now, &Assigned{Device: tandem.DeviceID(a.str("device")), Shard: int(a.num("shard"))})
	case "opened":
		return s.Opened(a.now, a.list("shards"))
	case "joined":
		return s.Joined(a.now, a.peer("peer"))
	default:
		a.t.Fatalf("there is no event %q", name)
	}
	return nil
}

// tableScript shows routes as an effect, for want of one.
type tableScript struct{ t *Table }

func (s *tableScript) mistake(bugs) {}

func (s *tableScript) event(name string, a args) []Effect {
	switch name {
	case "new":
		s.t = nil
		return nil
	case "read":
		rows := a.rows()
		if !a.has("routes") {
			rows.Shards = nil
		}
		s.t = NewTable(rows, s.t)
	case "with":
		t := s.t.With(&Routes{Shards: a.list("shards"), Owner: a.str("owner"), Epochs: a.epochs("epochs")})
		if t == nil {
			return nil
		}
		s.t = t
	default:
		a.t.Fatalf("there is no event %q", name)
	}
	r := &Routes{}
	for i, route := range s.t.Routes {
		r.Shards = append(r.Shards, i)
		r.Epochs = append(r.Epochs, route.Epoch)
		r.Owner += route.Owner
	}
	var nodes []Effect
	for _, p := range runsOf(s.t) {
		nodes = append(nodes, Join{Peer: p})
	}
	return append(nodes, Learn{Routes: r})
}
