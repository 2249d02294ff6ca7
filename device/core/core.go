// Package core is the runtime of a device as a pure state machine: it owns the
// machine of package device, the MQTT session, the outbox and what is kept on
// disk, and decides when to start and stop the code and when to connect. Events
// and the time go in, effects come out; there is no goroutine, clock, socket or
// file. Package runner is its shell over real sockets and files.
//
//	c, err := core.New(cfg, disk)
//	effects := c.Step(now, &core.PowerOn{})
//	... do them in order, and Step again with what comes of them:
//	Dialed, Received, Written, Closed, FileDone, FileRead, CodeRead
//	at, ok := c.Deadline() // of the next Tick
//
// The same configuration, files, events and times give the same effects, byte
// for byte. Mono alone decides when something is due, for the code too. Wall is
// what the code reads by time and date, unless the server's time is another, and it may
// step at any moment.
//
// # Messages
//
// An agent.send is published with QoS 1, which the server acknowledges when the
// agent's handler has completed. It carries its Mark, the boot and its number in
// that boot, and is kept in memory and sent again with the same mark, before
// everything later, on each new connection until it is acknowledged. Lines of the
// log go in their place among the messages and are kept like them, with numbers
// of their own. Sessions of MQTT are not used: each connection begins with a clean
// start, a subscription and sys/hello.
//
// # Posts
//
// A tandem.post of the code is on disk, in a log, before anything else the code does is
// seen, and is sent, with the mark it got then, until the agent has handled it;
// after a power cut before everything newer. Most of those that wait are on disk only. A tandem.post of the agent has a
// number. It is acknowledged when a run of the code has handled it and that number
// is on disk, be it alone or together with a user configuration that its handler
// has set; one that comes again is acknowledged only.
//
// When the code or the configuration asks for it, an agent.send is kept like a tandem.post, and so are
// lines of the log, in their place among the messages. The oldest lines make room for
// messages.
//
// # What waits for the disk
//
// While counters, code, state or posts are being written, the core holds back everything
// that others can notice: the code gets no event, no message is published, no
// acknowledgement is given, no goodbye is said. What the session was given before still
// leaves. So an effect that was seen implies that every write before it is durable. The
// boot counter is on disk before the first Dial, the counter of incarnations before the
// code runs. An event whose writes fail has not happened; see DESIGN.md.
//
// # Starting
//
// Switched on, the core waits for the outcome of the first attempt to connect, a
// few seconds at most, so that code normally starts with a link. After a deep
// sleep it starts the code at once and without a link, as the hardware does. It
// goes on trying to connect until the code says server.disconnect.
package core

import (
	"cmp"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Version is what imp.getsoftwareversion gives.
const Version = "tandem"

// Config is what a Core is made of. All functions and interfaces are called
// during Step, and only then.
type Config struct {
	ID     tandem.DeviceID
	Key    string // the device's secret; "": the files have it
	Server string // its name for LogLine; Dial without Another leads there

	// OwnCode has the device run Code instead of what the server sends. Code is its
	// text now; ReadCode asks for it again at each start.
	OwnCode bool
	Code    string

	// CrashPause is the longest pause before code that keeps crashing starts again; 0 is
	// tandem.CrashPause.
	CrashPause time.Duration

	// JournalSize bounds the bytes of the logs in which posts, and sends and lines if that is wanted, are
	// kept; 0 is DefaultJournalSize.
	JournalSize int64

	// KeptFor is how long any of them is kept at most; 0: until it was handled.
	KeptFor time.Duration

	// KeepSends and KeepLog have agent.send and the lines of the log kept like posts, until the code says
	// otherwise.
	KeepSends bool
	KeepLog   bool

	Module string       // the type of module that code finds; "" is device.AnyModule
	Board  device.Board // nil: a board on which nothing ever happens
	Flash  device.Flash // nil: none

	// Compile is imp.Compile for the device side. It must be a function of its
	// arguments; callers may cache it.
	Compile func(text string, env map[string]string) (*compile.Program, error)

	// Beside is what a test adds to the machine; nil in production.
	Beside *imp.Beside

	// Chance returns a random number below n, which is not 0.
	Chance func(n uint64) uint64
}

// Core runs one device. It must not be copied, and not be used by two goroutines
// at a time.
type Core struct {
	cfg     Config
	now     tandem.Now // of the current Step
	effects []Effect
	last    uint64 // number of an effect that was given last
	clocks  clocks
	clock   *stamps
	over    bool // Left was said

	disk  disk
	life  life
	run   run
	mail  mail
	net   network
	out   outbox
	posts posts
	lines lines
	known known
	peer  uint64 // the agent's incarnation, 0 unknown
}

// Timing.
const (
	keepAlive   = 40 // seconds; a server notices the loss after one and a half of them
	bootWait    = 5 * time.Second
	firstPause  = 200 * time.Millisecond
	lastPause   = 30 * time.Second
	healthy     = time.Minute // a run this long ends a crash loop
	shortestRun = time.Second // between two starts by server.restart
)

// DefaultJournalSize is that of Config.
const DefaultJournalSize = 64 << 20

// New returns the runtime of a device that is switched off, with what its directory has. Its
// first event is PowerOn. It fails only when the directory is another device's, or when it is not
// known which device this is.
func New(cfg Config, from Contents) (*Core, error) {
	cfg.CrashPause = cmp.Or(cfg.CrashPause, tandem.CrashPause)
	cfg.JournalSize = cmp.Or(cfg.JournalSize, DefaultJournalSize)
	c := &Core{cfg: cfg}
	c.disk.journal.suffix, c.disk.lines.suffix = messagesSuffix, linesSuffix
	c.out.journal, c.out.log = &c.disk.journal, &c.disk.lines
	c.clock = newStamps(c.clocks.read)
	if err := c.identify(from.Files); err != nil {
		return nil, err
	}
	c.load(from)
	have := c.disk.code
	if cfg.OwnCode {
		have = codeOf(cfg.Code, nil)
	}
	if have != nil {
		c.run.code = have
	}
	c.run.incarnation = c.disk.Incarnation
	return c, nil
}

// Step takes an event and returns what is to be done. The slice is reused by the
// next Step. After Left nothing happens any more.
func (c *Core) Step(now tandem.Now, ev Event) []Effect {
	clear(c.effects)
	c.effects = c.effects[:0]
	if c.over {
		return nil
	}
	c.now = now
	c.clocks.set(now)
	c.take(ev)
	c.advance()
	c.flush()
	c.readAhead()
	if c.life.phase == leaving && c.net.conn == nil && !c.held() {
		c.emit(&Left{})
		c.over = true
	}
	return c.effects
}

func (c *Core) take(ev Event) {
	switch ev := ev.(type) {
	case *PowerOn:
		c.powerOn()
	case *PowerCycle:
		c.powerCycle()
	case *Restart:
		c.restart(tandem.ReasonRestart)
	case *Offline:
		c.setOffline(ev.Off)
	case *Changed:
		c.changed(&ev.Change)
	case *Leave:
		c.leave()
	case *Network:
		c.networkChanged(ev)
	case *Reached:
		c.reached(ev)
	case *Dialed:
		c.dialed(ev)
	case *Received:
		c.received(ev)
	case *Written:
		c.written(ev)
	case *Closed:
		c.lost(ev)
	case *FileDone:
		c.fileDone(ev)
	case *FileRead:
		c.fileRead(ev)
	case *CodeRead:
		c.codeRead(ev)
	}
}

func (c *Core) emit(e Effect) {
	if !c.over {
		c.effects = append(c.effects, e)
	}
}

// number returns the number of the next effect that is to be answered.
func (c *Core) number() uint64 {
	c.last++
	return c.last
}

// log has a line for the operator. attrs are keys and values in turn.
func (c *Core) log(level Level, msg string, attrs ...string) {
	l := &LogLine{Level: level, Msg: msg}
	for i := 0; i+1 < len(attrs); i += 2 {
		l.Attrs = append(l.Attrs, Attr{attrs[i], attrs[i+1]})
	}
	c.emit(l)
}

// Deadline returns when Tick is due, on the scale of Mono. There may be nothing
// to wait for.
func (c *Core) Deadline() (at time.Duration, ok bool) {
	consider := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	switch c.life.phase {
	case waitingForLink, pausing, asleep:
		consider(c.life.startAt)
	case running:
		if t, ok := c.run.machine.Alarm(); ok && !c.held() {
			consider(c.now.Mono + t.Sub(c.clocks.passed()))
		}
	}
	if t, ok := c.net.deadline(c.mayDial()); ok {
		consider(t)
	}
	if t, ok := c.diskDeadline(); ok {
		consider(t)
	}
	return at, ok && !c.over
}

// advance does what is due.
func (c *Core) advance() {
	c.advanceNetwork()
	c.advanceDisk()
	due := c.now.Mono >= c.life.startAt
	switch c.life.phase {
	case waitingForLink:
		if c.net.tried || due {
			c.start()
		}
	case pausing, asleep:
		if due {
			c.start()
		}
	case running:
		if at, ok := c.run.machine.Alarm(); ok && !c.held() && !at.After(c.clocks.passed()) {
			c.alarm()
		}
	}
}
