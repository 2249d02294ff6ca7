package gateway

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
)

// encode converts a message with an agent's value to the format that a device wants.
// A message in JSON stays as it is.
func encode(want tandem.Format, m tandem.Message) (tandem.Message, error) {
	if m.Format != tandem.FormatCompact || want == tandem.FormatCompact {
		return m, nil
	}
	transcode := codec.TranscodeJSON
	if want == tandem.FormatCBOR {
		transcode = codec.TranscodeCBOR
	}
	var err error
	m.Data, err = transcode(m.Data)
	m.Format = want
	return m, err
}
