package life

import (
	"encoding/json"

	"github.com/tandem-iot/tandem"
)

// whereOf returns the place in its code that a device names, nil if it names none. What a
// device says may be anything, but it is of limited size.
func whereOf(text string) *tandem.Where {
	if text == "" || len(text) > tandem.WhereSize {
		return nil
	}
	at := &tandem.Where{}
	if json.Unmarshal([]byte(text), at) != nil || at.Line < 0 {
		return nil
	}
	return at
}
