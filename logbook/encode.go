package logbook

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

// A line in the stream: a version byte, Clock and ts as 8 bytes each (big
// endian; ts in ms since 1970), the length of the type as one byte, the type,
// the message. The device is in the subject, and the place in a program that the line
// is about, if any, in a header, which versions that do not know of it leave alone.
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

// headerWhere is the header with the Where of a line as JSON, which has no newlines.
const headerWhere = "Where"

// header returns the header of a line, nil when it is about no place.
func header(at *tandem.Where) nats.Header {
	if at == nil {
		return nil
	}
	data, err := json.Marshal(at)
	if err != nil {
		panic(err) // a struct of strings
	}
	return nats.Header{headerWhere: {string(data)}}
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
