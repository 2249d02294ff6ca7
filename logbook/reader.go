package logbook

import (
	"context"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-iot/tandem"
)

// reader delivers lines of the stream as they arrive. When the engine is opened again it goes on
// after the last line that it delivered.
type reader struct {
	book    *Logbook
	from    jetstream.OrderedConsumerConfig
	receive func(jetstream.Msg)
	trouble jetstream.ConsumeErrHandlerFunc
	feeding
}

// feeding is what a reader has of the engine.
type feeding struct {
	mu      sync.Mutex
	lines   jetstream.ConsumeContext // nil: the engine has failed
	stopped bool
}

// readers are the readers that have not been stopped.
type readers struct {
	mu  sync.Mutex
	all map[*reader]bool
}

// consume delivers lines from a sequence number of the stream; 0 is its end.
func (l *Logbook) consume(
	ctx context.Context, ids []tandem.DeviceID, next uint64,
	receive jetstream.MessageHandler, trouble jetstream.ConsumeErrHandlerFunc,
) (*reader, error) {
	r := &reader{book: l, receive: receive, trouble: trouble}
	r.from = jetstream.OrderedConsumerConfig{
		FilterSubjects:    subjects(ids),
		DeliverPolicy:     jetstream.DeliverNewPolicy,
		InactiveThreshold: abandoned,
	}
	if next > 0 {
		r.from.DeliverPolicy, r.from.OptStartSeq = jetstream.DeliverByStartSequencePolicy, next
	}
	l.readers.add(r) // before the engine is asked, which may fail at the moment
	o := l.at.Load()
	if o == nil {
		return r, nil // it delivers when it works again
	}
	if err := r.start(ctx, o); err != nil && l.at.Load() == o {
		r.stop()
		return nil, err
	}
	return r, nil
}

func (r *readers) add(one *reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[*reader]bool{}
	}
	r.all[one] = true
}

// start has an engine deliver the lines.
func (r *reader) start(ctx context.Context, o *opened) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.lines != nil {
		return nil
	}
	consumer, err := o.stream.OrderedConsumer(ctx, r.from)
	if err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	lines, err := consumer.Consume(r.deliver, jetstream.ConsumeErrHandler(r.fails))
	if err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	r.lines = lines
	return nil
}

func (r *reader) deliver(msg jetstream.Msg) {
	r.receive(msg)
	if meta, err := msg.Metadata(); err == nil { // receive has reported an error
		r.mu.Lock()
		r.from.DeliverPolicy, r.from.OptStartSeq = jetstream.DeliverByStartSequencePolicy, meta.Sequence.Stream+1
		r.mu.Unlock()
	}
}

// fails passes on an error, unless the engine has failed and is opened again.
func (r *reader) fails(c jetstream.ConsumeContext, err error) {
	if r.book.closing.Load() {
		r.trouble(c, err)
	}
}

// detach has a failed engine deliver no more.
func (r *reader) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lines != nil {
		r.lines.Stop()
		r.lines = nil
	}
}

// stop ends the delivery. The returned channel is closed when no more lines come.
func (r *reader) stop() {
	r.book.readers.mu.Lock()
	delete(r.book.readers.all, r)
	r.book.readers.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.lines != nil {
		r.lines.Stop()
	}
}

// wait waits, after stop, until no more lines come.
func (r *reader) wait() {
	r.mu.Lock()
	lines := r.lines
	r.mu.Unlock()
	if lines != nil {
		<-lines.Closed()
	}
}

// list returns all readers.
func (r *readers) list() (all []*reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for x := range r.all {
		all = append(all, x)
	}
	return all
}
