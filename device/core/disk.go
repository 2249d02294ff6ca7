package core

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/identity"
)

// Names in the device's directory.
const (
	countersFile = "counters"
	stateFile    = "state"
	codeFile     = "code.json"
	postsDir     = "posts/"

	// What a former version has left.
	oldCountersFile = "counters.json"
	oldStateFile    = "state.json"
	oldPostSuffix   = ".json"
)

// Aside is added to the name of a file that cannot be used.
const Aside = ".damaged"

// Kept reports whether a file of the device's directory is one of those that the core is made of,
// by its name. Segments of the journal are not among them.
func Kept(name string) bool {
	switch name {
	case countersFile, stateFile, codeFile, oldCountersFile, oldStateFile:
		return true
	}
	if slices.Contains(identity.Files[:], name) {
		return true
	}
	return strings.HasPrefix(name, postsDir) && strings.HasSuffix(name, oldPostSuffix)
}

// Contents is what the device's directory has.
type Contents struct {
	Files   []File     // all but the journal, in any order
	Journal []*Segment // the files whose names SegmentNumber knows, in any order
	Said    []string   // what the owner of the code is to be told about the directory
}

// File is a file of the device's directory. Name is relative, with slashes.
type File struct {
	Name string
	Data []byte
	Err  error // why it cannot be read
}

// code is device code, as sys/code has it and as it is kept.
type code struct {
	SHA  string            `json:"sha"` // SHA-256 of Text in hexadecimal
	Text string            `json:"code"`
	Env  map[string]string `json:"env,omitempty"`
}

func codeOf(text string, env map[string]string) *code {
	return &code{SHA: sumOf([]byte(text)), Text: text, Env: env}
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// same reports whether two codes behave alike. Either may be nil.
func (k *code) same(o *code) bool {
	return k != nil && o != nil && k.SHA == o.SHA && maps.Equal(k.Env, o.Env)
}

// keptCode is codeFile. Sum is the SHA-256 of the code's JSON, so that the environment is
// checked too; a former version has left it out.
type keptCode struct {
	code
	Sum string `json:"sum,omitempty"`
}

func (k *code) kept() *keptCode { return &keptCode{*k, sumOf(encode(k))} }

// decodeCode reads codeFile. It returns nil when it is damaged.
func decodeCode(data []byte) *code {
	k := &keptCode{}
	if err := json.Unmarshal(data, k); err != nil {
		return nil
	}
	if k.SHA != sumOf([]byte(k.Text)) || k.Sum != "" && k.Sum != sumOf(encode(&k.code)) {
		return nil
	}
	return &k.code
}

// counters never go back.
type counters struct {
	Boot        uint64 `json:"boot"`
	Incarnation uint64 `json:"incarnation"`
	history
	Kept      uint64 `json:"kept,omitempty"`      // an entry of the journal of messages that was on disk then
	KeptLines uint64 `json:"keptLines,omitempty"` // the same of the journal of lines

	Gone uint64      `json:"gone,omitempty"` // the last line that was given up: those up to it need no more sending
	Lost []lostLines `json:"lost,omitempty"` // of which the log does not know yet, in order
}

// durable is what the code and the agent's posts have left. One file has it all,
// so that what becomes durable together does.
type durable struct {
	User []byte `json:"user"` // the user configuration; nil: none

	Permanent []byte `json:"permanent,omitempty"` // the table server.permanent, compact
	Applied   uint64 `json:"applied"`             // number of the newest of the agent's posts that have been handled
	cause
}

// cause is what has made the code post: one of the agent's posts, while it was handled.
type cause struct {
	Numbering string `json:"numbering,omitempty"` // whose posts the number is of, and Applied; "": not known yet
	Cause     uint64 `json:"cause"`               // number of the newest of them during which the code has posted,
	Nth       uint32 `json:"nth"`                 // and how often
}

// disk is the content of the files as it is when all operations are done.
type disk struct {
	counters
	state   durable
	code    *code   // nil: none yet
	journal journal // of messages
	lines   journal // of lines of the log

	counted copies // counters
	stated  copies // state

	asked  []*operation // not done, oldest first
	busy   bool         // the first of them was given to the shell
	since  moment       // before the event whose writes are under way
	causes cause        // what the state on disk says of causes

	sick    error         // why what the code wants to keep cannot be: the last such write has failed
	full    error         // why the journal gets no more room
	shrink  int           // how often the size of the next segment is halved
	freed   int64         // bytes of lines that were given up since a segment was had
	retryAt time.Duration // when to try again, while sick or full
	said    []string      // what a start has found out, until there is a log for it
}

// moment is what an event whose writes fail is undone to.
type moment struct {
	state durable
	last  uint64 // entry of the journal
	made  uint64 // item of the outbox
}

// purpose is what an operation is for.
type purpose uint8

const (
	forBoot     purpose = iota // the counter of boots
	forStart                   // the counter of incarnations
	forCounters                // counters for another reason
	forCode
	forIdentity
	forState
	forProbe // state, though no event has changed it
	forPosts
	forLines
	forMark
	forRoom // a segment
	forAside
	forRemoval
)

// holding reports whether what comes after it must not be seen before it is done.
func (p purpose) holding() bool {
	return p <= forState || p == forPosts || p == forLines || p == forRoom
}

// ofCode reports whether it is written because of what the code or a post of the agent has done.
func (p purpose) ofCode() bool { return p == forState || p == forPosts }

// operation is an effect on the disk that is not done.
type operation struct {
	purpose purpose
	number  uint64
	name    string
	effect  Effect
	of      *journal // forPosts, forLines, forMark, forRoom
	size    int64    // forRoom
	entries span     // forPosts, forLines
	causes  cause    // forState: what it says of them
	after   []string // files that are not needed when it is done
}

// ask has an operation done after those that were asked for before.
func (c *Core) ask(o *operation) {
	c.disk.asked = append(c.disk.asked, o)
	c.nextOperation()
}

// nextOperation gives the shell the oldest operation, when it has none.
func (c *Core) nextOperation() {
	if d := &c.disk; !d.busy && len(d.asked) > 0 {
		d.busy = true
		c.emit(d.asked[0].effect)
	}
}

// askFor makes an operation with the number of its effect.
func (c *Core) askFor(p purpose, name string) *operation {
	return &operation{purpose: p, number: c.number(), name: name}
}

// writeFile has a file replaced.
func (c *Core) writeFile(p purpose, name string, data []byte) *operation {
	o := c.askFor(p, name)
	o.effect = &WriteFile{Number: o.number, Name: name, Data: data}
	c.ask(o)
	return o
}

// removeFile has a file removed that is not needed.
func (c *Core) removeFile(name string) {
	o := c.askFor(forRemoval, name)
	o.effect = &RemoveFile{Number: o.number, Name: name}
	c.ask(o)
}

// writeCopy has the next copy of something written.
func (c *Core) writeCopy(p purpose, k *copies, x any) *operation {
	o := c.askFor(p, k.name)
	o.after, k.old = k.old, nil
	data, offset, whole := k.next(encode(x))
	if whole {
		o.effect = &WriteFile{Number: o.number, Name: k.name, Data: data}
	} else {
		o.effect = &WriteAt{Number: o.number, Name: k.name, Offset: offset, Data: data, Flush: true}
	}
	c.ask(o)
	return o
}

// count has the counters written.
func (c *Core) count(p purpose) uint64 {
	c.disk.Kept, c.disk.KeptLines = c.disk.journal.durable, c.disk.lines.durable
	return c.writeCopy(p, &c.disk.counted, c.disk.counters).number
}

// keepState has the state written, after the posts that were made before.
func (c *Core) keepState(p purpose) {
	c.writeBatch(c.disk.journal.take())
	c.writeCopy(p, &c.disk.stated, &c.disk.state).causes = c.disk.state.cause
}

// writeBatch has entries of a journal written; nil is none.
func (c *Core) writeBatch(b *batch) {
	if b == nil {
		return
	}
	o := c.askFor(forPosts, b.name)
	if b.of == &c.disk.lines {
		o.purpose = forLines
	}
	o.of, o.entries = b.of, b.entries
	o.effect = &WriteAt{Number: o.number, Name: b.name, Offset: b.offset, Data: b.data, Flush: true}
	c.ask(o)
}

// held reports whether something is being written: nothing that comes after it
// may be seen before it is durable.
func (c *Core) held() bool {
	return slices.ContainsFunc(c.disk.asked, func(o *operation) bool { return o.purpose.holding() })
}

// fileDone takes the outcome of the operation that the shell was given. A shell that tells of
// another has done them out of order, and what is on disk cannot be relied on.
func (c *Core) fileDone(ev *FileDone) {
	d := &c.disk
	if !d.busy || d.asked[0].number != ev.Number {
		panic(fmt.Sprintf("core: FileDone %d is not of the operation that was asked for", ev.Number))
	}
	o := d.asked[0]
	d.asked, d.busy = slices.Delete(d.asked, 0, 1), false
	if ev.Err != nil {
		c.notDone(o, ev.Err)
	} else {
		c.done(o)
	}
	c.nextOperation()
	if !c.held() {
		c.release()
	}
}

// done goes on after an operation.
func (c *Core) done(o *operation) {
	for _, name := range o.after {
		c.removeFile(name)
	}
	switch o.purpose {
	case forBoot:
		c.booted()
	case forStart:
		c.started(o.number)
	case forIdentity:
		c.identityKept(o.number)
	case forState:
		c.disk.causes = o.causes
	case forProbe:
		c.disk.causes = o.causes
		c.recovered()
	case forPosts:
		o.of.durable = max(o.of.durable, o.entries.last)
		c.markSettled(o.of, false)
		c.reserve()
	case forLines:
		o.of.durable = max(o.of.durable, o.entries.last)
		c.linesWritten(o.entries)
		c.markSettled(o.of, false)
		c.roomForLines()
	case forRoom:
		o.of.grow(o.size)
		if o.of == &c.disk.lines {
			c.lineRoom()
			return
		}
		c.disk.full, c.disk.freed = nil, 0
		c.reserve()
	}
}

// notDone goes on after an operation that has failed.
func (c *Core) notDone(o *operation, err error) {
	switch o.purpose {
	case forRemoval:
		c.log(Warn, "cannot remove a file that is not needed any more", "file", o.name, "error", err.Error())
	case forAside:
		c.log(Warn, "cannot set a damaged file aside", "file", o.name, "error", err.Error())
	case forMark:
		o.of.seal(o.name)
	case forRoom:
		if o.of == &c.disk.lines {
			c.lineRoomFailed()
			return
		}
		c.noRoom(o.size, err)
	case forLines:
		c.linesNotWritten(o, err)
	case forProbe:
		c.sicken(err)
		c.disk.stated.failed()
	case forCode:
		c.log(Error, "cannot keep the code: after a loss of power the server must send it again", "error", err.Error())
	case forBoot:
		c.disk.counted.failed()
		c.log(Error, "cannot count this start: what is sent now may have to be numbered again", "error", err.Error())
		// A number that was not kept must not be used again.
		c.disk.Boot += 1 + c.cfg.Chance(uncounted)
		c.keepState(forProbe)
		c.booted()
	case forStart:
		c.disk.counted.failed()
		c.log(Error, "cannot count this start of the code", "error", err.Error())
		c.started(o.number)
	case forCounters:
		c.disk.counted.failed()
		c.log(Error, "cannot write the counters", "error", err.Error())
	case forIdentity:
		c.identityLost(o.number, err)
	case forState, forPosts:
		c.undo(o, err)
	}
}

const (
	uncounted = 1 << 20          // bounds the numbers that a boot skips because it cannot be counted
	diskPause = 10 * time.Second // until the next attempt to write to a disk that does not work
)

// started runs the code whose start was counted by an operation.
func (c *Core) started(number uint64) {
	if number == c.life.plan.number {
		c.launch()
	}
}

// sicken notes that nothing can be kept.
func (c *Core) sicken(err error) {
	c.disk.sick, c.disk.retryAt = err, c.now.Mono+diskPause
}

// errNotKept is the end of a connection on which the server is to say again what it has said.
var errNotKept = errors.New("what the server has said last could not be kept, and is to come again")

// undo goes on after what an event wanted to keep cannot be kept: nothing of it was seen, and
// it has not happened. The code, which believes that it has, is started again.
func (c *Core) undo(o *operation, err error) {
	d, since := &c.disk, c.disk.since
	c.sicken(err)
	d.stated.failed()
	d.asked = slices.DeleteFunc(d.asked, func(o *operation) bool { return o.purpose.ofCode() })
	if o.purpose == forPosts {
		d.journal.seal(o.name)
	}
	d.journal.take()
	d.journal.settled.add(since.last+1, d.journal.last)
	d.state = since.state
	c.markSettled(&d.journal, false)
	c.out.withdraw(c.run.gen, since.made)
	c.complain(fmt.Sprintf("the device's disk does not work: %v. What the code has posted or kept last is undone, "+
		"and the code starts again. Until the disk works, tandem.post returns SEND_ERROR_WOULDBLOCK", err))
	if c.run.machine != nil {
		c.halt()
		c.startAfter(shortestRun, device.WakeSoftwareReset, tandem.ReasonFault)
	}
	if len(c.mail.acks) == 0 {
		return
	}
	c.mail.acks, c.posts.arrived = nil, nil
	if c.net.conn != nil {
		c.drop(device.NoServer, errNotKept)
	}
}

// recovered goes on when the disk works again.
func (c *Core) recovered() {
	if c.disk.sick == nil {
		return
	}
	c.disk.sick = nil
	c.announce("The device's disk works again.")
	c.compact(&c.disk.journal)
	c.compact(&c.disk.lines)
	c.reserve()
	c.feedPosts()
}

// advanceDisk tries again what has failed.
func (c *Core) advanceDisk() {
	d := &c.disk
	if d.sick == nil && d.full == nil || c.now.Mono < d.retryAt || len(d.asked) > 0 {
		return
	}
	d.retryAt = c.now.Mono + diskPause
	if d.sick != nil {
		c.keepState(forProbe)
		return
	}
	d.shrink = 0
	c.reserve()
}

// diskDeadline returns when advanceDisk has something to do.
func (c *Core) diskDeadline() (time.Duration, bool) {
	d := &c.disk
	return d.retryAt, (d.sick != nil || d.full != nil) && len(d.asked) == 0 && c.life.phase != off
}

// release goes on with what was held back.
func (c *Core) release() {
	acks := c.mail.acks
	c.mail.acks = nil
	for _, r := range acks {
		c.acknowledge(r)
	}
	c.pump()
}

// encode returns the JSON of what is known to have one.
func encode(x any) []byte {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return b
}
