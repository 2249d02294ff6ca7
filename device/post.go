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

// keepAPI has the functions by which a program asks for more to be kept.
var keepAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "tandem.keepsends", On: imp.OnDevice,
			Params: []imp.Param{{Name: "on", Type: "bool", Doc: "whether messages of agent.send are kept"}},
			Result: "bool",
			Doc: "Has agent.send keep its messages from now on, as tandem.post does: on the disk, with or without a link, " +
				"across restarts and power cuts, until the agent's handler has completed. agent.send then never waits, and " +
				"returns 0, or SEND_ERROR_WOULDBLOCK when there is no room; the send timeout policy has no effect on it. " +
				"Returns whether they were kept before. A program starts with what the device's option --keep-sends says, " +
				"without it false.",
			Source: ours, Fn: keepSends,
			Example: `tandem.keepsends(true);
agent.send("reading", { celsius = 21.5, at = time() });   // arrives, whenever there is a link`,
		},
		{
			Name: "tandem.keeplog", On: imp.OnDevice,
			Params: []imp.Param{{Name: "on", Type: "bool", Doc: "whether lines of the log are kept"}},
			Result: "bool",
			Doc: "Has the lines of the log kept from now on: those of server.log and server.error, and those about errors " +
				"in the program. They are on the disk, with or without a link, across restarts and power cuts, until they are " +
				"in the log, in order with the messages, and there they have the time at which they were written. server.log " +
				"then never waits, and returns 0. When the disk has no more room the oldest lines are lost, before any " +
				"message is refused, and one line says how many. Returns whether lines were kept before. A program starts " +
				"with what the device's option --keep-log says, without it false.",
			Source: ours, Fn: keepLog,
			Example: `tandem.keeplog(true);
server.log("The door is open");`,
		},
	},
}

func keepSends(c *squirrel.Call) (squirrel.Value, error) { return setKeep(c, &of(c).st.Link.KeepSends) }

func keepLog(c *squirrel.Call) (squirrel.Value, error) { return setKeep(c, &of(c).st.Link.KeepLog) }

func setKeep(c *squirrel.Call, on *bool) (squirrel.Value, error) {
	before := *on
	*on = c.Arg(1).AsBool()
	return squirrel.Bool(before), nil
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
	return m.keep(p, "tandem.post", dropped, m.core.Callback(c, 3), false), nil
}

// keep has a message kept until the agent has handled it, and returns the result of the call that
// has made it.
func (m *Machine) keep(p *parcel, native string, dropped []string, handled squirrel.Value, send bool) squirrel.Value {
	q, size := &m.st.Posts, int64(len(p.Name)+len(p.Data)+PostOverhead)
	if size > q.Room.Bytes {
		if !q.Refused {
			m.explain(true, native+": there is no room for the message"+q.Room.why())
		}
		q.Refused = true
		return squirrel.Int(imp.SendWouldBlock)
	}
	q.Refused = false
	q.Room.Bytes -= size
	q.LastID++
	q.Nth++
	if !handled.IsNull() {
		q.Callbacks = append(q.Callbacks, postCallback{q.LastID, m.core.Keep(handled)})
	}
	if send {
		m.st.Link.Kept++
	}
	m.emit(&Post{
		ID: q.LastID, Cause: q.Cause, Nth: q.Nth, Send: send,
		Message: tandem.Message{Name: p.Name, Format: tandem.FormatCompact, Data: p.Data, Post: 1},
	})
	m.leftOut(native, dropped)
	return squirrel.Int(sendOK)
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
