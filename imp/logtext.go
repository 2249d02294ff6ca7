package imp

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
)

// LogText returns a string of a program in the form in which the log shows it, but only
// one byte more than fits a line, so that the log cuts the line and says so. Bytes that
// are not text are shown in hexadecimal.
func LogText(b []byte) string {
	if codec.Safe(b) {
		return string(b[:min(len(b), tandem.LogLineSize+1)])
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
