package central

import (
	"slices"

	"github.com/tandem-iot/tandem"
)

// keptLines is more than the number of lines that a logbook keeps per device.
const keptLines = 10_000

// listLogs sends a device's lines, the newest first.
func (c *call) listLogs() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	number, page := c.page()
	from := min(page.After+page.Skip, keptLines) // the After of a page of lines is how many are newer
	lines, err := c.Log.History(c.ctx, d.ID, min(from+page.Limit+1, keptLines))
	if err != nil {
		return err
	}
	slices.Reverse(lines)
	return sendPart(c, number, page, lines, func(e tandem.LogEntry) any {
		line := lineOf(e)
		line.Device = ""
		return line
	})
}

// sentLine is a log line in the form in which it is sent. Its first members are those of
// impCentral; Where and Written add others.
type sentLine struct {
	Device tandem.DeviceID `json:"device_id,omitempty"`
	TS     string          `json:"ts"`
	Type   string          `json:"type"`
	Msg    string          `json:"msg"`
	*tandem.Where
	Written string `json:"written,omitempty"` // when the device wrote it, that has kept it since
}

func lineOf(e tandem.LogEntry) sentLine {
	line := sentLine{Device: e.Device, TS: stamp(e.TS), Type: e.Type, Msg: e.Msg, Where: e.Where}
	if !e.Written.IsZero() {
		line.Written = stamp(e.Written)
	}
	return line
}
