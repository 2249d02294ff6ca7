package chance

import (
	"testing"
	"time"
)

// TestSource: the numbers are those of SplitMix64, and a copy goes on with the same ones.
func TestSource(t *testing.T) {
	s := Source(1234567)
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423} {
		if got := s.Next(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	other := s
	for range 1000 {
		if s.Below(7) != other.Below(7) {
			t.Fatal("a copy differs")
		}
		if d := s.Between(time.Second, 2*time.Second); d < time.Second || d >= 2*time.Second {
			t.Fatal(d)
		}
		if x := s.Share(); x < 0 || x >= 1 {
			t.Fatal(x)
		}
		other = s
	}
}
