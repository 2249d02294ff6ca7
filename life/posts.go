package life

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// posts are the agent's tandem.posts that its device has not handled. The store
// has them; this is what of them is in memory.
type posts struct {
	known   bool   // list is all there is
	loading uint64 // ID of the LoadPosts under way; 0: none
	list    []record.Post
	sent    int     // how many of list the device's link has been given
	pending int     // ForgetPosts under way
	retryAt instant // when what has failed is tried again
	again   []uint64
	// For a store that goes back in time.
	newest []record.Post  // while list is not known: the newest of it
	made   record.Posting // as of the newest post that had a cause
}

// newestPosts is how many posts stay in memory for a device that is not connected.
const newestPosts = 16

// How much of the list is on its way to the device at a time: it must not fill
// the link for everything else.
const (
	postWindow = 16
	postBytes  = 64 << 10
)

// keepPost keeps a message for the device. The machine waits meanwhile.
func (l *Life) keepPost(e *agent.Post) {
	l.saving = l.id()
	l.kept = &record.Post{Name: e.Message.Name, Data: e.Message.Data, Cause: e.Cause, Nth: e.Nth}
	l.emit(&KeepPost{ID: l.saving, Incarnation: l.Incarnation, Post: *l.kept})
}

func (l *Life) posted(ev *Posted) {
	q := &l.posts
	sure := ev.Err == nil || tandem.KindOf(ev.Err) == tandem.Limit
	if !sure {
		q.forget() // it may have been kept all the same
	}
	l.readAgain()
	kept := l.kept
	if ev.ID != l.saving || kept == nil {
		q.forget() // of an incarnation that has ended
		l.sendPosts()
		return
	}
	l.kept = nil
	l.outcome(ev.ID, &agent.Posted{Seq: ev.Seq, Err: ev.Err})
	if ev.Err == nil && kept.Cause.Boot != 0 {
		q.made = record.Posting{Last: ev.Seq, Cause: kept.Cause, Nth: kept.Nth}
	}
	if kept.Seq = ev.Seq; ev.Err != nil || ev.Seq == 0 {
		return
	}
	if n := len(q.list); q.known && (n == 0 || q.list[n-1].Seq < kept.Seq) {
		q.list = append(q.list, *kept)
	}
	if !q.known {
		if len(q.newest) == newestPosts {
			q.newest = slices.Delete(q.newest, 0, 1)
		}
		q.newest = append(q.newest, *kept)
	}
	l.sendPosts()
}

// forget has the store asked again what waits.
func (q *posts) forget() {
	if q.known {
		q.newest = slices.Clone(q.list[max(0, len(q.list)-newestPosts):])
	}
	q.known = false
}

// sendPosts gives the device's link what it may have.
func (l *Life) sendPosts() {
	if l.Link == nil || !l.knowPosts() {
		return
	}
	q := &l.posts
	bytes := 0
	for _, kept := range q.list[:q.sent] {
		bytes += len(kept.Data)
	}
	for q.sent < len(q.list) && q.sent < postWindow && bytes < postBytes {
		if !l.Numbers.Posts {
			l.Numbers.Posts = true
			l.sendSystem("sys/posts", postsMessage{numberingOf(l.Agent)})
		}
		next := q.list[q.sent]
		m := tandem.Message{Name: next.Name, Format: tandem.FormatCompact, Data: next.Data}
		m.Incarnation, m.Post = l.Incarnation, next.Seq
		if q.sent > 0 {
			m.After = q.list[q.sent-1].Seq
		}
		l.emit(&Send{"device/" + next.Name, m})
		q.sent++
		l.PostsUpTo = next.Seq
		bytes += len(next.Data)
	}
}

// numberingOf names the numbers of an agent's posts for the device, which is not to know the
// agent's id. An agent whose device is created again is another.
func numberingOf(id tandem.AgentID) string {
	sum := sha256.Sum256([]byte("posts of " + string(id)))
	return hex.EncodeToString(sum[:8])
}

// postNotSent takes back that the link has been given a post, and what came after
// it. It is tried again later.
func (l *Life) postNotSent(seq uint64) {
	q := &l.posts
	i := slices.IndexFunc(q.list, func(kept record.Post) bool { return kept.Seq == seq })
	if i < 0 || i >= q.sent {
		return
	}
	q.sent, l.PostsUpTo = i, 0
	if i > 0 {
		l.PostsUpTo = q.list[i-1].Seq
	}
	l.retryLater()
}

func (l *Life) retryLater() {
	if l.posts.retryAt == 0 {
		l.posts.retryAt = l.in(retryDelay)
	}
}

func (l *Life) retryPosts() {
	again := l.posts.again
	l.posts.again = nil
	for _, seq := range again {
		l.emit(&ForgetPost{seq})
	}
	l.sendPosts()
}

// knowPosts has what waits read, unless it is known.
func (l *Life) knowPosts() bool {
	q := &l.posts
	if !q.known && q.loading == 0 && q.retryAt == 0 {
		q.loading = l.id()
		l.emit(&LoadPosts{q.loading})
	}
	return q.known
}

// readAgain has a read that is under way count for nothing: what the store has
// changes at this moment, and the read may be older.
func (l *Life) readAgain() {
	if l.posts.loading != 0 {
		l.posts.loading = 0
		l.knowPosts()
	}
}

func (l *Life) postsLoaded(ev *PostsLoaded) {
	q := &l.posts
	if ev.ID != q.loading {
		return
	}
	q.loading = 0
	if ev.Err != nil {
		l.emit(&Report{Msg: "what the agent has posted cannot be read; it is tried again", Err: ev.Err})
		l.retryLater()
		return
	}
	q.known, q.sent = true, 0
	q.newest = nil
	q.list = ev.Posts
	if l.machine != nil {
		for _, seq := range l.machine.PostsAwaited() {
			if !slices.ContainsFunc(q.list, func(kept record.Post) bool { return kept.Seq == seq }) {
				l.tell(&agent.Handled{Seq: seq}) // by a node before this, which could not say it any more
			}
		}
	}
	for q.sent < len(q.list) && q.list[q.sent].Seq <= l.PostsUpTo {
		q.sent++
	}
	l.sendPosts()
}

// handledPost takes the device's word that it has handled a post.
func (l *Life) handledPost(data []byte) {
	seq, err := strconv.ParseUint(string(data), 10, 64)
	if err != nil {
		l.emit(&Report{Msg: "the gateway reports an invalid post number " + strconv.Quote(string(data)), Err: err})
		return
	}
	l.posts.pending++
	l.emit(&ForgetPost{seq})
}

func (l *Life) postForgotten(ev *PostForgotten) {
	q := &l.posts
	if ev.Err != nil {
		l.emit(&Report{Msg: "a post that the device has handled cannot be deleted yet; it is tried again", Err: ev.Err})
		q.again = append(q.again, ev.Seq)
		l.retryLater()
		return
	}
	q.pending--
	l.readAgain()
	if i := slices.IndexFunc(q.list, func(kept record.Post) bool { return kept.Seq == ev.Seq }); i >= 0 {
		q.list = slices.Delete(q.list, i, i+1)
		if i < q.sent {
			q.sent--
		}
	}
	if len(q.list) == 0 {
		q.list = nil
	}
	l.tell(&agent.Handled{Seq: ev.Seq})
	l.sendPosts()
}
