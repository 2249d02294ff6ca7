package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
)

// load asks agents through nodes, and compares what they say with all they said before.
type load struct {
	w        *World
	subjects []*subject
	regs     []*Register
	next     int
	ending   bool

	Asked, Saved, Failed, Restarted int
	explained                       time.Duration // agents may be restarted until then
}

// subject is an agent under observation.
type subject struct {
	id    tandem.AgentID
	home  tandem.DeviceID
	busy  bool // it is being asked
	heard time.Duration

	begun, count, saved    int
	unsure                 int // POSTs whose outcome is not known
	up, done               int
	version, deviceVersion int
	ended                  bool // what its device has posted is back
	excused                bool // it was asked to restart itself
}

// Register is a value that several callers write and read, with what they saw.
type Register struct {
	Agent   tandem.AgentID
	History []Operation
	last    int
}

// Operation is a write, or a read, of a register. End is 0 when the outcome is not known.
type Operation struct {
	Client      int
	Write       bool
	Value       int
	Called, End time.Duration
}

const (
	callers   = 16
	clients   = 3 // of each register
	thinkTime = 60 * time.Millisecond
	patience  = 40 * time.Second // of a caller
	wave      = 30 * time.Second // how long after a fault agents may still be restarted by it
)

func newLoad(w *World) *load {
	l := &load{w: w}
	for i := range w.cfg.Agents + w.cfg.Registers {
		id := tandem.AgentID(fmt.Sprintf("agent-%06d", i))
		if i >= w.cfg.Agents {
			l.regs = append(l.regs, &Register{Agent: id})
			continue
		}
		l.subjects = append(l.subjects, &subject{id: id, home: w.homes[id], done: -1})
	}
	return l
}

// begin has callers call.
func (l *load) begin() {
	for range callers {
		l.w.after(l.w.between(0, thinkTime), l.call)
	}
	for _, r := range l.regs {
		for client := range clients {
			l.w.after(l.w.between(0, time.Second), func() { l.use(r, client) })
		}
	}
}

// door returns a node that takes requests; nil when there is none.
func (l *load) door() *node {
	var doors []*node
	for _, n := range l.w.nodes {
		if n.up && n.belonged && !n.closing && n.table != nil && n.paused <= l.w.now {
			doors = append(doors, n)
		}
	}
	if len(doors) == 0 {
		return nil
	}
	return doors[l.w.random.IntN(len(doors))]
}

// call asks the next subject, and then again.
func (l *load) call() {
	if l.ending {
		return
	}
	s := l.subjects[l.next%len(l.subjects)]
	l.next++
	method, path := "GET", "/"
	if l.w.one(4) {
		method = "POST"
	}
	if l.w.one(150) {
		method, path = "POST", "/restart"
	}
	again := func() { l.w.after(l.w.between(thinkTime/2, thinkTime*3/2), l.call) }
	if s.busy {
		again()
		return
	}
	l.ask(s, method, path, again)
}

// ask asks a subject once. Then is called when that has ended.
func (l *load) ask(s *subject, method, path string, then func()) {
	s.busy = true
	s.excused = s.excused || path == "/restart"
	before := s.heard
	l.send(s.id, &tandem.Request{Method: method, Path: path}, func(body string, ok bool) {
		s.busy = false
		if !ok {
			l.Failed++
			if method == "POST" {
				s.unsure++
			}
			then()
			return
		}
		l.Asked++
		if method == "POST" {
			l.Saved++
		}
		l.compare(s, body, method, before)
		then()
	})
}

// send sends a request to an agent by way of some node. then is called once.
func (l *load) send(id tandem.AgentID, r *tandem.Request, then func(body string, ok bool)) {
	n := l.door()
	if n == nil {
		l.w.after(10*time.Millisecond, func() { then("", false) })
		return
	}
	over := false
	end := func(body string, ok bool) {
		if !over {
			over = true
			then(body, ok)
		}
	}
	run, began := n.run, l.w.now
	n.after(l.w.between(0, time.Millisecond), func() {
		n.request(id, r, func(resp *tandem.Response, err error) {
			ok := err == nil && resp.Status == 200
			if !ok {
				l.w.watchLostAnswer(id, resp, began)
				l.w.say("%s %s by %s fails: %v %v", r.Method, id, n.name, err, resp)
				end("", false)
				return
			}
			end(string(resp.Body), true)
		})
	})
	var look func()
	look = func() {
		switch {
		case over:
		case !n.up || n.run != run || l.w.now-began >= patience:
			end("", false)
		default:
			l.w.after(time.Second, look)
		}
	}
	l.w.after(time.Second, look)
}

// compare says whether an answer can be true after those that were before.
func (l *load) compare(s *subject, body, method string, before time.Duration) {
	numbers, wrong, _ := strings.Cut(body, "\n")
	var begun, count, saved, up, done int
	if _, err := fmt.Sscan(numbers, &begun, &count, &saved, &up, &done, &s.version, &s.deviceVersion); err != nil {
		l.w.broken("agent %s answers %q", s.id, body)
		return
	}
	own := 0
	if method == "POST" {
		own = 1
	}
	now := fmt.Sprintf("(now: life %d, count %d, saved %d; before: life %d, count %d, saved %d and perhaps %d more)",
		begun, count, saved, s.begun, s.count, s.saved, s.unsure)
	switch {
	case begun < s.begun:
		l.w.broken("agent %s has begun fewer times than it said before %s", s.id, now)
	case begun == s.begun && count <= s.count:
		l.w.broken("agent %s counts less in one life than before %s", s.id, now)
	case saved < s.saved+own:
		l.w.broken("agent %s has lost an acknowledged save, or two of it run %s", s.id, now)
	case wrong != "":
		l.w.broken("agent %s and its device have found: %s", s.id, wrong)
	case up < s.up:
		l.w.broken("agent %s has had %d posts, and %d before", s.id, up, s.up)
	case saved > s.saved+own+s.unsure:
		l.w.broken("agent %s did a request twice %s", s.id, now)
	}
	if s.begun != 0 && begun != s.begun {
		l.Restarted++
		if before > l.explained && !s.excused {
			l.w.broken("agent %s was restarted, and no fault explains it %s", s.id, now)
		}
	}
	s.unsure -= min(s.unsure, saved-s.saved-own)
	s.begun, s.count, s.saved, s.up, s.done = begun, count, saved, up, done
	s.heard = l.w.now
	if method == "GET" {
		s.excused = false // what it was asked to do before has been done, or never will be
	}
}

// use writes or reads a register, and then again.
func (l *load) use(r *Register, client int) {
	if l.ending {
		return
	}
	op := Operation{Client: client, Write: l.w.one(2), Called: l.w.now}
	path, query := "/read", ""
	if op.Write {
		r.last++
		op.Value = r.last
		path, query = "/write", fmt.Sprintf("v=%d", op.Value)
	}
	l.send(r.Agent, &tandem.Request{Method: "POST", Path: path, Query: query}, func(body string, ok bool) {
		if ok {
			op.End = l.w.now
			if !op.Write {
				if _, err := fmt.Sscan(body, &op.Value); err != nil {
					l.w.broken("register %s reads %q", r.Agent, body)
				}
			}
		}
		if ok || op.Write { // a read of which nothing is known says nothing
			r.History = append(r.History, op)
		}
		l.w.after(l.w.between(0, 400*time.Millisecond), func() { l.use(r, client) })
	})
}

// Registers returns what the callers of registers saw.
func (w *World) Registers() []*Register { return w.load.regs }

// Counts says what was checked.
func (w *World) Counts() (asked, saved, failed, restarted int) {
	return w.load.Asked, w.load.Saved, w.load.Failed, w.load.Restarted
}

// finish asks all agents once more, has the devices stop posting, and waits until all
// that they have posted is back.
func (l *load) finish() {
	for _, s := range l.subjects {
		l.last(s)
	}
}

// last asks a subject until it is at its end.
func (l *load) last(s *subject) {
	again := func() { l.w.after(l.w.between(100*time.Millisecond, 300*time.Millisecond), func() { l.last(s) }) }
	if s.busy {
		again()
		return
	}
	paired := slices.ContainsFunc(l.w.devices, func(d *device) bool { return d.home.ID == s.home })
	asked := func() {
		switch {
		case s.heard < l.w.quiet, s.version != l.w.version, paired && s.deviceVersion != l.w.version:
			again()
		case !paired, s.done >= 0 && s.done == s.up:
			s.ended = true
		default:
			again()
		}
	}
	if !paired || s.done >= 0 && s.done == s.up && s.deviceVersion == l.w.version {
		l.ask(s, "GET", "/", asked)
		return
	}
	s.busy = true
	l.send(s.id, &tandem.Request{Method: "GET", Path: "/halt"}, func(string, bool) {
		s.busy = false
		l.w.after(300*time.Millisecond, func() { l.ask(s, "GET", "/", asked) })
	})
}

// unfinished returns the subjects that have not come to their end.
func (l *load) unfinished() (list []*subject) {
	for _, s := range l.subjects {
		if !s.ended {
			list = append(list, s)
		}
	}
	return list
}
