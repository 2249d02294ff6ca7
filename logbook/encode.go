package logbook

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

// A line in the stream: a version byte, Clock and ts as 8 bytes each (big
// endian; ts in ms since 1970), the length of the type as one byte, the type,
// the message. The device is in the subject. The place in a program that the line is about, and
// its device's number of it, and when it was written, are in headers if it has them, which versions
// that do not know of them leave alone.
const (
	version    = 1
	headerSize = 1 + 8 + 8 + 1
)

func encode(e tandem.LogEntry, ts int64) []byte {
	if len(e.Type) > 255 {
		e.Type = e.Type[:255]
	}
	b := make([]byte, 0, headerSize+len(e.Type)+len(e.Msg))
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, e.Clock)
	b = binary.BigEndian.AppendUint64(b, uint64(ts))
	b = append(b, byte(len(e.Type)))
	b = append(b, e.Type...)
	return append(b, e.Msg...)
}

func decode(subject string, b []byte) (tandem.LogEntry, error) {
	if len(b) < headerSize || b[0] != version || len(b) < headerSize+int(b[17]) {
		return tandem.LogEntry{}, tandem.Errorf(tandem.Internal, "a line of %s in the log stream has an unknown format",
			subject)
	}
	kind := headerSize + int(b[17])
	return tandem.LogEntry{
		Device: deviceOf(subject),
		TS:     time.UnixMilli(int64(binary.BigEndian.Uint64(b[9:]))).UTC(),
		Type:   string(b[headerSize:kind]),
		Msg:    string(b[kind:]),
		Clock:  binary.BigEndian.Uint64(b[1:]),
	}, nil
}

// Headers of a line: its Where as JSON, which has no newlines, its Mark as BOOT.SEQ, and its Written
// in ms since 1970.
const (
	headerWhere   = "Where"
	headerMark    = "Mark"
	headerWritten = "Written"
)

// header returns the header of a line, nil when it has none.
func header(e *tandem.LogEntry) nats.Header {
	if e.Where == nil && e.Mark.Boot == 0 && e.Written.IsZero() {
		return nil
	}
	h := nats.Header{}
	if e.Where != nil {
		data, err := json.Marshal(e.Where)
		if err != nil {
			panic(err) // a struct of strings
		}
		h[headerWhere] = []string{string(data)}
	}
	if m := e.Mark; m.Boot != 0 {
		h[headerMark] = []string{strconv.FormatUint(m.Boot, 10) + "." + strconv.FormatUint(m.Seq, 10)}
	}
	if !e.Written.IsZero() {
		h[headerWritten] = []string{strconv.FormatInt(e.Written.UnixMilli(), 10)}
	}
	return h
}

// mark returns the Mark of a line from its header, zero when there is none or it cannot be read.
func mark(h nats.Header) tandem.Mark {
	boot, seq, _ := strings.Cut(h.Get(headerMark), ".")
	b, bad := strconv.ParseUint(boot, 10, 64)
	s, worse := strconv.ParseUint(seq, 10, 64)
	if bad != nil || worse != nil {
		return tandem.Mark{}
	}
	return tandem.Mark{Boot: b, Seq: s}
}

// writtenAt returns when a line was written from its header; zero: that is not known.
func writtenAt(h nats.Header) time.Time {
	ms, err := strconv.ParseInt(h.Get(headerWritten), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// where returns the place of a line from its header. One that cannot be read is left out:
// the line itself is worth more.
func where(h nats.Header) *tandem.Where {
	text := h.Get(headerWhere)
	if text == "" {
		return nil
	}
	at := &tandem.Where{}
	if json.Unmarshal([]byte(text), at) != nil {
		return nil
	}
	return at
}
