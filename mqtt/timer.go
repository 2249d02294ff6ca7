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
	if s.phase == phaseOpen && s.client && (!s.pinged || s.heard || s.held != 0) {
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

// look pings the server, unless both sides have sent something since the last look.
func (s *session) look(now time.Time) {
	s.pinged = !s.spoke || !s.heard
	if s.pinged {
		s.answers = append(s.answers, answer{kind: TypePingreq})
	}
	s.heard, s.spoke = false, false
	s.deadline = now.Add(s.patience)
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
