package gateway

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
)

// encode puts a message into the format that a device wants, if it is one of an
// agent's values; what is JSON already stays so.
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
