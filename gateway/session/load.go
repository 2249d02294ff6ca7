package session

// Load is the current contents of a session, each with a limit of its own.
type Load struct {
	Handling, HandlingBytes int // messages that the host has not handled
	Backlog, BacklogBytes   int // messages that the device has not acknowledged; bytes include messages not written yet
	Early, EarlyBytes       int // messages that wait for the first SUBSCRIBE
	Posts, PostBytes        int // posts that wait for a subscription
	Filters, Answers        int
	Dropping                bool // messages were dropped, and the device has not caught up since
}

// Load returns the current contents of the session.
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
