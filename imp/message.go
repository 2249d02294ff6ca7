package imp

import (
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Compact returns the data of a message in the compact encoding. The result
// may alias the message's.
func Compact(m tandem.Message) ([]byte, error) {
	switch m.Format {
	case tandem.FormatCompact:
		return m.Data, nil
	case tandem.FormatCBOR:
		return FromCBOR(nil, m.Data)
	default:
		return FromMessageJSON(nil, m.Data)
	}
}

// TranscodeJSON returns the JSON text of a value in the compact encoding, as
// devices get it.
func TranscodeJSON(compact []byte) ([]byte, error) { return ToJSON(nil, compact, JSONStyle{}) }

// TranscodeCBOR returns the CBOR item of a value in the compact encoding.
func TranscodeCBOR(compact []byte) ([]byte, error) { return ToCBOR(nil, compact) }

// LogText returns a string of a program as the log shows it: what is not text
// is shown in hexadecimal.
func LogText(b []byte) string {
	if Safe(b) {
		return string(b)
	}
	var s strings.Builder
	s.WriteString("binary:")
	for _, c := range b {
		fmt.Fprintf(&s, " %02x", c)
	}
	return s.String()
}
