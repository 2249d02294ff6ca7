package central

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

// Formats of a log stream.
const (
	formatText = "text"
	formatJSON = "json"
)

// format returns the format that a request wants.
func (c *call) format() (string, error) {
	switch f := c.query.Get("format"); f {
	case "", formatText:
		return formatText, nil
	case formatJSON:
		return formatJSON, nil
	default:
		return "", tandem.Errorf(tandem.Invalid, "the format of a log stream is text or json, not %q", f)
	}
}

// readStream sends events until the client disconnects or the stream is closed.
func (c *call) readStream() error {
	format, err := c.format()
	if err != nil {
		return err
	}
	s, leave, err := c.streams.take(c.arg(1))
	if err != nil {
		return err
	}
	defer c.streams.giveBack(s, leave)
	admit.From(c.ctx).Trust() // the id is a secret
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("Cache-Control", "no-store")
	out := &eventWriter{c: c, format: format, out: http.NewResponseController(c.w)}
	if out.write("retry: 3000\n"+out.text(event{state: "opened"})) != nil {
		return nil // the client has disconnected
	}
	at := s.events.from(c.r.Header.Get("Last-Event-ID"))
	alive := time.NewTicker(streamKeepAlive)
	defer alive.Stop()
	for {
		list := s.events.after(at) // for which those before have been read
		for _, e := range list {
			if out.write(out.text(e)) != nil {
				return nil
			}
			at = e.number
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-s.events.more:
		case <-alive.C:
			if out.write(": keep-alive\n\n") != nil {
				return nil
			}
			c.lookAgain(s)
		case <-s.closed:
			_ = out.write(out.text(event{state: "closed"})) // the stream ends in any case
			return nil
		case <-leave:
			return nil
		case <-c.ctx.Done():
			return nil
		}
	}
}

// eventWriter writes a stream's events in a format.
type eventWriter struct {
	c      *call
	format string
	out    *http.ResponseController
	kinds  map[tandem.DeviceID]groupKind
}

// groupKind is the type of a device's group, which a line in text has.
type groupKind struct {
	name string
	at   time.Time
}

// kindLife is how long the type of a device's group is not looked up again.
const kindLife = 5 * time.Second

func (w *eventWriter) kind(id tandem.DeviceID) string {
	k, ok := w.kinds[id]
	if ok && time.Since(k.at) < kindLife {
		return k.name
	}
	k = groupKind{"unassigned", time.Now()}
	if d, err := w.c.Store.Device(w.c.ctx, id); err == nil && d.Group != "" {
		if g, err := w.c.Store.Group(w.c.ctx, d.Group); err == nil {
			k.name = g.Type
		}
	}
	if w.kinds == nil {
		w.kinds = map[tandem.DeviceID]groupKind{}
	}
	w.kinds[id] = k
	return k.name
}

// text returns an event in the form in which it is sent.
func (w *eventWriter) text(e event) string {
	var b strings.Builder
	if e.number > 0 {
		fmt.Fprintf(&b, "id: %d\n", e.number)
	}
	name := "message"
	if e.state != "" {
		name = "state_change"
	}
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range strings.SplitSeq(w.data(e), "\n") {
		b.WriteString("data: " + strings.TrimSuffix(line, "\r") + "\n")
	}
	b.WriteString("\n")
	return b.String()
}

func (w *eventWriter) data(e event) string {
	l := e.entry
	if w.format == formatText {
		switch {
		case e.state == "":
			return fmt.Sprintf("%s %s %s %s %s", l.Device, stamp(l.TS), w.kind(l.Device), l.Type, l.Msg)
		case l.Device != "":
			return string(l.Device) + " " + e.state
		}
		return e.state
	}
	var v any = lineOf(l)
	if e.state != "" {
		v = struct {
			State  string          `json:"state"`
			Device tandem.DeviceID `json:"device_id,omitempty"`
		}{e.state, l.Device}
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings can always be marshalled
	}
	return string(data)
}

func (w *eventWriter) write(text string) error {
	// The server's own write timeout is for answers that end.
	if err := w.out.SetWriteDeadline(time.Now().Add(2 * streamKeepAlive)); err != nil {
		return err
	}
	if _, err := io.WriteString(w.c.w, text); err != nil {
		return err
	}
	return w.out.Flush()
}
