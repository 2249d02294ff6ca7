package logbook

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-iot/tandem"
)

// Tail calls fn with the devices' lines as they arrive, in causal order, until ctx is
// done; it then returns nil. fn is not called concurrently. A slow fn loses no line
// that the logbook still keeps.
func (l *Logbook) Tail(ctx context.Context, devices []tandem.DeviceID, fn func(tandem.LogEntry)) error {
	return l.TailFrom(ctx, devices, 0, fn)
}

// TailFrom is Tail, but begins with the last n lines of each device.
func (l *Logbook) TailFrom(ctx context.Context, devices []tandem.DeviceID, n int, fn func(tandem.LogEntry)) error {
	f := l.Follow(fn)
	if err := f.Add(ctx, devices, n); err != nil {
		f.stop()
		return err
	}
	return f.Run(ctx)
}

// A Follower is a tail whose devices can change while it runs.
type Follower struct {
	book *Logbook
	fn   func(tandem.LogEntry)

	arrived chan arrival
	failed  chan error
	done    chan struct{}

	adding sync.Mutex // held by Add, which may wait for Run
	mu     sync.Mutex // never held while waiting
	feeds  map[tandem.DeviceID]*feed
}

// arrival is a line that has arrived, or the history of devices that were added.
type arrival struct {
	line tandem.LogEntry
	past []tandem.LogEntry
}

// feed is the source of the lines of some devices.
type feed struct {
	lines   *source // nil while Add makes it
	devices int     // number of devices that are still followed
}

// Follow returns a follower that calls fn with each line. The caller must call Run.
func (l *Logbook) Follow(fn func(tandem.LogEntry)) *Follower {
	return &Follower{
		book: l, fn: fn,
		arrived: make(chan arrival, 256),
		failed:  make(chan error, 1),
		done:    make(chan struct{}),
		feeds:   map[tandem.DeviceID]*feed{},
	}
}

// Add follows more devices, beginning with the last n lines of each. After it has
// returned, every line that is appended will be shown. Devices that are followed
// already are not affected.
func (f *Follower) Add(ctx context.Context, devices []tandem.DeviceID, n int) error {
	f.adding.Lock()
	defer f.adding.Unlock()
	select {
	case <-f.done:
		return errEnded()
	default:
	}
	fresh := &feed{}
	ids := f.reserve(devices, fresh)
	if len(ids) == 0 {
		return nil
	}
	lines, err := f.feed(ctx, ids, n)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		for _, id := range ids {
			delete(f.feeds, id)
		}
		return err
	}
	fresh.lines = &lines
	if fresh.devices == 0 { // all its devices were removed meanwhile
		lines.stop()
	}
	return nil
}

// reserve gives a feed to the devices that have none, and returns them.
func (f *Follower) reserve(devices []tandem.DeviceID, fresh *feed) (ids []tandem.DeviceID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range devices {
		if f.feeds[id] == nil && id.Valid() {
			ids = append(ids, id)
			f.feeds[id] = fresh
			fresh.devices++
		}
	}
	return ids
}

// feed starts the delivery of the lines of ids.
func (f *Follower) feed(ctx context.Context, ids []tandem.DeviceID, n int) (source, error) {
	var from source
	if f.book.others != nil {
		from.far = &far{f: f}
		from.stopFar = f.book.others.Follow(ctx, ids, from.far.receive)
	}
	// The sequence number after the newest line is taken from the lines themselves, so
	// that no line between the reading and the following is missed.
	list, next, err := f.past(ctx, ids, n)
	if err == nil {
		err = f.bring(ctx, slices.Clone(list)) // Run changes the list
	}
	if err == nil {
		from.near, err = f.book.consume(ctx, ids, next, f.receive, f.trouble)
	}
	if err != nil {
		from.stop()
		return source{}, err
	}
	if from.far != nil {
		from.far.open(list)
	}
	return from, nil
}

// past returns the last n lines of each device, and the sequence number after them in
// our stream; 0 when n is 0.
func (f *Follower) past(ctx context.Context, ids []tandem.DeviceID, n int) ([]tandem.LogEntry, uint64, error) {
	if n == 0 {
		return nil, 0, nil
	}
	list, next, err := f.book.history(ctx, ids, n)
	if err != nil || f.book.others == nil {
		return list, next, err
	}
	list = append(list, f.book.others.History(ctx, ids, n)...)
	return newest(new(merge).sorted(list), n), next, nil
}

// source delivers the lines of a feed.
type source struct {
	near    *reader
	far     *far // nil: there are no other nodes
	stopFar func()
}

func (s source) stop() {
	if s.stopFar != nil {
		s.stopFar()
	}
	if s.near != nil {
		s.near.stop()
	}
}

// far receives the lines of other nodes. It keeps them until the history, which may
// contain some of them, has been shown.
type far struct {
	f      *Follower
	mu     sync.Mutex
	past   map[place]bool // the lines of the history
	ready  bool
	queue  []tandem.LogEntry
	moving bool // a goroutine empties the queue
}

// place identifies a line of a device.
type place struct {
	device tandem.DeviceID
	clock  uint64
}

// farLimit bounds the number of lines of other nodes that wait for a slow reader.
const farLimit = 16384

func (r *far) receive(e tandem.LogEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) >= farLimit {
		r.f.fail(tandem.Errorf(tandem.Limit, "the log lines of the other nodes arrive faster than they are read; "+
			"open another view"))
		return
	}
	r.queue = append(r.queue, e)
	r.move()
}

// open passes on the lines that are not in the history, which is list.
func (r *far) open(list []tandem.LogEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.past = make(map[place]bool, len(list))
	for _, e := range list {
		r.past[place{e.Device, e.Clock}] = true
	}
	r.ready = true
	r.move()
}

// move starts to pass on the queue. The lock is held.
func (r *far) move() {
	if r.ready && !r.moving && len(r.queue) > 0 {
		r.moving = true
		go r.pass()
	}
}

func (r *far) pass() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 {
		list := r.queue
		r.queue = nil
		r.mu.Unlock()
		for _, e := range list {
			if r.past[place{e.Device, e.Clock}] {
				continue
			}
			select {
			case r.f.arrived <- arrival{line: e}:
			case <-r.f.done:
			}
		}
		r.mu.Lock()
	}
	r.moving = false
}

// bring gives Run a history, before any line that follows it.
func (f *Follower) bring(ctx context.Context, list []tandem.LogEntry) error {
	if len(list) == 0 {
		return nil
	}
	select {
	case f.arrived <- arrival{past: list}:
		return nil
	case <-f.done:
		return errEnded()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func errEnded() error {
	return tandem.Errorf(tandem.Unavailable, "this view of the log has ended; open another")
}

// receive takes a line from the engine. It blocks, and so holds the engine back, while
// fn is slow.
func (f *Follower) receive(msg jetstream.Msg) {
	e, _, err := line(msg)
	if err != nil {
		f.fail(err)
		return
	}
	select {
	case f.arrived <- arrival{line: e}:
	case <-f.done:
	}
}

// trouble handles an error of a feed. The ordered consumer recovers from all errors
// but the end of the engine.
func (f *Follower) trouble(_ jetstream.ConsumeContext, err error) {
	if errors.Is(err, jetstream.ErrConnectionClosed) || errors.Is(err, jetstream.ErrServerShutdown) ||
		errors.Is(err, jetstream.ErrStreamNotFound) {
		f.fail(&tandem.Error{Kind: tandem.Unavailable, Msg: "the log has ended: the log store is stopping", Err: err})
	}
}

func (f *Follower) fail(err error) {
	select {
	case f.failed <- err:
	default: // it has failed already
	}
}

// Remove stops following a device.
func (f *Follower) Remove(id tandem.DeviceID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := f.feeds[id]
	if from == nil {
		return
	}
	delete(f.feeds, id)
	if from.devices--; from.devices == 0 && from.lines != nil {
		from.lines.stop()
	}
}

// show passes on a line, unless its device was removed while the line was held.
func (f *Follower) show(e tandem.LogEntry) {
	f.mu.Lock()
	wanted := f.feeds[e.Device] != nil
	f.mu.Unlock()
	if wanted {
		f.fn(e)
	}
}

// Run shows lines until ctx is done, and then returns nil; it returns an error when the
// engine has ended before. It may be called once.
func (f *Follower) Run(ctx context.Context) error {
	defer f.stop()
	m := merge{wait: stragglers}
	if f.book.others != nil {
		m.wait = farStragglers
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case a := <-f.arrived:
			if a.past == nil {
				m.add(a.line, time.Now())
				break
			}
			for _, e := range m.sorted(a.past) {
				if !m.marks.repeats(e) {
					f.show(e)
				}
			}
		case <-timer.C:
			m.take(time.Now(), f.show)
		case err := <-f.failed:
			return err
		case <-ctx.Done():
			return nil
		}
		if due, ok := m.next(); ok {
			timer.Reset(time.Until(due))
		}
	}
}

// stop ends the feeds.
func (f *Follower) stop() {
	close(f.done)
	f.adding.Lock() // wait until a running Add has ended
	defer f.adding.Unlock()
	f.mu.Lock()
	ended := map[*feed]bool{}
	for _, from := range f.feeds {
		ended[from] = true
	}
	clear(f.feeds)
	f.mu.Unlock()
	for from := range ended {
		from.lines.stop()
		from.lines.near.wait()
	}
}
