// Package span reads spans of time as people write them.
package span

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Longest is the longest span of time.
const Longest = 30 * 365 * 24 * time.Hour

var units = map[string]time.Duration{
	"ms": time.Millisecond, "millisecond": time.Millisecond, "s": time.Second, "second": time.Second,
	"min": time.Minute, "minute": time.Minute, "h": time.Hour, "hour": time.Hour,
	"day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "year": 365 * 24 * time.Hour,
}

// Parse reads a span of time, such as "90 seconds", "3 weeks" or "1 hour 30 minutes".
func Parse(text string) (sum time.Duration, err error) {
	words := strings.Fields(text)
	if len(words)%2 != 0 || len(words) == 0 {
		return 0, fmt.Errorf(`%q is not a span of time such as "3 weeks" or "1 hour 30 minutes"`, text)
	}
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.ParseFloat(words[i], 64)
		unit, ok := units[words[i+1]]
		if !ok {
			unit, ok = units[strings.TrimSuffix(words[i+1], "s")]
		}
		if err != nil || !ok || !(n >= 0 && n <= 1e9) {
			return 0, fmt.Errorf(`%q is not a span of time such as "3 weeks" or "1 hour 30 minutes"`, text)
		}
		if span := n * float64(unit); span > float64(Longest-sum) {
			return 0, fmt.Errorf("%q is longer than 30 years", text)
		}
		sum += time.Duration(n * float64(unit))
	}
	return sum, nil
}
