package core

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// posts are those of both sides that have not been handled.
type posts struct {
	kept    []*keptPost // of the code, in order; each is a file
	arrived []*arrived  // of the agent, in order
}

// keptPost is a tandem.post of the code until the agent has handled it. Each is
// a file.
type keptPost struct {
	Mark  tandem.Mark `json:"mark"`
	Name  string      `json:"name"`
	Data  []byte      `json:"data"`
	Cause uint64      `json:"cause,omitempty"`
	Nth   uint32      `json:"nth,omitempty"`
	// Numbering is that of Cause.
	Numbering string `json:"numbering,omitempty"`
}

func (k *keptPost) file() string {
	return fmt.Sprintf("%s%020d-%020d.json", postsDir, k.Mark.Boot, k.Mark.Seq)
}

func (k *keptPost) size() int { return len(k.Name) + len(k.Data) }

// size returns the bytes of the kept posts.
func (p *posts) size() (n int) {
	for _, k := range p.kept {
		n += k.size()
	}
	return n
}

// arrived is a post of the agent that has not been handled.
type arrived struct {
	message  tandem.Message // Post is its number
	receipts []receipt      // of each time that it came over the newest connection
	fed      bool           // the running code has it, or it waits for it
	foreign  bool           // of an agent that is not there any more: its number says nothing
}

// caused takes note of a post that was made while one of the agent's was
// handled. It reports false for one that was made before.
func (s *durable) caused(k *keptPost) (news bool) {
	if k.Numbering != s.Numbering || k.Cause < s.Cause || k.Cause == s.Cause && k.Nth <= s.Nth {
		return false
	}
	s.Cause, s.Nth = k.Cause, k.Nth
	return true
}

// keptPosts puts on their way what was posted before the power went.
func (c *Core) keptPosts() {
	for _, k := range c.posts.kept {
		c.addPost(k, 0)
	}
}

// post keeps a post of the code and puts it on its way.
func (c *Core) post(e *device.Post) {
	c.run.seq++
	k := &keptPost{
		Mark: tandem.Mark{Boot: c.disk.Boot, Seq: c.run.seq},
		Name: e.Message.Name, Data: e.Message.Data, Cause: c.causeOf(e.Cause), Nth: e.Nth,
	}
	if k.Cause != 0 {
		k.Numbering = c.disk.state.Numbering
	}
	if k.Cause != 0 && !c.disk.state.caused(k) {
		// An agent's post is handled once more: this was on its way before, or is.
		c.feed(&device.Handled{ID: e.ID, Size: k.size()}, receipt{})
		return
	}
	c.writeFile(k.file(), k)
	if k.Cause != 0 {
		// The cause is in the post; what is kept of it apart outlives the post.
		c.writeFile(stateFile, &c.disk.state)
	}
	c.posts.kept = append(c.posts.kept, k)
	c.addPost(k, e.ID)
}

func (c *Core) addPost(k *keptPost, id uint64) {
	props := messageProperties(c.disk.markOf(k), c.clock.Now())
	props.User = append(props.User, mqtt.UserProperty{Key: "post", Value: "1"})
	it := &item{gen: c.run.gen, id: id, keep: true, post: k, publish: mqtt.Publish{QoS: 1, Props: props}}
	it.publish.Topic, it.publish.Payload = tandem.WriteTopic("agent/"+k.Name, k.Data)
	c.out.add(it)
}

// postSettled forgets a post that the agent has handled. Should a power cut bring
// the file back, the agent knows that it has had it.
func (c *Core) postSettled(it *item) {
	if i := slices.Index(c.posts.kept, it.post); i >= 0 {
		c.posts.kept = slices.Delete(c.posts.kept, i, i+1)
	}
	c.removeFile(it.post.file())
	ev := &device.Handled{Size: it.post.size()}
	if it.gen == c.run.gen {
		ev.ID = it.id
	}
	c.feed(ev, receipt{})
}

// arrive takes a post of the agent. It is acknowledged when it has been handled,
// whichever run of the code does it.
func (c *Core) arrive(m tandem.Message, r receipt) {
	newest := c.disk.state.Applied
	if m.Post <= newest {
		c.acknowledge(r)
		return
	}
	for _, a := range c.posts.arrived {
		if a.foreign {
			continue
		}
		if a.message.Post == m.Post {
			// The server waits for each that it has sent over this connection.
			old := func(o receipt) bool { return o.conn != r.conn }
			a.receipts = append(slices.DeleteFunc(a.receipts, old), r)
			return
		}
		newest = a.message.Post
	}
	if m.After > newest {
		// One is missing. If this were handled first, that one never could be.
		c.drop(device.NoServer, errors.New("a post of the agent is missing; on a new connection it comes again"))
		return
	}
	c.posts.arrived = append(c.posts.arrived, &arrived{message: m, receipts: []receipt{r}})
	c.feedPosts()
}

// feedPosts gives the code what of the agent's posts it has not had.
func (c *Core) feedPosts() {
	for _, a := range slices.Clone(c.posts.arrived) {
		if c.run.machine == nil {
			return
		}
		if !a.fed {
			a.fed = true
			c.mail.queue = append(c.mail.queue, waiting{ev: &device.AgentMessage{Message: a.message}, post: a})
			c.pump()
		}
	}
}

// applied ends a post that has been handled.
func (c *Core) applied(a *arrived) {
	if s := &c.disk.state; a.message.Post > s.Applied && !a.foreign {
		s.Applied = a.message.Post
		c.writeFile(stateFile, s)
	}
	if i := slices.Index(c.posts.arrived, a); i >= 0 {
		c.posts.arrived = slices.Delete(c.posts.arrived, i, i+1)
	}
	for _, r := range a.receipts {
		c.acknowledge(r)
	}
}
