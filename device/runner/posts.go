package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// keptPost is a tandem.post of the code until the agent has handled it. Each is
// a file, named so that they sort in order.
type keptPost struct {
	Mark  tandem.Mark `json:"mark"`
	Name  string      `json:"name"`
	Data  []byte      `json:"data"`
	Cause uint64      `json:"cause,omitempty"`
	Nth   uint32      `json:"nth,omitempty"`
}

func (k *keptPost) file() string {
	return filepath.Join(postsDir, fmt.Sprintf("%020d-%020d.json", k.Mark.Boot, k.Mark.Seq))
}

func (k *keptPost) size() int { return len(k.Name) + len(k.Data) }

// posts returns what is kept, oldest first. What a power cut has left half
// written was never posted.
func (f *files) posts() (list []*keptPost, err error) {
	entries, err := os.ReadDir(filepath.Join(f.dir, postsDir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries { // sorted
		name := filepath.Join(postsDir, e.Name())
		if !strings.HasSuffix(name, ".json") {
			if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
				return nil, err
			}
			continue
		}
		k := &keptPost{}
		if err := f.readJSON(name, k); err != nil {
			return nil, err
		}
		f.caused(k)
		list = append(list, k)
	}
	return list, nil
}

// caused takes note of a post that was made while one of the agent's was
// handled.
func (f *files) caused(k *keptPost) (news bool) {
	s := &f.state
	if k.Cause < s.Cause || k.Cause == s.Cause && k.Nth <= s.Nth {
		return false
	}
	s.Cause, s.Nth = k.Cause, k.Nth
	return true
}

// keep keeps a post. It reports false for one that was made before, by an
// agent's post that is handled once more.
func (f *files) keep(k *keptPost) (bool, error) {
	news := k.Cause == 0 || f.caused(k)
	if !news {
		return false, nil
	}
	data, err := json.Marshal(k)
	if err != nil {
		return false, err
	}
	// The cause is in the post; what is kept of it apart outlives the post.
	if err := f.write(k.file(), data); err != nil || k.Cause == 0 {
		return true, err
	}
	return true, f.writeJSON(stateFile, f.state)
}

// forget forgets a post that has been handled. Should a power cut bring it back,
// the agent knows that it has had it.
func (f *files) forget(k *keptPost) error {
	err := os.Remove(filepath.Join(f.dir, k.file()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// arrived is a post of the agent that has not been handled.
type arrived struct {
	message tandem.Message // Post is its number
	conn    *conn          // that it came with last, and its number there
	packet  uint16
	fed     bool // the running code has it, or it waits for it
}

// keptPosts puts on their way what was posted before the power went.
func (l *loop) keptPosts() {
	list, err := l.files.posts()
	if err != nil {
		l.fatal = err
		return
	}
	l.kept, l.keptSize = len(list), 0
	for _, k := range list {
		l.keptSize += k.size()
		l.addPost(k, 0)
	}
}

// post keeps a post of the code and puts it on its way.
func (l *loop) post(e *device.Post) {
	l.seq++
	k := &keptPost{Mark: tandem.Mark{Boot: l.files.Boot, Seq: l.seq}, Name: e.Message.Name, Data: e.Message.Data, Cause: e.Cause, Nth: e.Nth}
	news, err := l.files.keep(k)
	switch {
	case err != nil:
		l.fatal = err
	case !news: // it was on its way before, or is
		l.feed(&device.Handled{ID: e.ID, Size: k.size()}, nil)
	default:
		l.kept++
		l.keptSize += k.size()
		l.addPost(k, e.ID)
	}
}

func (l *loop) addPost(k *keptPost, id uint64) {
	m := tandem.Message{Mark: k.Mark}
	props := messageProperties(m, l.clock.Now())
	props.User = append(props.User, mqtt.UserProperty{Key: "post", Value: "1"})
	l.out.add(&item{gen: l.gen, id: id, keep: true, post: k, publish: mqtt.Publish{Topic: "agent/" + k.Name, QoS: 1, Payload: k.Data, Props: props}})
}

// postSettled forgets a post that the agent has handled.
func (l *loop) postSettled(it *item) {
	if err := l.files.forget(it.post); err != nil {
		l.log.Warn("a post that the agent has handled is not forgotten", "error", err)
	}
	l.kept--
	l.keptSize -= it.post.size()
	ev := &device.Handled{Size: it.post.size()}
	if it.gen == l.gen {
		ev.ID = it.id
	}
	l.feed(ev, nil)
}

// arrive takes a post of the agent. It is acknowledged when it has been handled,
// by whichever run of the code.
func (l *loop) arrive(c *conn, packet uint16, m tandem.Message) {
	newest := l.files.state.Applied
	if m.Post <= newest {
		l.acknowledgeTo(c, packet)
		return
	}
	for _, a := range l.arrived {
		if a.message.Post == m.Post {
			a.conn, a.packet = c, packet
			return
		}
		newest = a.message.Post
	}
	if m.After > newest {
		// One is missing, and whoever handled this first could never handle that.
		l.drop(device.NoServer, errors.New("a post of the agent is missing; on a new connection it comes again"))
		return
	}
	l.arrived = append(l.arrived, &arrived{message: m, conn: c, packet: packet})
	l.feedPosts()
}

// feedPosts gives the code what of the agent's posts it has not had.
func (l *loop) feedPosts() {
	for _, a := range slices.Clone(l.arrived) {
		if l.m == nil {
			return
		}
		if !a.fed {
			a.fed = true
			l.queue = append(l.queue, waiting{ev: &device.AgentMessage{Message: a.message}, post: a})
			l.pump()
		}
	}
}

// applied ends a post that has been handled.
func (l *loop) applied(a *arrived) {
	if err := l.files.setApplied(a.message.Post); err != nil {
		l.fatal = err
		return
	}
	if i := slices.Index(l.arrived, a); i >= 0 {
		l.arrived = slices.Delete(l.arrived, i, i+1)
	}
	l.acknowledgeTo(a.conn, a.packet)
}
