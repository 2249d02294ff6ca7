package device

import (
	"cmp"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// postAPI has the functions that a pair has beyond those of imps.
var postAPI = imp.API{
	Functions: []imp.Function{{
		Name: "tandem.post", On: imp.OnDevice,
		Params: []imp.Param{
			{Name: "name", Type: "string", Doc: "of the message"},
			{Name: "data", Type: "any", Doc: "what can be serialised; null for a message without data"},
			{
				Name: "callback", Type: "handler", Optional: true,
				Doc: "called without arguments when the agent has handled the message, if this incarnation still runs",
			},
		},
		Result: "integer", Throws: []string{"Cannot serialize a …", "the message is over 256 KB"},
		Doc: "Sends the agent a message for its device.on, as agent.send does, but a lasting one: " +
			"it is kept until the agent's handler has completed, across restarts and power cuts of both sides. " +
			"Messages arrive in the order in which they were posted, and take effect once. It does not wait and needs no " +
			"link: messages that are kept are sent over the next. The result is 0, or SEND_ERROR_WOULDBLOCK when there is no " +
			"room for more on the disk, when the disk does not work, or when one event has posted 1 MB. " + imp.LeftOutDoc,
		Source:  ours,
		Example: `tandem.post("alarm", { door = "open" }, @() server.log("the agent knows"));`,
		Fn:      post,
	}},
}

// posts is the machine's account of its posts.
type posts struct {
	Room      Room // for more
	Refused   bool // the last was, and the log says so
	LastID    uint64
	Callbacks []postCallback

	Cause uint64 // number of the agent's post that is being handled
	Nth   uint32 // posts made while it is handled
}

// why ends a line that says that there is no room.
func (r *Room) why() string {
	if why := cmp.Or(r.Unwritable, r.Full); why != "" {
		return ": " + why
	}
	return " now: one event can post 1 MB"
}

// PostOverhead is what a post takes on the disk beside its name and data, at most, in bytes.
const PostOverhead = 128

// postCallback is a post and the key of its callback in the registry.
type postCallback struct {
	ID   uint64
	Kept uint32
}

func post(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	p, dropped, err := m.parcelOf(c, "tandem.post")
	if err != nil {
		return squirrel.Null, err
	}
	q, size := &m.st.Posts, int64(len(p.Name)+len(p.Data)+PostOverhead)
	if size > q.Room.Bytes {
		if !q.Refused {
			m.explain(true, "tandem.post: there is no room for the message"+q.Room.why())
		}
		q.Refused = true
		return squirrel.Int(imp.SendWouldBlock), nil
	}
	q.Refused = false
	q.Room.Bytes -= size
	q.LastID++
	q.Nth++
	if fn := m.core.Callback(c, 3); !fn.IsNull() {
		q.Callbacks = append(q.Callbacks, postCallback{q.LastID, m.core.Keep(fn)})
	}
	m.emit(&Post{
		ID: q.LastID, Cause: q.Cause, Nth: q.Nth,
		Message: tandem.Message{Name: p.Name, Format: tandem.FormatCompact, Data: p.Data, Post: 1},
	})
	m.leftOut("tandem.post", dropped)
	return squirrel.Int(sendOK), nil
}

// postHandled removes a post that the agent has handled, and calls its callback.
func (m *Machine) postHandled(ev *Handled) imp.Outcome {
	q := &m.st.Posts
	i := slices.IndexFunc(q.Callbacks, func(c postCallback) bool { return c.ID == ev.ID })
	if i < 0 {
		return imp.Done
	}
	kept := q.Callbacks[i].Kept
	if i == 0 {
		q.Callbacks = q.Callbacks[1:] // posts are handled in order
	} else {
		q.Callbacks = slices.Delete(q.Callbacks, i, i+1)
	}
	fn := m.core.Kept(kept)
	m.core.Drop(kept)
	return m.core.Call(fn)
}
