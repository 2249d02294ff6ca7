package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/store/record"
)

// keptLines is more than the number of lines that a logbook keeps per device.
const keptLines = 10_000

// listLogs sends a device's lines, the newest first.
func (c *call) listLogs() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	lines, err := c.Log.History(c.ctx, d.ID, keptLines)
	if err != nil {
		return err
	}
	slices.Reverse(lines)
	number, page := c.page()
	part := lines[min(page.Offset, len(lines)):min(page.Offset+page.Limit, len(lines))]
	return sendList(c, number, page, len(lines), part, func(e tandem.LogEntry) any {
		return sentLine{TS: stamp(e.TS), Type: e.Type, Msg: e.Msg, Where: e.Where}
	})
}

// sentLine is a log line in the form in which it is sent. Its first members are those of
// impCentral; Where adds others.
type sentLine struct {
	Device tandem.DeviceID `json:"device_id,omitempty"`
	TS     string          `json:"ts"`
	Type   string          `json:"type"`
	Msg    string          `json:"msg"`
	*tandem.Where
}

// streams are the open log streams. Reading one needs only its id, so the id is a
// secret.
type streams struct {
	mu      sync.Mutex
	all     map[string]*stream
	stopped bool
}

// stream is a client's view of the logs of some devices.
type stream struct {
	id, account string
	opened      time.Time
	follower    *logbook.Follower
	events      chan event
	closed      chan struct{} // closed when the stream must end or has ended
	reading     bool          // a reader runs the follower and stops it
	unread      *time.Timer   // closes a stream that no client reads
}

type event struct{ name, data string }

// Limits of the API.
const (
	streamsPerAccount = 32
	streamUnread      = time.Minute // between opening a stream and reading it
	streamKeepAlive   = 15 * time.Second
)

// openStream opens a stream. When the account has too many, its oldest one is
// closed: a client that loses its connection opens another and does not close the
// first.
func (c *call) openStream() error {
	var in struct {
		Devices []string
		Lines   int
	}
	if _, err := c.read(&in); err != nil {
		return err
	}
	if in.Lines < 0 || in.Lines > keptLines {
		return tandem.Errorf(tandem.Invalid, "a log stream can begin with 0 to %d lines of each device", keptLines)
	}
	var ids []tandem.DeviceID
	for _, id := range in.Devices {
		d, err := c.device(id)
		if err != nil {
			return err
		}
		ids = append(ids, d.ID)
	}
	s := &stream{
		id: rand.Text(), account: c.account.ID, opened: time.Now(), events: make(chan event, 64),
		closed: make(chan struct{}),
	}
	s.follower = c.Log.Follow(s.line)
	if err := s.follower.Add(c.ctx, ids, in.Lines); err != nil {
		s.release()
		return err
	}
	s.unread = time.AfterFunc(streamUnread, func() { c.streams.close(s.id) })
	oldest, err := c.streams.add(s)
	if err != nil {
		s.unread.Stop()
		s.release()
		return err
	}
	c.streams.close(oldest)
	return c.send(http.StatusCreated, map[string]any{"data": map[string]any{
		"type": "logstream", "id": s.id, "attributes": map[string]string{"url": c.URL + "/v5/logstream/" + s.id},
	}})
}

// line passes a line to the reader, and waits until the reader takes it.
func (s *stream) line(e tandem.LogEntry) {
	data, err := json.Marshal(sentLine{Device: e.Device, TS: stamp(e.TS), Type: e.Type, Msg: e.Msg, Where: e.Where})
	if err != nil {
		panic(err) // strings can always be marshalled
	}
	select {
	case s.events <- event{"message", string(data)}:
	case <-s.closed:
	}
}

// release frees the follower of a stream that has no reader.
func (s *stream) release() {
	close(s.closed)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	s.follower.Run(over) // it ends at once; its error does not matter
}

// add adds a stream, and returns the id of the one to close in its place, if any.
func (t *streams) add(s *stream) (oldest string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return "", tandem.Errorf(tandem.Unavailable, "the node is stopping; try again when it is up")
	}
	if t.all == nil {
		t.all = map[string]*stream{}
	}
	t.all[s.id] = s
	var own []*stream
	for _, other := range t.all {
		if other.account == s.account {
			own = append(own, other)
		}
	}
	if len(own) > streamsPerAccount {
		oldest = slices.MinFunc(own, func(a, b *stream) int {
			return cmp.Or(a.opened.Compare(b.opened), cmp.Compare(a.id, b.id))
		}).id
	}
	return oldest, nil
}

// close ends the stream with an id, if there is one.
func (t *streams) close(id string) {
	t.mu.Lock()
	s := t.all[id]
	delete(t.all, id)
	t.mu.Unlock()
	if s == nil {
		return
	}
	s.unread.Stop()
	if s.reading { // final: the stream is no longer in t.all
		close(s.closed)
	} else {
		s.release()
	}
}

// Stop ends the log streams and refuses new ones. Other requests are not affected.
func (s *Service) Stop() {
	t := &s.streams
	t.mu.Lock()
	t.stopped = true
	var ids []string
	for id := range t.all {
		ids = append(ids, id)
	}
	t.mu.Unlock()
	for _, id := range ids {
		t.close(id)
	}
}

func (t *streams) get(id string) (*stream, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[id]
	if s == nil {
		return nil, tandem.Errorf(tandem.NotFound, "there is no log stream %s: it may have been closed", id)
	}
	return s, nil
}

// take gives the stream to a reader, unless it has one.
func (t *streams) take(id string) (*stream, error) {
	s, err := t.get(id)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[id] == nil || s.reading {
		return nil, tandem.Errorf(tandem.Conflict, "log stream %s is being read already", id)
	}
	s.reading = true
	s.unread.Stop()
	return s, nil
}

// readStream sends events until the client disconnects or the stream is closed.
func (c *call) readStream() error {
	s, err := c.streams.take(c.arg(1))
	if err != nil {
		return err
	}
	admit.From(c.ctx).Trust() // the id is a secret
	ctx, cancel := context.WithCancel(c.ctx)
	followed := make(chan struct{})
	var fault any
	go func() {
		defer close(followed)
		defer func() {
			if p := recover(); p != nil {
				fault = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
		}()
		s.follower.Run(ctx) // closing followed reports its end; the error adds nothing
	}()
	defer func() {
		c.streams.close(s.id)
		cancel()
		<-followed
	}()
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(c.w)
	if write(c.w, out, "retry: 3000\n"+state("opened", "").text()) != nil {
		return nil // the client has disconnected
	}
	alive := time.NewTicker(streamKeepAlive)
	defer alive.Stop()
	for {
		var text string
		select {
		case e := <-s.events:
			text = e.text()
		case <-alive.C:
			text = ":\n\n"
		case <-followed:
			if fault != nil {
				panic(fault) // ends this request, and is logged
			}
			write(c.w, out, state("closed", "").text()) // an error needs no handling: the stream ends anyway
			return nil
		case <-s.closed:
			write(c.w, out, state("closed", "").text())
			return nil
		case <-ctx.Done():
			return nil
		}
		if write(c.w, out, text) != nil {
			return nil
		}
	}
}

func (e event) text() string { return "event: " + e.name + "\ndata: " + e.data + "\n\n" }

// state returns an event about the stream itself.
func state(what string, id tandem.DeviceID) event {
	if id == "" {
		return event{"state_change", fmt.Sprintf(`{"state":%q}`, what)}
	}
	return event{"state_change", fmt.Sprintf(`{"state":%q,"device_id":%q}`, what, id)}
}

func write(w io.Writer, out *http.ResponseController, text string) error {
	// The server's own write timeout is for answers that end.
	if err := out.SetWriteDeadline(time.Now().Add(2 * streamKeepAlive)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return out.Flush()
}

func (c *call) streamAndDevice() (*stream, record.Device, error) {
	s, err := c.streams.get(c.arg(1))
	if err != nil {
		return nil, record.Device{}, err
	}
	if s.account != c.account.ID {
		return nil, record.Device{}, tandem.Errorf(tandem.NotFound, "there is no log stream %s", c.arg(1))
	}
	d, err := c.device(c.arg(2))
	return s, d, err
}

func (c *call) addToStream() error {
	s, d, err := c.streamAndDevice()
	if err != nil {
		return err
	}
	if err := s.follower.Add(c.ctx, []tandem.DeviceID{d.ID}, 0); err != nil {
		return err
	}
	s.change("subscribed", d.ID)
	return c.noContent()
}

func (c *call) dropFromStream() error {
	s, d, err := c.streamAndDevice()
	if err != nil {
		return err
	}
	s.follower.Remove(d.ID)
	s.change("unsubscribed", d.ID)
	return c.noContent()
}

// change tells the reader which devices it follows. The event is dropped when the
// reader does not keep up.
func (s *stream) change(what string, id tandem.DeviceID) {
	select {
	case s.events <- state(what, id):
	default:
	}
}
