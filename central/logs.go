package central

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/store"
)

// keptLines is more than a logbook keeps of a device.
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
		return map[string]string{"ts": stamp(e.TS), "type": e.Type, "msg": e.Msg}
	})
}

// streams are the log streams that have been opened. A stream's id is all that
// is asked for to read it, so it is a secret.
type streams struct {
	mu  sync.Mutex
	all map[string]*stream
}

// stream is one reader's view of some devices' logs.
type stream struct {
	account  string
	follower *logbook.Follower
	events   chan event
	reading  bool
	unread   *time.Timer // forgets a stream nobody came to read
}

type event struct{ name, data string }

// Limits of the API.
const (
	streamsPerAccount = 8
	streamUnread      = time.Minute // between opening a stream and reading it
	streamKeepAlive   = 15 * time.Second
)

func (c *call) openStream() error {
	id := rand.Text()
	s := &stream{account: c.account.ID, events: make(chan event, 64)}
	s.follower = c.Log.Follow(func(e tandem.LogEntry) {
		data, err := json.Marshal(map[string]string{"device_id": string(e.Device), "ts": stamp(e.TS), "type": e.Type, "msg": e.Msg})
		if err != nil {
			panic(err) // strings marshal
		}
		s.events <- event{"message", string(data)}
	})
	s.unread = time.AfterFunc(streamUnread, func() { c.streams.drop(id) })
	if !c.streams.add(id, s) {
		return tandem.Errorf(tandem.Limit, "Account Limit Reached: An account can have %d log streams; close one first.", streamsPerAccount)
	}
	url := c.URL + "/v5/logstream/" + id
	return c.send(http.StatusCreated, map[string]any{"data": map[string]any{
		"type": "logstream", "id": id, "attributes": map[string]string{"url": url},
	}})
}

func (t *streams) add(id string, s *stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, other := range t.all {
		if other.account == s.account {
			n++
		}
	}
	if n >= streamsPerAccount {
		return false
	}
	if t.all == nil {
		t.all = map[string]*stream{}
	}
	t.all[id] = s
	return true
}

func (t *streams) drop(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, id)
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

// take gives the stream to a reader; it has one.
func (t *streams) take(id string) (*stream, error) {
	s, err := t.get(id)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.reading {
		return nil, tandem.Errorf(tandem.Conflict, "log stream %s is being read already", id)
	}
	s.reading = true
	s.unread.Stop()
	return s, nil
}

// readStream sends events until the reader goes or the node stops.
func (c *call) readStream() error {
	s, err := c.streams.take(c.arg(1))
	if err != nil {
		return err
	}
	defer c.streams.drop(c.arg(1))
	ctx, cancel := context.WithCancel(c.ctx)
	defer context.AfterFunc(c.running, cancel)()
	followed := make(chan error, 1)
	go func() { followed <- s.follower.Run(ctx) }()
	defer func() {
		cancel()
		for { // what it still has to say nobody wants
			select {
			case <-s.events:
			case <-followed:
				return
			}
		}
	}()
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(c.w)
	if write(c.w, out, "retry: 3000\n"+event{"state_change", `{"state":"opened"}`}.text()) != nil {
		return nil
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
		case err := <-followed:
			followed <- nil
			if err != nil && !errors.Is(err, context.Canceled) {
				write(c.w, out, event{"state_change", `{"state":"closed"}`}.text()) // the reader finds out either way
			}
			return nil
		case <-ctx.Done():
			return nil
		}
		if write(c.w, out, text) != nil {
			return nil // the reader has gone
		}
	}
}

func (e event) text() string { return "event: " + e.name + "\ndata: " + e.data + "\n\n" }

func write(w io.Writer, out *http.ResponseController, text string) error {
	// The server's own limit is for answers that end.
	if err := out.SetWriteDeadline(time.Now().Add(2 * streamKeepAlive)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return out.Flush()
}

func (c *call) streamAndDevice() (*stream, store.Device, error) {
	s, err := c.streams.get(c.arg(1))
	if err != nil {
		return nil, store.Device{}, err
	}
	if s.account != c.account.ID {
		return nil, store.Device{}, tandem.Errorf(tandem.NotFound, "there is no log stream %s", c.arg(1))
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

// change tells the reader which devices it follows. A reader that does not
// keep up misses it.
func (s *stream) change(state string, id tandem.DeviceID) {
	select {
	case s.events <- event{"state_change", fmt.Sprintf(`{"state":%q,"device_id":%q}`, state, id)}:
	default:
	}
}
