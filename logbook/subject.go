package logbook

import (
	"strings"

	"github.com/tandem-iot/tandem"
)

// streamName is the name of the stream that keeps the lines of all devices. Its
// messages are in our own encoding.
const streamName = "LOG"

// subjectPrefix begins the subject of a device's lines.
const subjectPrefix = "log."

// subject returns the subject of a device's lines. Ids are checked where they enter
// the system, and before lines are appended, so no id has a wildcard.
func subject(id tandem.DeviceID) string { return subjectPrefix + string(id) }

// deviceOf returns the device whose lines have this subject.
func deviceOf(subject string) tandem.DeviceID {
	return tandem.DeviceID(strings.TrimPrefix(subject, subjectPrefix))
}
