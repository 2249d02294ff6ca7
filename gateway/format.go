package gateway

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/mqtt"
)

// format is what a device wants to receive.
type format tandem.Format

// formats lists the values of the user property format of CONNECT.
var formats = map[string]format{
	"":        format(tandem.FormatJSON),
	"json":    format(tandem.FormatJSON),
	"compact": format(tandem.FormatCompact),
	"cbor":    format(tandem.FormatCBOR),
}

// contentTypes is how a v5 device is told the format. Nothing means JSON.
var contentTypes = [...]string{
	tandem.FormatJSON:    "",
	tandem.FormatCompact: tandem.ContentCompact,
	tandem.FormatCBOR:    tandem.ContentCBOR,
}

// parcel is a message as it goes to the device.
type parcel struct {
	topic       string
	contentType string
	data        []byte
	incarnation uint64 // of the agent; 0: it is not the agent's message
	post, after uint64 // its number, and the one before's, when the agent is to hear that it has been handled
}

// encode puts a message into the device's format, if it is one of an agent's
// values; what is JSON already stays so.
func (f format) encode(topic string, m tandem.Message) (parcel, error) {
	if m.Format != tandem.FormatCompact || f == format(tandem.FormatCompact) {
		return parcel{topic, contentTypes[m.Format], m.Data, m.Incarnation, m.Post, m.After}, nil
	}
	var (
		data []byte
		err  error
	)
	if f == format(tandem.FormatCBOR) {
		data, err = codec.TranscodeCBOR(m.Data)
	} else {
		data, err = codec.TranscodeJSON(m.Data)
	}
	return parcel{topic, contentTypes[f], data, m.Incarnation, m.Post, m.After}, err
}

// formatOf returns the format a v5 device says a message has. Text and other
// types count as JSON, which takes anything.
func formatOf(p *mqtt.Properties) tandem.Format {
	switch p.ContentType {
	case tandem.ContentCompact:
		return tandem.FormatCompact
	case tandem.ContentCBOR:
		return tandem.FormatCBOR
	}
	return tandem.FormatJSON
}
