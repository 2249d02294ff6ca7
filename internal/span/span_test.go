package span

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90 seconds": 90 * time.Second, "1 hour 30 minutes": 90 * time.Minute, "3 weeks": 21 * 24 * time.Hour,
		"0.5 s": time.Second / 2, "250 ms": time.Second / 4, "1 day": 24 * time.Hour, "30 years": Longest, "0 s": 0,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "5", "s", "5 moons", "-1 s", "NaN s", "31 years", "30 years 1 s", "1 s 2", "1e300 s",
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
