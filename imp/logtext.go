package imp

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
)

// LogText returns a string of a program as the log shows it: what is not text
// is shown in hexadecimal, and only so much of it that the log sees that the
// line is too long.
func LogText(b []byte) string {
	if codec.Safe(b) {
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
