package session

import (
	"strconv"
	"time"
)

// patienceTrips is how many round trips longer a device may be silent: TCP repeats a lost packet after one
// to two of them, then after twice the time, and on a bad link several repetitions in a row are lost.
const patienceTrips = 12

// slowTrip is the round trip from which a link is slow. On others silence is not borne longer.
const slowTrip = 100 * time.Millisecond

// Measured says how long a packet takes to the device and back, as the system has measured it. It is
// called before Tick: a device on a slow link is given more time. 0 is not known.
func (s *Session) Measured(trip time.Duration) {
	if trip >= slowTrip {
		s.bear(s.normal + patienceTrips*min(trip, MaxSilence))
	}
}

// asks grants the device the silence for which it asked in CONNECT. It knows better than the system here
// how slow its link is when a proxy is between.
func (s *Session) asks() {
	text, ok := s.connect.Props.Get("silence")
	if !ok {
		return
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		s.bear(time.Duration(n) * time.Second)
	}
}

// bear has the session bear a silence of the device.
func (s *Session) bear(silence time.Duration) {
	s.silence = max(s.silence, min(silence, MaxSilence))
	s.mqtt.Patient(s.silence)
}

// early returns how long messages wait for the first SUBSCRIBE: a few round trips.
func (s *Session) early() time.Duration { return max(EarlyTime, (s.silence-s.normal)/3) }
