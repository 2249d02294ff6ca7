package mesh

import "time"

const (
	// downAfter is how long there is no link to a node before the operator is told. A node
	// that dies is declared lost and forgotten before, by default, so that the log has one
	// line about it.
	downAfter  = 6 * time.Second
	dialFirst  = 50 * time.Millisecond // pause after the first failure to connect; doubles
	dialMost   = 2 * time.Second
	shunFirst  = time.Second // time without links after a fault; doubles
	shunMost   = time.Minute
	forgiveIn  = 10 * time.Minute // faults older than this are forgotten
	shunShifts = 6
)

// standing is what is known of the links to a node: when to connect, and what to tell the
// operator. It is pure; times are since a fixed origin.
type standing struct {
	links    int
	since    time.Duration // when the last link ended, or the node became known
	down     bool          // the operator was told that there is no link
	failures int           // to connect, in a row
	dialAt   time.Duration
	faults   int
	faultAt  time.Duration // of the last fault
	until    time.Duration // no links before this time, because of faults
}

// opened records a link. It reports whether the operator is to be told that the node can
// be reached again.
func (s *standing) opened() (back bool) {
	s.links++
	back = s.down
	s.down = false
	return back
}

// closed records the end of a link. One that lived for a moment only counts as a failure
// to connect.
func (s *standing) closed(now, lived time.Duration) {
	if s.links--; s.links > 0 {
		return
	}
	s.since = now
	if lived < dialMost {
		s.failed(now)
		return
	}
	s.failures = 0
	s.dialAt = now
}

// failed records a failure to connect.
func (s *standing) failed(now time.Duration) {
	pause := dialMost
	if s.failures < 6 {
		pause = min(dialFirst<<s.failures, dialMost)
	}
	s.failures++
	s.dialAt = now + pause
}

// fault records a breach of the protocol: for a while there are no links to the node.
func (s *standing) fault(now time.Duration) {
	if now-s.faultAt > forgiveIn {
		s.faults = 0
	}
	s.until = now + min(shunFirst<<min(s.faults, shunShifts), shunMost)
	s.faults++
	s.faultAt = now
}

// shunned reports whether there may be no links to the node.
func (s *standing) shunned(now time.Duration) bool { return now < s.until }

// silent reports, once, that there has been no link for so long that the operator is to be told.
func (s *standing) silent(now time.Duration) bool {
	if s.links > 0 || s.down || now-s.since < downAfter {
		return false
	}
	s.down = true
	return true
}

// next returns when to try to connect, or to look again.
func (s *standing) next() time.Duration {
	if s.links > 0 {
		return never
	}
	return max(s.dialAt, s.until)
}
