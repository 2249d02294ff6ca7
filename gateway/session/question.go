package session

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// Kind is the kind of a Question.
type Kind uint8

const (
	// Authenticate asks whether the client is Device, by Key or by its certificate. The answers are
	// Inherit, if the device is admitted, and Authenticated.
	Authenticate Kind = iota + 1
	// Connect says that Device has a connection, whose messages are numbered from Seq.
	// An older connection of the device must be ended. The answer is Connected.
	Connect
	// Deliver says that Device has published message number Seq. The answers are Taken,
	// whether the host has taken it, and if it has, Handled, before or after Taken.
	Deliver
	// Disconnect says that the connection has ended, and End how. It is the last
	// question and has no answer.
	Disconnect
)

// Question is a question of the session to the host or to the store of devices. It is
// one struct and not an interface so that a message does not cost an allocation.
type Question struct {
	Kind    Kind
	Device  tandem.DeviceID
	Key     string         // of Authenticate; "" if there is a certificate instead
	Seq     uint64         // of Connect and Deliver
	Topic   string         // of Deliver
	Message tandem.Message // of Deliver; the host owns the data
	Stamp   hlc.Timestamp  // the device's clock, to be observed first; 0: none
	End     tandem.LinkEnd // of Disconnect
}

// Level is the level of a notice, with the values of package slog.
type Level int8

// Levels of notices.
const (
	Debug Level = -4
	Info  Level = 0
	Warn  Level = 4
	Error Level = 8
)

// Notice is a line for the operator's log, a limit that was met, or both.
type Notice struct {
	Level Level
	Text  string // "": no line
	Args  []any  // keys and values in turn
	Over  string // one of tandem.Over; "": none
}

// report is a message of the session itself to the host.
type report struct{ topic, text string }

// Notices returns the notices since the last call.
func (s *Session) Notices() []Notice {
	list := s.notices
	s.notices = nil
	return list
}

// severity is the level of what a client has done. Clients that are not authenticated must not
// fill the operator's log.
func (s *Session) severity() Level {
	if s.stage < connecting {
		return Debug
	}
	return Info
}

func (s *Session) note(level Level, text string, args ...any) {
	s.notices = append(s.notices, Notice{Level: level, Text: text, Args: args})
}

// complain notes a fault of the device, the first one of a session: the device may
// make it with every message. It is written to the device's log too, where its
// developer sees it.
func (s *Session) complain(text, about, value string) {
	if !s.complained {
		s.complained = true
		s.note(Info, text, about, value)
		s.report("log/error", text+" ("+about+" "+value+")")
	}
}

// report adds a report, which the host gets with the next questions.
func (s *Session) report(topic, text string) { s.reports = append(s.reports, report{topic, text}) }

// Next sets q to the next question and returns true. It returns false when there is
// none before the next event.
func (s *Session) Next(q *Question) bool {
	switch {
	case s.stage == authenticating && !s.leaving:
		*q = Question{Kind: Authenticate, Device: s.device, Key: string(s.connect.Password)}
		s.stage = authenticate
		return true
	case s.stage == connecting && !s.leaving && s.rest == 0:
		*q = Question{Kind: Connect, Device: s.device, Seq: 1, Stamp: s.clock}
		s.stage = connect
		return true
	case s.stage < connect || s.stage == told:
		return false
	case s.stage == open && s.publish != nil && !s.failed:
		s.deliver(q)
		return true
	case s.stage == open && len(s.reports) > 0 && !s.failed:
		r := s.reports[0]
		if s.reports = s.reports[1:]; len(s.reports) == 0 {
			s.reports = nil
		}
		*q = Question{Kind: Deliver, Topic: r.topic, Message: tandem.Message{Data: []byte(r.text)}}
		s.number(q, 0)
		return true
	case s.closed:
		*q = Question{Kind: Disconnect, Device: s.device, End: tandem.LinkEnd{Clean: s.clean, Lost: s.lost}}
		s.stage = told
		return true
	}
	return false
}

// number gives a message for the host its number, and adds it to those that the host
// handles.
func (s *Session) number(q *Question, id uint16) {
	s.seq++
	q.Device, q.Seq = s.device, s.seq
	size := len(q.Message.Data)
	s.handling = append(s.handling, handling{seq: s.seq, size: uint32(size), id: id})
	s.handlingBytes += size
}
