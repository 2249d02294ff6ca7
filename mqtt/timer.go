package mqtt

import "time"

// Deadline returns when Tick must be called, zero if it need not be. It changes with
// every call of another method. While the session is Blocked nothing is read from the
// peer, so its silence does not count.
func (s *session) Deadline() time.Time {
	switch {
	case s.phase == phaseAccepting || s.phase >= phaseLeaving:
		return time.Time{}
	case s.phase == phaseOpen && (s.patience == 0 || s.held != 0 && !s.client):
		return time.Time{}
	}
	return s.deadline
}

// Tick does what is due at now. When the peer has been silent for too long, the session
// ends and Tick returns ErrTimeout. Bytes that have arrived should be fed before.
func (s *session) Tick(now time.Time) error {
	deadline := s.Deadline()
	if deadline.IsZero() || now.Before(deadline) {
		return nil
	}
	if s.phase == phaseOpen && s.client && !s.unanswered(now) {
		s.look(now)
		return nil
	}
	s.fail(ErrTimeout)
	return ErrTimeout
}

// Resumed tells a server's session that its owner reads from the client again, having read
// nothing for a time of which the session does not know. The client was not silent meanwhile.
func (s *Server) Resumed(now time.Time) {
	switch {
	case s.phase == phaseNew:
		s.deadline = now.Add(connectTimeout)
	case s.phase == phaseOpen && s.patience > 0:
		s.deadline = now.Add(s.patience)
	}
}

// Patience returns how long the client may be silent, from Accept on; 0: for any time.
func (s *Server) Patience() time.Duration { return s.patience }

// Patient says that the client's link is so slow that its silence may last as long as d. A client
// without a keep-alive time may be silent anyway, and a shorter d changes nothing.
func (s *Server) Patient(d time.Duration) {
	if s.phase == phaseOpen && s.patience > 0 && d > s.patience {
		s.deadline = s.deadline.Add(d - s.patience)
		s.patience = d
	}
}

// probe is what a client asks the server to learn whether it is there, and how far away.
type probe struct {
	now      time.Time     // of the Feed under way
	patience time.Duration // for an answer
	quiet    time.Time     // when the first ping was sent since which nothing has come
	sent     time.Time     // when what is measured was sent: CONNECT or a ping; zero: nothing is
	pings    int           // without an answer
	trip     time.Duration // what was measured last
	measured bool          // and not told
}

// measure notes how long an answer has taken.
func (p *probe) measure() {
	p.trip, p.measured = p.now.Sub(p.sent), true
	p.sent = time.Time{}
}

// pong handles the answer to the oldest ping. Of several pings only the first is measured.
func (p *probe) pong() {
	if p.pings > 0 {
		p.pings--
	}
	if !p.sent.IsZero() {
		p.measure()
	}
}

// unanswered reports whether the server has been silent for too long after a ping.
func (s *session) unanswered(now time.Time) bool {
	return s.pinged && !s.heard && s.held == 0 && !now.Before(s.giveUp())
}

// giveUp returns when an answer to the pings must have come.
func (s *session) giveUp() time.Time { return s.probe.quiet.Add(max(s.patience, s.probe.patience)) }

// look pings the server, unless both sides have sent something since the last look.
func (s *session) look(now time.Time) {
	if s.heard || !s.pinged {
		s.probe.quiet = now
	}
	s.pinged = !s.spoke || !s.heard
	s.deadline = now.Add(s.patience)
	if s.pinged {
		s.answers = append(s.answers, answer{kind: TypePingreq})
		if s.probe.pings++; s.probe.pings == 1 {
			s.probe.sent = now
		}
		if by := s.giveUp(); by.After(now) && by.Before(s.deadline) {
			s.deadline = by
		}
	}
	s.heard, s.spoke = false, false
}

// noteProgress postpones the deadline when there are new bytes, even a part of a
// packet: a large packet on a slow link is not silence.
func (s *session) noteProgress(now time.Time, have int) {
	if have <= s.seen && s.held == 0 {
		return
	}
	s.heard = true
	if !s.client && s.phase == phaseOpen && s.patience > 0 {
		s.deadline = now.Add(s.patience)
	}
}
