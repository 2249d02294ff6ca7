package imp

import (
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// FuelPerSecond converts a CPU budget to the VM's units: about as many as one core of
// a small server executes in a second. It is a fixed number, not a measurement, so
// that a program fails in the same place everywhere.
const FuelPerSecond = 100_000_000

// Outcome is the result of running the program.
type Outcome uint8

const (
	// Done: the handler has returned.
	Done Outcome = iota
	// Waiting: a native function waits; see Core.Waiting.
	Waiting
	// Failed: an exception was not caught. It has been logged.
	Failed
	// Watchdog: the CPU budget is used up. It has been logged.
	Watchdog
	// OutOfMemory: the memory is full and the VM unusable. It has been logged.
	OutOfMemory
	// Interrupted: the host has stopped the program from outside, and the VM is
	// unusable. It has been logged.
	Interrupted
)

// Over reports whether the incarnation has ended.
func (o Outcome) Over() bool { return o >= Failed }

// Reason returns why an incarnation has ended.
func (o Outcome) Reason() tandem.Reason {
	switch o {
	case Failed:
		return tandem.ReasonException
	case Watchdog, Interrupted:
		return tandem.ReasonWatchdog
	case OutOfMemory:
		return tandem.ReasonOutOfMemory
	}
	return tandem.ReasonNone
}

// Wait is the kind of event that a suspended program waits for.
type Wait uint8

const (
	NotWaiting Wait = iota
	Sleeping        // imp.sleep
	Ending          // for the end: the host must restart the side
	FirstWait       // first of a machine's own kinds
)

// Config is the configuration of a Core.
type Config struct {
	Side        tandem.Side
	Library     *squirrel.Library
	Program     *compile.Program
	Memory      int           // limit of the program's memory, in bytes
	Budget      time.Duration // VM time per event; 0 is tandem.EventBudget
	Version     string        // of the software, for imp.getsoftwareversion
	Environment int32         // imp.environment()
	Incarnation uint64
	// Log takes a line of the program's log, and the place in the program that it is about;
	// nil: about none.
	Log func(isError bool, msg string, at *tandem.Where)
	// Over counts that the program ran into one of the limits tandem.Over; nil: it is
	// not counted.
	Over func(limit string)
	// Yield is called about every 10 ms of an event, and may wait; nil: nothing is called.
	Yield func()
	// Owner is the machine around the Core, for its native functions.
	Owner any
	// Beside is what a test adds; nil in production.
	Beside *Beside
}

// Core runs one side's program. Its owner sets Now before every other call. Handlers
// run to their end one at a time: while Busy, only Resume, Wake and Abort may be
// called.
type Core struct {
	VM     *squirrel.VM
	Now    time.Time
	Ahead  time.Duration // by how much the clock that the program reads is ahead of Now
	During During        // what the program is called for; set before each call, unless Fire makes it

	cfg     Config
	fuel    int64
	timers  []timer // by due time, then id
	lastID  uint32
	wait    Wait
	wake    int64         // nanoseconds since 1970, while Sleeping
	crash   report        // of an exception, held back while the program's own handler runs
	full    bool          // it has been logged that there are too many timers, and there still are many
	stepped time.Duration // the sum of all Shifts
	site    uint32        // where the program has given the function that is called, 0 if that is not known
}

// Names of handlers that both sides have.
const (
	handlerMain      = "main"
	handlerUnhandled = "imp.onunhandledexception"
	handlerPeer      = "tandem.onpeerstart"
)

// Wall returns the time as the program reads it. It may step, and then no timer does.
func (c *Core) Wall() time.Time { return c.Now.Add(c.Ahead) }

// CoreOf returns the Core whose program makes the call.
func CoreOf(call *squirrel.Call) *Core { return call.VM().Host().(*Core) }

// Owner returns the machine around the Core.
func (c *Core) Owner() any { return c.cfg.Owner }

// Incarnation returns the number of this run.
func (c *Core) Incarnation() uint64 { return c.cfg.Incarnation }

// Log writes a line to the program's log.
func (c *Core) Log(isError bool, msg string) { c.cfg.Log(isError, msg, nil) }

// Start makes the VM and loads the program, which Boot then runs.
func (c *Core) Start(cfg Config, now time.Time) {
	c.VM = squirrel.New(cfg.Library, cfg.Memory)
	c.VM.Seed(uint64(now.UnixNano()) ^ cfg.Incarnation)
	c.attach(cfg, now)
	c.SetHandler(handlerMain, c.VM.Load(cfg.Program))
}

// attach connects the Core and its VM.
func (c *Core) attach(cfg Config, now time.Time) {
	budget := cfg.Budget
	if budget <= 0 {
		budget = tandem.EventBudget
	}
	c.cfg, c.Now = cfg, now
	c.cfg.Budget = budget
	c.fuel = int64(budget.Seconds() * FuelPerSecond)
	c.VM.SetHost(c)
	read := func(t time.Time) (sec, usec int64) { return t.Unix(), int64(t.Nanosecond() / 1000) }
	c.VM.SetClock(func() (int64, int64) { return read(c.Wall()) })
	c.VM.SetCounter(func() (int64, int64) { return read(c.Now.Add(-c.stepped)) })
	c.VM.SetOutput(c.print)
	c.VM.SetYield(cfg.Yield)
	c.attachBeside()
}

// print writes the output of print() and error() to the log.
func (c *Core) print(b []byte, isErr bool) {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	c.Log(isErr, LogText(b))
}

// Boot runs the program from its first line.
func (c *Core) Boot() Outcome {
	main := c.Handler(handlerMain)
	c.SetHandler(handlerMain, squirrel.Null)
	return c.Call(main)
}

// Call runs a function of the program, or a Callback, with the root table as this.
func (c *Core) Call(fn squirrel.Value, args ...squirrel.Value) Outcome {
	c.Prepare(fn)
	call := squirrel.Null
	if fn.IsArray() {
		fn, call = c.VM.Index(fn, callbackFunc), c.VM.Index(fn, callbackCall)
	}
	if !c.VM.Takes(fn, len(args)) {
		return c.refuse(c.VM.Text(call), fn, len(args))
	}
	return c.start(fn, args...)
}

func (c *Core) start(fn squirrel.Value, args ...squirrel.Value) Outcome {
	c.VM.Start(fn, c.VM.Root(), args...)
	return c.run()
}

// Prepare says that a function, or a Callback, is about to be called. Errors in making its
// arguments have the place at which the program has given it.
func (c *Core) Prepare(fn squirrel.Value) {
	c.site = 0
	if fn.IsArray() {
		c.site = uint32(c.VM.Index(fn, callbackSite).AsInt())
	}
}

// refuse ends the program because it has given a call a function that does not take n
// arguments.
func (c *Core) refuse(call string, fn squirrel.Value, n int) Outcome {
	if call == "" {
		call = "Tandem"
	}
	err := &squirrel.Error{Message: c.VM.Mismatch(call, c.site, fn, n), IsString: true, Source: c.VM.SourceOf(fn)}
	if s, ok := c.VM.Signature(fn); ok {
		err.Stack = append(err.Stack, s.Frame)
	}
	if at, ok := c.VM.At(c.site); ok && len(TraceLines(err.Stack)) > 0 {
		err.Stack = append(err.Stack, at)
	}
	return c.uncaught(err)
}

// CallHandler runs the handler with a name, if there is one.
func (c *Core) CallHandler(name string, args ...squirrel.Value) Outcome {
	fn := c.Handler(name)
	if fn.IsNull() {
		return Done
	}
	return c.Call(fn, args...)
}

// Busy reports whether a handler has begun and not yet ended.
func (c *Core) Busy() bool { return c.wait != NotWaiting }

// Waiting returns what the program waits for.
func (c *Core) Waiting() Wait { return c.wait }

// Suspend makes the program wait. A native function returns its result.
func (c *Core) Suspend(call *squirrel.Call, w Wait) (squirrel.Value, error) {
	c.wait = w
	return call.Suspend()
}

// Resume ends the wait of a native function with its result, and runs the program on.
func (c *Core) Resume(result squirrel.Value) Outcome {
	c.wait = NotWaiting
	c.VM.Resume(result)
	return c.run()
}

// Wake ends imp.sleep when its time has come.
func (c *Core) Wake() Outcome {
	if c.wait != Sleeping || c.Now.UnixNano() < c.wake {
		return Waiting
	}
	return c.Resume(squirrel.Null)
}

// Abort drops the running handler.
func (c *Core) Abort() {
	c.VM.Abort()
	c.wait, c.crash = NotWaiting, report{}
}

// run runs the program until the handler ends or waits.
func (c *Core) run() Outcome { return c.outcome(c.VM.Run(c.fuel)) }

// outcome handles the end of a run.
func (c *Core) outcome(s squirrel.Status) Outcome {
	switch s {
	case squirrel.Done:
		c.site = 0
		if c.crash.Lines != nil {
			c.report()
			return Failed
		}
		return Done
	case squirrel.Suspended:
		return Waiting
	case squirrel.OutOfFuel:
		return c.stopped(Watchdog, fmt.Sprintf("one event took more than %v of processor time; "+
			"split the work with imp.wakeup", c.cfg.Budget))
	case squirrel.Interrupted:
		return c.stopped(Interrupted, fmt.Sprintf("one event took more than %v by the clock; "+
			"it was stopped in the middle; split the work with imp.wakeup", tandem.EventPatience))
	case squirrel.OutOfMemory:
		return c.outOfMemory()
	}
	return c.uncaught(c.VM.Err())
}

// stopped logs why the program was stopped, and where.
func (c *Core) stopped(o Outcome, why string) Outcome {
	c.report()
	c.logReport(c.newReport(why, "", c.VM.SourceLine(), c.placed(c.VM.Stack())))
	c.Abort()
	return o
}

// outOfMemory logs that the memory is full.
func (c *Core) outOfMemory() Outcome {
	return c.stopped(OutOfMemory, fmt.Sprintf("out of memory: more than %d bytes in use", c.VM.MemoryLimit()))
}

// Guard is deferred by a machine around the making of values outside of the VM's
// run. When the memory is full it sets the outcome to OutOfMemory, and when the work
// was too much, or interrupted, to Watchdog or Interrupted.
func (c *Core) Guard(o *Outcome) {
	r := recover()
	if r == nil {
		if s := c.VM.Stopped(); s != squirrel.Done && !o.Over() {
			*o = c.outcome(s)
		}
		return
	}
	if !squirrel.IsOutOfMemory(r) {
		panic(r)
	}
	*o = c.outOfMemory()
}

// uncaught calls the program's own handler for an uncaught exception, then logs the
// exception.
func (c *Core) uncaught(err *squirrel.Error) Outcome {
	err.Stack = c.placed(err.Stack)
	r := c.newReport(err.Message, err.Plain, err.Source, err.Stack)
	handler := c.Handler(handlerUnhandled)
	if c.crash.Lines != nil || handler.IsNull() {
		// With a report held back, the handler itself has failed.
		c.report()
		c.logReport(r)
		return Failed
	}
	c.crash = r
	return c.Call(handler, c.VM.NewString(err.Error()))
}

// placed adds to a call stack the place at which the program has given the function that
// was called, or was to be called: where it is at, when no function of it was running.
func (c *Core) placed(stack []squirrel.Frame) []squirrel.Frame {
	for _, f := range stack {
		if f.Line >= 0 {
			return stack
		}
	}
	if at, ok := c.VM.At(c.site); ok {
		stack = append(stack, at)
	}
	return stack
}

// complainCost is the fuel of a line about a call.
const complainCost = 100

// Complain logs an error that ends nothing, and its place: where the program is at, or where
// it has given the Callback that the error is about, which may be null.
func (c *Core) Complain(msg string, cb squirrel.Value) {
	if c.VM.Charge(complainCost) != nil {
		return // the program ends
	}
	site := c.VM.Site()
	if site == 0 && cb.IsArray() {
		site = uint32(c.VM.Index(cb, callbackSite).AsInt())
	}
	if site == 0 {
		site = c.here()
	}
	frame, ok := c.VM.At(site)
	if !ok {
		c.Log(true, msg)
		return
	}
	at := placeOf(frame)
	at.During = c.During.String()
	c.cfg.Log(true, msg, &at)
	c.LogTrace([]squirrel.Frame{frame})
}

// report logs the report that was held back.
func (c *Core) report() {
	r := c.crash
	c.crash = report{}
	c.logReport(r)
}

// Reserve makes room for values that take about n bytes. It is called before they are
// made; the caller must not hold other values yet, because it may collect garbage.
func (c *Core) Reserve(n int) {
	if c.VM.MemoryFree() < n {
		c.VM.Collect()
	}
}

// PeerStarted tells the program that the other side has begun a new
// incarnation.
func (c *Core) PeerStarted(reason tandem.Reason, incarnation uint64) Outcome {
	return c.CallHandler(handlerPeer, c.VM.NewString(string(reason)), squirrel.Int(int32(incarnation)))
}
