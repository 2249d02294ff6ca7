package logbook

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-iot/tandem"
)

// abandoned is the time after which the engine forgets a reader that did not close.
const abandoned = 10 * time.Second

// History returns the last n lines of a device, the oldest first.
func (l *Logbook) History(ctx context.Context, id tandem.DeviceID, n int) ([]tandem.LogEntry, error) {
	ids := []tandem.DeviceID{id}
	list, err := l.Own(ctx, ids, n)
	if err != nil {
		return nil, err
	}
	if l.others != nil {
		list = append(list, l.others.History(ctx, ids, n)...)
	}
	return newest(new(merge).sorted(list), n), nil
}

// Own returns the last n lines of each device that were appended on this node, in the
// order in which they were appended.
func (l *Logbook) Own(ctx context.Context, devices []tandem.DeviceID, n int) ([]tandem.LogEntry, error) {
	list, _, err := l.history(ctx, devices, n)
	return list, err
}

// FollowOwn calls fn with each line that is appended on this node after FollowOwn has
// returned, until stop is called.
func (l *Logbook) FollowOwn(
	ctx context.Context, devices []tandem.DeviceID, fn func(tandem.LogEntry),
) (stop func(), err error) {
	lines, err := l.consume(ctx, devices, 0, func(msg jetstream.Msg) {
		if e, _, err := line(msg); err == nil {
			fn(e)
		}
	}, func(jetstream.ConsumeContext, error) {})
	if err != nil {
		return nil, err
	}
	return lines.stop, nil
}

// history returns the last n lines of each device, in the order in which they were
// appended, and the sequence number after the newest of them.
func (l *Logbook) history(
	ctx context.Context, ids []tandem.DeviceID, n int,
) (list []tandem.LogEntry, next uint64, err error) {
	if len(ids) == 0 || n <= 0 {
		return nil, 1, nil
	}
	o, err := l.working()
	if err != nil {
		return nil, 0, err
	}
	reader, err := o.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubjects:    subjects(ids),
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: abandoned,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the log: %w", err)
	}
	info := reader.CachedInfo()
	if info.NumPending > 0 {
		list, next, err = l.fetch(reader, int(info.NumPending))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the log: %w", err)
	}
	if err := o.stream.DeleteConsumer(ctx, info.Name); err != nil {
		return nil, 0, fmt.Errorf("closing the log: %w", err)
	}
	return newest(unrepeated(list), n), next + 1, nil
}

// fetch reads up to pending lines, and the sequence number of the last.
func (l *Logbook) fetch(reader jetstream.Consumer, pending int) (list []tandem.LogEntry, last uint64, err error) {
	batch, err := reader.FetchNoWait(pending)
	if err != nil {
		return nil, 0, err
	}
	list = make([]tandem.LogEntry, 0, pending)
	for msg := range batch.Messages() {
		e, seq, err := line(msg)
		if err != nil {
			return nil, 0, err
		}
		list, last = append(list, e), seq
	}
	return list, last, batch.Error()
}

// line decodes a message of the stream.
func line(msg jetstream.Msg) (e tandem.LogEntry, seq uint64, err error) {
	meta, err := msg.Metadata()
	if err != nil {
		return e, 0, err
	}
	e, err = decode(msg.Subject(), msg.Data())
	h := msg.Headers()
	e.Where = where(h)
	e.Mark = mark(h)
	e.Written = writtenAt(h)
	return e, meta.Sequence.Stream, err
}

// newest keeps the last n lines of each device.
func newest(list []tandem.LogEntry, n int) []tandem.LogEntry {
	have := map[tandem.DeviceID]int{}
	for _, e := range list {
		have[e.Device]++
	}
	kept := list[:0]
	for _, e := range list {
		if have[e.Device] <= n {
			kept = append(kept, e)
		}
		have[e.Device]--
	}
	return kept
}

func subjects(ids []tandem.DeviceID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = subject(id)
	}
	return list
}
