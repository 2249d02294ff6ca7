package session

// Load is what a session holds at the moment, each with a bound of its own.
type Load struct {
	Handling, HandlingBytes int // messages that the host has not handled
	Backlog, BacklogBytes   int // messages that the device has not acknowledged; the bytes of those not written, too
	Early, EarlyBytes       int // messages from before the first SUBSCRIBE
	Posts, PostBytes        int // posts that wait for a subscription
	Filters, Answers        int
	Dropping                bool // messages have been dropped, and the device has not caught up since
}

// Load returns what the session holds.
func (s *Session) Load() Load {
	w := s.waiting
	if w == nil {
		w = new(waiting)
	}
	return Load{
		Handling: len(s.handling), HandlingBytes: s.handlingBytes,
		Backlog: len(s.unacked), BacklogBytes: s.backlogBytes + s.unsentBytes,
		Early: len(w.early), EarlyBytes: w.earlyBytes,
		Posts: len(w.posts), PostBytes: w.postBytes,
		Filters: len(s.filters), Answers: s.mqtt.Answers(),
		Dropping: s.overflowed,
	}
}
