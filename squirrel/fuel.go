package squirrel

import (
	"errors"
	"math"
)

// Fuel is given to the loop in slices, so that a safepoint with negative fuel, which the
// loop must look for anyway, comes at least once in a slice: there it sees whether the
// host has interrupted it. What a program observes does not depend on the slices: it
// is out of fuel at the first safepoint at which tick and held together are negative.
const slice = 1 << 20 // about 10 ms

// maxDebt is the fuel that natives and the host may use beyond what there is. The next
// Run begins with that much less.
const (
	maxDebt     = slice       // of a native in a Run: a watchdog is late by this much
	maxHostDebt = 100_000_000 // of the host between two Runs: a second
)

// errStopped is the error of Charge. It is not an exception of the program.
var errStopped = errors.New("squirrel: the machine must stop")

// Charge takes CPU units for work that grows with its input, about one per eight bytes
// touched, before the work is done; long work is charged in portions. An error says
// that the work must not go on: the machine was interrupted, or does not have as much
// fuel. A Run ends then, as Interrupted or OutOfFuel, and the machine is unusable.
// Work of the host between two Runs is taken from the fuel of the next.
func (v *VM) Charge(n int) error {
	v.tick -= int64(max(n, 0))
	if v.tick >= 0 && v.stop.Load() == 0 {
		return nil
	}
	return v.overdrawn()
}

// overdrawn decides whether work goes on when a slice is used up, or an interrupt is set.
func (v *VM) overdrawn() error {
	most := int64(maxDebt)
	switch {
	case v.slices:
		most = math.MaxInt64
	case !v.inLoop:
		most = maxHostDebt
	}
	switch {
	case v.ending != Done:
	case v.interrupted():
		v.ending = Interrupted
	case v.tick+v.held < -most:
		v.ending = OutOfFuel
	default:
		v.breathe()
		return nil
	}
	v.toSafepoint()
	return errStopped
}

// SetYield sets a function that is called about every 10 ms of a Run, on its goroutine, so
// that long runs can share the processors: it may wait. Nothing that a program sees
// depends on it; it must not use the VM.
func (v *VM) SetYield(yield func()) { v.yield = yield }

// breathe calls the function of SetYield when a slice has been used up since the last call.
func (v *VM) breathe() {
	if left := v.tick + v.held; v.yield != nil && v.inLoop && v.breath-left >= slice {
		v.breath = left
		v.yield()
	}
}

// Stopped returns the status with which every Run ends from now on, because work of the
// host between two Runs got an error from Charge, or the machine is unusable; Done when
// it is neither.
func (v *VM) Stopped() Status { return v.ending }

// refill begins a slice.
func (v *VM) refill() {
	all := v.tick + v.held
	v.tick = min(all, slice)
	v.held = all - v.tick
}

// settle counts what the host has used since the last Run.
func (v *VM) settle() {
	v.used += v.owed - v.tick
	v.owed = v.tick
}

// toSafepoint makes the loop stop at the next safepoint, by setting the fuel aside.
func (v *VM) toSafepoint() {
	if v.tick >= 0 {
		v.held += v.tick + 1
		v.tick = -1
	}
}

// stopping reports whether the machine must stop for good.
func (v *VM) stopping() bool {
	if v.ending == Done && v.interrupted() {
		v.ending = Interrupted
	}
	return v.ending != Done
}

// halt ends a Run that cannot go on for now, or at all.
func (v *VM) halt() Status {
	if v.ending == Done {
		return OutOfFuel
	}
	v.run = broken
	return v.ending
}

// everyTurn is the value of VM.stop that ends the machine in whatever turn it is.
const everyTurn = math.MaxUint64

// Interrupt makes the machine stop, whatever it does: a native stops at its next Charge,
// the loop after 10 ms at most. Run then returns Interrupted; when none is going on, the
// next one does so at once. It may be called from any goroutine at any time.
func (v *VM) Interrupt() { v.stop.Store(everyTurn) }

// InterruptIn is Interrupt for one turn of the machine alone: it has no effect when the
// machine has begun a later one. There are no turns before SetTurn.
func (v *VM) InterruptIn(turn uint64) {
	for now := v.stop.Load(); now < turn && !v.stop.CompareAndSwap(now, turn); now = v.stop.Load() {
		continue
	}
}

// SetTurn begins a turn, whose number is higher than those before, above 0.
func (v *VM) SetTurn(turn uint64) { v.turn = turn }

func (v *VM) interrupted() bool {
	s := v.stop.Load()
	return s != 0 && (s == v.turn || s == everyTurn)
}
