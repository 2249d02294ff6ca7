package tandem

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestIDs(t *testing.T) {
	for s, want := range map[string]struct{ device, agent bool }{
		"0123456789abcdef":  {device: true},
		"0123456789ABCDEF":  {},
		"0123456789abcde":   {},
		"0123456789abcdef0": {},
		"T1oUmIZ3At_N":      {agent: true},
		"T1oUmIZ3At-N":      {agent: true},
		"T1oUmIZ3At/N":      {},
		"T1oUmIZ3At_":       {},
		"":                  {},
	} {
		if got := DeviceID(s).Valid(); got != want.device {
			t.Errorf("device id %q: %v", s, got)
		}
		if got := AgentID(s).Valid(); got != want.agent {
			t.Errorf("agent id %q: %v", s, got)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		d, a := NewDeviceID(), NewAgentID()
		k := NewKey()
		if !d.Valid() || !a.Valid() || len(k) != 32 {
			t.Fatalf("%q, %q, %q", d, a, k)
		}
		for _, s := range []string{string(d), string(a), k} {
			if seen[s] {
				t.Fatalf("%q twice", s)
			}
			seen[s] = true
		}
	}
}

func TestErrors(t *testing.T) {
	plain := Errorf(NotFound, "there is no device %s", "x")
	caused := &Error{Kind: Limit, Msg: "too much", Err: fs.ErrExist}
	for _, tc := range []struct {
		err  error
		kind Kind
		text string
	}{
		{plain, NotFound, "there is no device x"},
		{fmt.Errorf("reading: %w", plain), NotFound, "reading: there is no device x"},
		{caused, Limit, "too much: file already exists"},
		{errors.New("odd"), Internal, "odd"},
	} {
		if got := KindOf(tc.err); got != tc.kind || tc.err.Error() != tc.text {
			t.Errorf("%v is %v, want %v", tc.err, got, tc.kind)
		}
	}
	if !errors.Is(caused, fs.ErrExist) {
		t.Error("the cause is lost")
	}
	for k := Internal; k <= Unavailable; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
}
