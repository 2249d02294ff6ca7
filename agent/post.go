package agent

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

var postFunctions = []imp.Function{
	{
		Name: "tandem.post", On: imp.OnAgent, Result: "integer",
		Params: []imp.Param{
			{Name: "name", Type: "string", Doc: "of the message"},
			{Name: "data", Type: "any", Doc: "what can be serialised"},
			{
				Name: "callback", Type: "handler", Optional: true,
				Doc: "called without arguments when the device has handled the message, if this incarnation still runs",
			},
		},
		Throws: []string{"Cannot serialize a …", "the message is over 256 KB"},
		Doc: "Sends the device a message for its agent.on, as device.send does, but a lasting one: " +
			"it is on disk when the function returns 0, and is kept until the device's handler has completed, " +
			"across restarts and power cuts of both sides. Messages arrive in the order in which they were posted, " +
			"and take effect once. When the message is not kept the result is SEND_ERROR_WOULDBLOCK, " +
			"because 1,000 messages, or 1 MB of them, wait already, or SEND_ERROR_TIMEOUT, because it could not be written.",
		Source:  "tandem",
		Example: `tandem.post("target", 21, @() server.log("the device has its new target"));`,
		Fn:      post,
	},
}

// durableCost is the fuel of what the host must write.
const durableCost = 500

func post(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	msg, err := m.messageOf(call, "tandem.post")
	if err != nil {
		return squirrel.Null, err
	}
	if err := call.Charge(durableCost); err != nil {
		return squirrel.Null, err
	}
	m.posting = 0
	if fn := m.core.Callback(call, 3); !fn.IsNull() {
		m.posting = m.core.Keep(fn)
	}
	if m.post = sumOf(msg); m.unsure != 0 && m.unsure != m.post {
		m.nth++ // the failed post may be kept under its number, and this is another
	}
	m.unsure = 0
	m.nth++
	m.effects = append(m.effects, &Post{Message: msg, Cause: m.cause, Nth: m.nth})
	return m.core.Suspend(call, waitPost)
}

// sumOf returns a checksum by which posts are told apart. It is not 0.
func sumOf(msg tandem.Message) uint64 {
	h := fnv.New64a()
	h.Write([]byte(msg.Name))
	h.Write([]byte{0})
	h.Write(msg.Data)
	return h.Sum64() | 1
}

// posted ends tandem.post.
func (m *Machine) posted(ev *Posted) imp.Outcome {
	if m.core.Waiting() != waitPost {
		return imp.Done // it belongs to an earlier run of the program
	}
	kept := m.posting
	m.posting = 0
	code := int32(0)
	switch {
	case ev.Err != nil:
		m.core.Complain(fmt.Sprintf("tandem.post: %v", ev.Err), squirrel.Null)
		code = imp.SendTimeout
		if tandem.KindOf(ev.Err) == tandem.Limit {
			code = imp.SendWouldBlock
			m.over(tandem.OverPosts)
		}
		m.nth-- // the next post gets the number of this one
		if code == imp.SendTimeout {
			m.unsure = m.post // the host may have kept it in spite of the error
		}
		m.core.Drop(kept)
	case kept != 0 && ev.Seq == 0:
		fn := m.core.Kept(kept)
		m.core.Drop(kept)
		if _, ok := m.core.After(0, fn); !ok {
			m.core.Complain("tandem.post: the callback cannot be called: too many timers are pending", fn)
		}
	case kept != 0:
		m.keepPost(ev.Seq, kept)
	}
	return m.core.Resume(squirrel.Int(code))
}

func (m *Machine) keepPost(seq uint64, kept uint32) {
	if m.posts == nil {
		m.posts = map[uint64]uint32{}
	}
	m.posts[seq] = kept
}

// PostsAwaited returns the numbers of the posts whose callbacks are still to be called.
func (m *Machine) PostsAwaited() []uint64 { return slices.Sorted(maps.Keys(m.posts)) }

// postHandled calls a post's callback.
func (m *Machine) postHandled(seq uint64) imp.Outcome {
	kept, ok := m.posts[seq]
	if !ok {
		return imp.Done
	}
	delete(m.posts, seq)
	fn := m.core.Kept(kept)
	m.core.Drop(kept)
	return m.core.Call(fn)
}
