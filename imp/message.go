package imp

import "github.com/tandem-iot/tandem"

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
// is shown in hexadecimal, and only so much of it that the log sees that the
// line is too long.
func LogText(b []byte) string {
	if Safe(b) {
		return string(b)
	}
	const digits = "0123456789abcdef"
	b = b[:min(len(b), tandem.LogLineSize/len(" 00")+1)]
	s := make([]byte, 0, len("binary:")+len(" 00")*len(b))
	s = append(s, "binary:"...)
	for _, c := range b {
		s = append(s, ' ', digits[c>>4], digits[c&15])
	}
	return string(s)
}
