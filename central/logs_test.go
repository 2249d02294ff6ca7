package central

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestSentLine: a line that a device has kept has the time at which it was written beside the members of impCentral.
func TestSentLine(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	e := tandem.LogEntry{TS: at, Type: tandem.LogDevice, Msg: "a"}
	for want, written := range map[string]time.Time{
		`{"ts":"2026-11-30T12:00:00.000Z","type":"server.log","msg":"a"}`:                                      {},
		`{"ts":"2026-11-30T12:00:00.000Z","type":"server.log","msg":"a","written":"2026-11-23T12:00:00.000Z"}`: at.AddDate(0, 0, -7),
	} {
		e.Written = written
		if got, err := json.Marshal(lineOf(e)); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}
