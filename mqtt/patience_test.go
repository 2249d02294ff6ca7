package mqtt

import (
	"bytes"
	"testing"
	"time"
)

// TestPatience: on a link on which an answer takes minutes a client goes on pinging.
func TestPatience(t *testing.T) {
	start := time.Unix(0, 0)
	c, err := NewClient(start, nil, &Connect{Version: V5, CleanStart: true, ClientID: "c", KeepAlive: 40}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const patience = 5 * time.Minute
	c.Patient(patience)
	if got := c.Deadline().Sub(start); got != patience {
		t.Errorf("CONNACK may take %v", got)
	}
	now := start.Add(4 * time.Minute)
	feed := func(p Packet) {
		t.Helper()
		raw, err := Append(nil, p, V5)
		if err != nil {
			t.Fatal(err)
		}
		for n := -1; n != 0; raw = raw[n:] {
			if n, _, err = c.Feed(now, raw); err != nil {
				t.Fatal(err)
			}
		}
	}
	feed(&Connack{})
	if d, ok := c.RoundTrip(); !ok || d != 4*time.Minute {
		t.Errorf("CONNACK has taken %v %v", d, ok)
	}
	pings := 0
	until := func(limit time.Duration) error {
		for end := now.Add(limit); !c.Deadline().After(end); {
			now = c.Deadline()
			if err := c.Tick(now); err != nil {
				return err
			}
			pings += bytes.Count(c.Output(nil), []byte{0xc0, 0})
		}
		return nil
	}
	c.Output(nil)
	if err := until(4 * time.Minute); err != nil || pings < 11 {
		t.Fatalf("after %d pings: %v", pings, err)
	}
	feed(&Ping{Response: true})
	if d, ok := c.RoundTrip(); !ok || d < 3*time.Minute {
		t.Errorf("the first ping has taken %v %v", d, ok)
	}
	heard := now
	if err := until(time.Hour); err != ErrTimeout {
		t.Fatal(err)
	}
	if gone := now.Sub(heard); gone < patience || gone > patience+40*time.Second {
		t.Errorf("a silent server is given up after %v", gone)
	}
}

// TestBearsSilence: a server bears the silence that it was told of, and then ends the session.
func TestBearsSilence(t *testing.T) {
	const patience = 5 * time.Minute
	start := time.Unix(0, 0)
	s := NewServer(start, nil)
	raw, _ := Append(nil, &Connect{Version: V311, CleanStart: true, ClientID: "c", KeepAlive: 40}, V311)
	if _, _, err := s.Feed(start, raw); err != nil {
		t.Fatal(err)
	}
	if err := s.Accept(start, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range []time.Duration{patience, time.Second} {
		s.Patient(d)
		if got := s.Deadline().Sub(start); got != patience {
			t.Errorf("the client may be silent for %v", got)
		}
	}
	if err := s.Tick(start.Add(patience - 1)); err != nil {
		t.Error(err)
	}
	if err := s.Tick(start.Add(patience)); err != ErrTimeout {
		t.Error(err)
	}
}
