package imp

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
)

// timer is an imp.wakeup. The registry keeps its function under its id.
type timer struct {
	Due  int64  `cbor:"1,keyasint"` // nanoseconds since 1970
	ID   uint32 `cbor:"2,keyasint"`
	Name string `cbor:"3,keyasint,omitempty"` // "" for most
	Site uint32 `cbor:"4,keyasint,omitempty"` // of imp.wakeup, whose function is kept alone
}

// maxInterval is the longest imp.wakeup and imp.sleep, in seconds.
const maxInterval = 10_737_418

// seconds converts an interval to a duration in whole milliseconds, the precision of
// a 32-bit float.
func seconds(s float32) time.Duration {
	return time.Duration(float64(s)*1000+0.5) * time.Millisecond
}

// After makes Fire call fn, a Callback, with args after d. It returns the timer's id, or false
// when there are too many timers.
func (c *Core) After(d time.Duration, fn squirrel.Value, args ...squirrel.Value) (uint32, bool) {
	call := c.VM.NewArray()
	c.VM.Append(call, fn)
	for _, arg := range args {
		c.VM.Append(call, arg)
	}
	return c.addTimer(d, timer{}, call)
}

// addTimer adds a timer that calls a function of the program without arguments, or one with
// arguments that is an array of them.
func (c *Core) addTimer(d time.Duration, t timer, call squirrel.Value) (uint32, bool) {
	if len(c.timers) >= tandem.TimersPerAgent {
		c.tooManyTimers()
		return 0, false
	}
	if c.VM.Charge(c.timerCost()) != nil {
		return 0, false // the program ends
	}
	t.Due, t.ID = c.Now.Add(d).UnixNano(), c.Keep(call)
	i, _ := slices.BinarySearchFunc(c.timers, t, func(a, b timer) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.ID, b.ID))
	})
	c.timers = slices.Insert(c.timers, i, t)
	c.full = c.full && len(c.timers) > tandem.TimersPerAgent/2
	return t.ID, true
}

// tooManyTimers logs once that there are too many timers, until there are far fewer. A
// program that ignores the result of imp.wakeup would not notice otherwise. Callbacks
// that are called later, such as those of requests over a limit, are timers too.
func (c *Core) tooManyTimers() {
	if c.cfg.Over != nil {
		c.cfg.Over(tandem.OverTimers)
	}
	if !c.full {
		c.full = true
		c.Complain(fmt.Sprintf("too many timers: %d are pending, for imp.wakeup and callbacks, "+
			"which is the limit", tandem.TimersPerAgent), squirrel.Null)
	}
}

// timerCost is the fuel of looking for a timer, or for the place of one.
func (c *Core) timerCost() int { return len(c.timers) / 2 }

// CancelTimer drops a timer; it reports whether there was one.
func (c *Core) CancelTimer(id uint32) bool {
	return c.cancelTimer(func(t timer) bool { return t.ID == id })
}

func (c *Core) cancelTimer(is func(timer) bool) bool {
	i := slices.IndexFunc(c.timers, is)
	if i < 0 {
		return false
	}
	c.Drop(c.timers[i].ID)
	c.timers = slices.Delete(c.timers, i, i+1)
	return true
}

// Fire runs the earliest timer, if it is due.
func (c *Core) Fire() Outcome {
	if len(c.timers) == 0 || c.timers[0].Due > c.Now.UnixNano() {
		return Done
	}
	t := c.timers[0]
	c.During = During{Call: "imp.wakeup", Name: t.Name}
	c.timers = slices.Delete(c.timers, 0, 1)
	fn := c.Kept(t.ID)
	c.Drop(t.ID)
	if !fn.IsArray() {
		c.site = t.Site
		if !c.VM.Takes(fn, 0) {
			return c.refuse("imp.wakeup", fn, 0)
		}
		return c.start(fn)
	}
	c.During = During{Call: "a callback"}
	args := make([]squirrel.Value, c.VM.Len(fn))
	for i := range args {
		args[i] = c.VM.Index(fn, i)
	}
	return c.Call(args[0], args[1:]...)
}

// Alarm returns when the program must run next without an event: at the end of
// imp.sleep while it sleeps, else when the earliest timer is due.
func (c *Core) Alarm() (time.Time, bool) {
	switch {
	case c.wait == Sleeping:
		return time.Unix(0, c.wake), true
	case c.wait == NotWaiting && len(c.timers) > 0:
		return time.Unix(0, c.timers[0].Due), true
	}
	return time.Time{}, false
}

// Shift puts all times of timers, and the end of imp.sleep, on by d.
func (c *Core) Shift(d time.Duration) {
	c.stepped += d
	for i := range c.timers {
		c.timers[i].Due += int64(d)
	}
	if c.wait == Sleeping {
		c.wake += int64(d)
	}
}

func (c *Core) timerNamed(name string) bool {
	return slices.ContainsFunc(c.timers, func(t timer) bool { return t.Name == name })
}
