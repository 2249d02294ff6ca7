package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// streams are the open log streams. Reading one needs only its id, so the id is a
// secret.
type streams struct {
	mu      sync.Mutex
	all     map[string]*stream
	stopped bool
}

// stream is a client's view of the logs of some devices. It outlives its reader for a while:
// a client whose connection has broken reads on at the event after the last that it has seen.
type stream struct {
	id, account string
	opened      time.Time
	follower    *logbook.Follower
	closed      chan struct{}      // closed when the stream must end
	followed    chan struct{}      // closed when the follower has ended
	stop        context.CancelFunc // of the follower; nil: it has not begun
	unread      *time.Timer        // closes a stream that no client reads
	leave       chan struct{}      // closed when another reader takes over; nil: there is no reader
	events      events
	lent        lent
}

// lent are the devices of a stream that others share with its account. What is shared can be taken
// back while the stream is open.
type lent struct {
	mu  sync.Mutex
	all map[tandem.DeviceID]bool
}

func (l *lent) add(id tandem.DeviceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[tandem.DeviceID]bool{}
	}
	l.all[id] = true
}

// take returns the devices, and forgets them.
func (l *lent) take() []tandem.DeviceID {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Sorted(maps.Keys(l.all))
	l.all = nil
	return list
}

// lookAgain ends what the stream's account may not see any more. It is called for as long as the
// stream has a reader.
func (c *call) lookAgain(s *stream) {
	c.account = store.Account{ID: s.account}
	c.need, c.shared = record.Viewer, nil
	for _, id := range s.lent.take() {
		if _, err := c.device(string(id)); tandem.KindOf(err) != tandem.NotFound || err == nil {
			s.lent.add(id) // when it is not known, it is looked at again
			continue
		}
		s.follower.Remove(id)
		s.events.add(event{state: "unsubscribed", entry: tandem.LogEntry{Device: id}})
	}
}

// Limits of the API.
const (
	streamsPerAccount = 32
	streamUnread      = time.Minute // between opening a stream and reading it, or between two readers
	streamKeepAlive   = 15 * time.Second
	eventsWaiting     = 256 // then the log is read on only when a reader has taken some
	eventsKept        = 512 // of those, and of the ones that were read last
)

// event is something that a stream has to tell. One with a state is about the stream itself.
type event struct {
	number int // from 1
	state  string
	entry  tandem.LogEntry
}

// events are the newest events of a stream.
type events struct {
	mu   sync.Mutex
	kept []event       // the newest
	last int           // number of the newest
	read int           // number of the newest that a reader has been given
	more chan struct{} // holds a token when there may be events to read
	room chan struct{} // holds a token when there may be room for more
}

func newEvents() events { return events{more: make(chan struct{}, 1), room: make(chan struct{}, 1)} }

// add keeps an event. It returns false when too many wait for a reader.
func (v *events) add(e event) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.state == "" && v.last-v.read >= eventsWaiting || len(v.kept) >= 2*eventsKept {
		return false
	}
	v.last++
	e.number = v.last
	v.kept = append(v.kept, e)
	v.drop()
	token(v.more)
	return true
}

// drop forgets the oldest of the events that have been read, when there are many.
func (v *events) drop() {
	if over := len(v.kept) - eventsKept; over > 0 {
		gone := min(over, max(0, v.read-v.kept[0].number+1))
		v.kept = slices.Delete(v.kept, 0, gone)
	}
}

// after returns the events that follow one, and takes those before for read.
func (v *events) after(number int) []event {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.read = max(v.read, number)
	v.drop()
	token(v.room)
	i, _ := slices.BinarySearchFunc(v.kept, number+1, func(e event, n int) int { return cmp.Compare(e.number, n) })
	return slices.Clone(v.kept[i:])
}

// from returns the number of the event after which a reader goes on: the one that it says it
// has seen last, or the last that any has been given.
func (v *events) from(seen string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, err := strconv.Atoi(seen); err == nil && n >= 0 {
		return min(n, v.last)
	}
	return v.read
}

// token puts a token into a channel that may hold one.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// openStream opens a stream. When the account has too many, its oldest one is
// closed: a client that loses its connection may open another and not close the
// first.
func (c *call) openStream() error {
	if _, err := c.format(); err != nil {
		return err
	}
	var in struct {
		Devices []string
		Lines   int
	}
	if _, err := c.readAs(shape{types: []string{"logstream"}}, &in); err != nil {
		return err
	}
	if in.Lines < 0 || in.Lines > keptLines {
		return tandem.Errorf(tandem.Invalid, "a log stream can begin with 0 to %d lines of each device", keptLines)
	}
	var ids, shared []tandem.DeviceID
	for _, id := range in.Devices {
		d, err := c.device(id)
		if err != nil {
			return err
		}
		ids = append(ids, d.ID)
		if d.Owner != c.account.ID {
			shared = append(shared, d.ID)
		}
	}
	s := &stream{
		id: rand.Text(), account: c.account.ID, opened: time.Now(),
		closed: make(chan struct{}), followed: make(chan struct{}),
		events: newEvents(),
	}
	for _, id := range shared {
		s.lent.add(id)
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

// line passes a line to the readers. It waits while too many have not been read: they stay in
// the log meanwhile, and none is dropped.
func (s *stream) line(e tandem.LogEntry) {
	for !s.events.add(event{entry: e}) {
		select {
		case <-s.events.room:
		case <-s.closed:
			return
		}
	}
}

// release frees the follower of a stream that was never read.
func (s *stream) release() {
	close(s.closed)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	s.follower.Run(over) // it ends at once; its error does not matter
	close(s.followed)
}

// follow runs the follower until the stream is closed.
func (s *stream) follow(ctx context.Context, end func()) {
	defer close(s.followed)
	defer end()
	defer func() {
		if p := recover(); p != nil {
			s.events.add(event{state: fmt.Sprintf("closed: %v", p)})
			debug.PrintStack() // a defect of ours, which must not end the node
		}
	}()
	s.follower.Run(ctx) // its end ends the stream, and the error adds nothing
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
	if s.stop == nil { // final: the stream is no longer in t.all
		s.release()
		return
	}
	close(s.closed)
	s.stop()
}

// Stop ends the log streams and refuses new ones. Other requests are not affected.
func (s *Service) Stop() {
	t := &s.streams
	t.mu.Lock()
	t.stopped = true
	var all []*stream
	for _, s := range t.all {
		all = append(all, s)
	}
	t.mu.Unlock()
	for _, s := range all {
		t.close(s.id)
	}
	for _, s := range all {
		<-s.followed
	}
}

func (t *streams) get(id string) (*stream, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(id)
}

// find is get with the lock held.
func (t *streams) find(id string) (*stream, error) {
	s := t.all[id]
	if s == nil {
		return nil, tandem.Errorf(tandem.NotFound, "there is no log stream %s: it may have been closed", id)
	}
	return s, nil
}

// take gives the stream to a reader; a reader that it has is told to leave, for its client has
// connected again.
func (t *streams) take(id string) (s *stream, leave chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, err = t.find(id); err != nil {
		return nil, nil, err
	}
	if s.leave != nil {
		close(s.leave)
	}
	leave = make(chan struct{})
	s.leave = leave
	s.unread.Stop()
	if s.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		go s.follow(ctx, func() { t.close(id) })
	}
	return s, leave, nil
}

// giveBack is the end of a reader. The stream waits for another for a while.
func (t *streams) giveBack(s *stream, leave chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.leave == leave && t.all[s.id] != nil {
		s.leave = nil
		s.unread.Reset(streamUnread)
	}
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
	if d.Owner != c.account.ID {
		s.lent.add(d.ID)
	}
	s.events.add(event{state: "subscribed", entry: tandem.LogEntry{Device: d.ID}})
	return c.noContent()
}

func (c *call) dropFromStream() error {
	s, d, err := c.streamAndDevice()
	if err != nil {
		return err
	}
	s.follower.Remove(d.ID)
	s.events.add(event{state: "unsubscribed", entry: tandem.LogEntry{Device: d.ID}})
	return c.noContent()
}
