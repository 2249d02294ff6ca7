package stand

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/rehearsal/ground"
)

// bootTime is how long the device is without power at least.
const bootTime = 100 * time.Millisecond

// notForReal says why a fault is one of virtual time alone.
var notForReal = map[rehearsal.Kind]string{
	rehearsal.Refuse:     "world.store.refuse: the node's store is a real one, which refuses nothing",
	rehearsal.AgentClock: "world.agent.clock: the agent has the clock of this machine",
}

// do does something to the pair. What takes time is over when it returns to the tester; the other
// programs would wait for themselves.
func (x *side) do(f rehearsal.Fault) error {
	if why, ok := notForReal[f.Kind]; ok {
		return tandem.Errorf(tandem.Invalid, "%s; run this test without --real", why)
	}
	if f.Kind == rehearsal.Lose && f.For > time.Second {
		return tandem.Errorf(tandem.Invalid,
			"world.host.lose: for real the agent is back at once; leave out the span, or run this test without --real")
	}
	if f.For > x.s.cfg.Longest && f.Kind != rehearsal.DeviceClock {
		return x.s.tooLong(f.For)
	}
	x.s.line(rehearsal.LogFault, f.String(), nil)
	switch f.Kind {
	case rehearsal.Move, rehearsal.Lose:
		if x.program == ground.Tester {
			return x.s.toAgent(f)
		}
		x.s.run(func(_ context.Context) error { return x.s.toAgent(f) })
		return nil
	case rehearsal.Restart, rehearsal.Deploy:
		return x.s.toAgent(f)
	case rehearsal.PowerCycle, rehearsal.PowerOff:
		if x.program != ground.Device {
			return x.s.toDevice(f)
		}
		x.s.run(func(_ context.Context) error { return x.s.toDevice(f) })
		return nil
	case rehearsal.PowerOn, rehearsal.RestartDevice, rehearsal.DeviceClock,
		rehearsal.Board:
		return x.s.toDevice(f)
	case rehearsal.Silence:
		x.s.mu.Lock()
		defer x.s.mu.Unlock()
		x.s.silent = time.Now().Add(f.For)
		return nil
	}
	return x.s.toLink(f)
}

// tooLong is the error of what takes longer than a program may wait.
func (s *Stand) tooLong(d time.Duration) error {
	return tandem.Errorf(tandem.Limit, "for real that takes %.0f s, and --limit is %.0f s: give a higher --limit, or run "+
		"this test without --real", d.Seconds(), s.cfg.Longest.Seconds())
}

func (s *Stand) toAgent(f rehearsal.Fault) error {
	host := s.node.Host
	switch f.Kind {
	case rehearsal.Move:
		return host.Move(s.ctx, s.device)
	case rehearsal.Lose:
		return host.Lose(s.ctx, s.device)
	case rehearsal.Deploy:
		return host.Assigned(s.ctx, s.device)
	}
	return host.RestartFor(s.ctx, s.device, tandem.Reason(f.Text))
}

func (s *Stand) toDevice(f rehearsal.Fault) error {
	switch f.Kind {
	case rehearsal.DeviceClock:
		s.skew.Store(int64(f.For))
		return nil
	case rehearsal.Board:
		return s.board.Command(f.Text)
	case rehearsal.PowerOn:
		s.powerOn()
		return nil
	}
	r := s.running()
	if r == nil {
		return nil // it is without power
	}
	if f.Kind == rehearsal.RestartDevice {
		r.Restart()
		return nil
	}
	s.powerOff(r)
	if f.Kind == rehearsal.PowerCycle {
		s.later(max(f.For, bootTime), s.powerOn)
	}
	return nil
}

// later does something after a time, unless the Stand is closed before.
func (s *Stand) later(d time.Duration, f func()) {
	s.run(func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			f()
		case <-ctx.Done():
		}
		return nil
	})
}

func (s *Stand) toLink(f rehearsal.Fault) error {
	if s.wire == nil {
		return nil // there is no device
	}
	switch f.Kind {
	case rehearsal.Cut:
		s.wire.Cut(true)
		if f.For > 0 {
			s.later(f.For, func() { s.wire.Cut(false) })
		}
	case rehearsal.Mend:
		s.wire.Lose(0)
		s.wire.Cut(false)
	case rehearsal.Latency:
		s.wire.Slow(f.For)
	case rehearsal.Loss:
		s.wire.Lose(f.Value)
	case rehearsal.Reset:
		s.wire.End(false)
	default:
		return fmt.Errorf("%q cannot be done for real", f.Kind)
	}
	return nil
}
