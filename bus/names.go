package bus

import (
	"strings"

	"github.com/tandem-iot/tandem"
)

// LogStream keeps the log lines of all devices; package logbook owns it. Its
// messages are in logbook's own encoding.
const LogStream = "LOG"

// logPrefix begins the subject of a device's log lines.
const logPrefix = "log."

// LogSubjects are all subjects of LogStream.
const LogSubjects = logPrefix + "*"

// LogSubject is the subject of a device's log lines.
func LogSubject(id tandem.DeviceID) string { return logPrefix + string(id) }

// LogDevice is the device whose lines have this subject.
func LogDevice(subject string) tandem.DeviceID {
	return tandem.DeviceID(strings.TrimPrefix(subject, logPrefix))
}
