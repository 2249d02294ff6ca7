package host

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// posts are the agent's tandem.posts that its device has not handled. The
// store has them; this is what of them the host has in memory.
type posts struct {
	known bool // list is all there is
	list  []record.Post
	sent  int    // how many of list the device's link has been given
	upTo  uint64 // the newest that it has been given, or 0

	pending int // the store is being told that so many have been handled
}

// How much of the list is on its way to the device at a time: it must not fill
// the link for everything else.
const (
	postWindow = 16
	postBytes  = 64 << 10
)

// post keeps a message for the device. The machine waits meanwhile.
func (p *pair) post(e *agent.Post) {
	incarnation := p.incarnation
	kept := record.Post{Name: e.Message.Name, Data: e.Message.Data, Cause: e.Cause, Nth: e.Nth}
	p.host.Store.Post(p.agent, incarnation, &kept, func(seq uint64, err error) {
		if err != nil && tandem.KindOf(err) != tandem.Limit {
			p.host.Logger.Error("tandem.post failed", "agent", p.agent, "incarnation", incarnation, "err", err)
		}
		p.command(func() {
			if p.machine != nil && p.incarnation == incarnation {
				p.resolve(&agent.Posted{Seq: seq, Err: err})
			}
			if err != nil && tandem.KindOf(err) != tandem.Limit {
				p.posts.known = false // it may have been kept all the same
			}
			if kept.Seq = seq; err == nil && seq != 0 {
				p.posted(kept)
			}
		})
	})
}

// posted takes a post that the store has now.
func (p *pair) posted(kept record.Post) {
	q := &p.posts
	if n := len(q.list); q.known && (n == 0 || q.list[n-1].Seq < kept.Seq) {
		q.list = append(q.list, kept)
	}
	p.sendPosts()
}

// relinked begins anew with what a link has been given.
func (p *pair) relinked() {
	p.posts.sent, p.posts.upTo = 0, 0
	p.sendPosts()
}

// sendPosts gives the device's link what it may have.
func (p *pair) sendPosts() {
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	if l == nil || !p.knowPosts() {
		return
	}
	q := &p.posts
	bytes := 0
	for _, kept := range q.list[:q.sent] {
		bytes += len(kept.Data)
	}
	for q.sent < len(q.list) && q.sent < postWindow && (q.sent == 0 || bytes < postBytes) {
		next := q.list[q.sent]
		m := tandem.Message{Name: next.Name, Format: tandem.FormatCompact, Data: next.Data, Incarnation: p.incarnation, Post: next.Seq}
		if q.sent > 0 {
			m.After = q.list[q.sent-1].Seq
		}
		if !l.Send("device/"+next.Name, m) {
			p.sendPostsLater()
			return
		}
		q.sent++
		q.upTo = next.Seq
		bytes += len(next.Data)
	}
}

// knowPosts reads what waits, unless it is known.
func (p *pair) knowPosts() bool {
	q := &p.posts
	if q.known {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	list, err := p.host.Store.Posts(ctx, p.agent)
	if err != nil {
		p.host.Logger.Warn("what the agent has posted cannot be read", "agent", p.agent, "err", err)
		p.sendPostsLater()
		return false
	}
	q.known, q.list, q.sent = true, list, 0
	if p.machine != nil {
		for _, seq := range p.machine.PostsAwaited() {
			if !slices.ContainsFunc(list, func(kept record.Post) bool { return kept.Seq == seq }) {
				p.tell(&agent.Handled{Seq: seq}) // by a node before this, which could not say it any more
			}
		}
	}
	for q.sent < len(list) && list[q.sent].Seq <= q.upTo {
		q.sent++
	}
	return true
}

// retryPosts is how long after a failure a thing is tried again.
const retryPosts = time.Second

func (p *pair) sendPostsLater() {
	time.AfterFunc(retryPosts, func() { p.command(p.sendPosts) })
}

// handledPost takes the device's word that it has handled a post.
func (p *pair) handledPost(data []byte) {
	seq, err := strconv.ParseUint(string(data), 10, 64)
	if err != nil {
		p.host.Logger.Warn("the number of a post makes no sense", "device", p.device, "number", string(data))
		return
	}
	p.posts.pending++
	p.host.Store.Handled(p.agent, seq, func(err error) {
		p.command(func() {
			p.posts.pending--
			if err == nil {
				p.forgetPost(seq)
				return
			}
			p.host.Logger.Warn("a post that the device has handled cannot be forgotten yet", "agent", p.agent, "err", err)
			time.AfterFunc(retryPosts, func() { p.command(func() { p.handledPost(data) }) })
		})
	})
}

func (p *pair) forgetPost(seq uint64) {
	q := &p.posts
	if i := slices.IndexFunc(q.list, func(kept record.Post) bool { return kept.Seq == seq }); i >= 0 {
		q.list = slices.Delete(q.list, i, i+1)
		if i < q.sent {
			q.sent--
		}
	}
	if len(q.list) == 0 {
		q.list = nil
	}
	p.tell(&agent.Handled{Seq: seq})
	p.sendPosts()
}
