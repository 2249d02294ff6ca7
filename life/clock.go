package life

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// A machine has one clock, the wall clock, in which the times of its timers, of imp.sleep
// and of its credits are. They are meant as spans of time: when the wall clock steps, or
// the agent moves to a node whose clock is another, they are put on or back by as much.
// What the program reads by time() is the wall clock.
//
// A move counts as no time at all. While an agent is asleep in the store no host has it,
// and only the wall clock goes on.

// smallStep is by how much the wall clock may run apart from elapsed time before the
// machine's times follow: two readings of the clocks are never of the same moment.
const smallStep = 100 * time.Millisecond

// keepTime notices that the wall clock has stepped.
func (l *Life) keepTime(now tandem.Now) {
	offset := time.Duration(now.Wall.UnixNano()) - now.Mono
	step := offset - l.offset
	if -smallStep < step && step < smallStep {
		return
	}
	if l.offset != 0 {
		l.shift(step)
	}
	l.offset = offset
}

// elapsed returns when a time of the machine comes, in elapsed time. The wall clock may have
// stepped since the life was given an event.
func (l *Life) elapsed(now tandem.Now, t time.Time) time.Duration {
	step := time.Duration(now.Wall.UnixNano()) - now.Mono - l.offset
	if l.offset == 0 || -smallStep < step && step < smallStep {
		step = 0
	}
	return now.Mono + min(t.Sub(now.Wall), farAway) + step
}

// shift puts all times of the machine on.
func (l *Life) shift(d time.Duration) {
	switch {
	case l.machine != nil:
		l.machine.Shift(d)
	case len(l.Packed) > 0:
		l.Behind += d
	}
	for _, at := range []*time.Time{&l.Alarm, &l.Ringing} {
		if !at.IsZero() {
			*at = at.Add(d)
		}
	}
	if l.Credits != nil {
		shifted := l.Credits.Shift(d)
		l.Credits = &shifted
	}
}

// inTime returns a machine made of bytes, with its times put on by as much as the bytes
// are behind.
func (l *Life) inTime(m *agent.Machine) *agent.Machine {
	if l.Behind != 0 {
		m.Shift(l.Behind)
	}
	return m
}
