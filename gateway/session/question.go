package session

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// Kind says what a Question asks.
type Kind uint8

const (
	// Authenticate: is Key the key of Device? The answer is Authenticated.
	Authenticate Kind = iota + 1
	// Connect: Device has a connection; its messages are numbered from Seq. An
	// older connection of the device is to be ended. The answer is Connected.
	Connect
	// Deliver: Device has published message number Seq. The answers are Taken,
	// whether the host has taken it, and when it has, Handled, before or after.
	Deliver
	// Disconnect: the connection has ended, as End says. It is the last question
	// and has no answer.
	Disconnect
)

// Question is something that the session asks of the host or of who knows the
// devices. It is one struct and no interface so that a message does not cost an
// allocation.
type Question struct {
	Kind    Kind
	Device  tandem.DeviceID
	Key     string         // of Authenticate
	Seq     uint64         // of Connect and Deliver
	Topic   string         // of Deliver
	Message tandem.Message // of Deliver; the data is the host's
	Stamp   hlc.Timestamp  // the device's clock, which is to be observed before; 0: none
	End     tandem.LinkEnd // of Disconnect
}

// Level is how important a notice is, with the values of package slog.
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
	Text  string // "": there is no line
	Args  []any  // keys and values in turn
	Over  string // one of tandem.Over; "": none
}

// report is what the session itself has to say to the host.
type report struct{ topic, text string }

// Notices returns what there is to note since the last call.
func (s *Session) Notices() []Notice {
	list := s.notices
	s.notices = nil
	return list
}

func (s *Session) note(level Level, text string, args ...any) {
	s.notices = append(s.notices, Notice{Level: level, Text: text, Args: args})
}

// complain notes what a device does wrong, the first time of a session: it may
// well do it with every message. The device's log has it too, where its
// developer looks.
func (s *Session) complain(text, about, value string) {
	if !s.complained {
		s.complained = true
		s.note(Info, text, about, value)
		s.report("log/error", text+" ("+about+" "+value+")")
	}
}

// report has the host told something with the next questions.
func (s *Session) report(topic, text string) { s.reports = append(s.reports, report{topic, text}) }

// Next sets q to the next question and returns true, or returns false when there
// is none before the next event.
func (s *Session) Next(q *Question) bool {
	switch {
	case s.stage == authenticating && !s.leaving:
		*q = Question{Kind: Authenticate, Device: s.device, Key: string(s.connect.Password)}
		s.stage = authenticate
		return true
	case s.stage == connecting && !s.leaving:
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

// number gives a message for the host its number. It occupies the host until it
// is handled.
func (s *Session) number(q *Question, id uint16) {
	s.seq++
	q.Device, q.Seq = s.device, s.seq
	size := len(q.Message.Data)
	s.handling = append(s.handling, handling{s.seq, uint32(size), id})
	s.handlingBytes += size
}
