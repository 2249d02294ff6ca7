package life

import (
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// A frozen machine is its snapshot, compressed: words of small integers and
// offsets shrink to a third or less, in a few microseconds.

// maxSnapshot bounds what a damaged snapshot can make us allocate. It is far more
// than a machine has.
const maxSnapshot = 256 << 20

// snapshot returns the machine as bytes.
func (l *Life) snapshot() ([]byte, error) {
	var data []byte
	err := guard(func() (err error) {
		l.faulty.fail(nil)
		data, err = l.machine.Snapshot()
		return err
	})
	if err != nil {
		return nil, err
	}
	packed := s2.Encode(nil, data)
	return append(make([]byte, 0, len(packed)), packed...), nil // Encode leaves room for the worst case
}

// restore makes a machine of a packed snapshot, for the program that is loaded.
func (l *Life) restore(packed []byte) (*agent.Machine, error) {
	if n, err := s2.DecodedLen(packed); err != nil || n > maxSnapshot {
		return nil, fmt.Errorf("the snapshot is damaged: it says that it has %d bytes", n)
	}
	data, err := s2.Decode(nil, packed)
	if err != nil {
		return nil, err
	}
	var m *agent.Machine
	err = guard(func() (err error) {
		m, err = agent.Restore(l.config(), data, l.now.Wall)
		return err
	})
	if err != nil {
		return nil, err
	}
	return l.inTime(m), nil
}

// freeze turns an idle machine into bytes.
func (l *Life) freeze() {
	if !l.restful() {
		return
	}
	packed, err := l.snapshot()
	if IsFault(err) {
		l.faulted(err)
		l.do(&agent.Restart{Reason: tandem.ReasonFault, Detail: faultText})
		return
	}
	if err != nil {
		l.emit(&Report{Bad: true, Msg: "agent cannot be hibernated", Err: err})
		l.Active = l.mono()
		return
	}
	l.Alarm = time.Time{}
	if at, ok := l.machine.Alarm(); ok {
		l.Alarm = at
	}
	l.arena = l.machine.Memory()
	l.Packed, l.machine = packed, nil
	l.Phase = frozen
	l.posts.newest = nil // by now the database has had time
	if len(l.effects) == 0 {
		l.effects = nil // an agent asleep keeps no memory for the effects of its last event
	}
	l.emit(&Froze{})
}

// Arena returns the bytes of the arena of the machine that was frozen last. They
// depend on what memory the process had to spare, and so are in no effect.
func (l *Life) Arena() int { return l.arena }

// thaw makes a machine of the bytes again. When that cannot be, the agent starts
// from its saved state, and thaw returns false.
func (l *Life) thaw() bool {
	packed := l.Packed
	l.Packed = nil
	m, err := l.restore(packed)
	l.Behind = 0
	if err != nil {
		l.emit(&Report{Msg: "agent cannot be resumed; it starts from its saved state", Err: err})
		l.cancelFetches()
		l.leaveMQTT()
		l.refuseBegun(tandem.ReasonBytecode)
		l.start(tandem.ReasonBytecode)
		return false
	}
	l.machine, l.Phase = m, live
	l.Active = l.mono()
	return true
}
