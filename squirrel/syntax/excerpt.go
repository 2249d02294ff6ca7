package syntax

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Excerpt is the place of an error in the source, for people: where the offending text
// begins. Pos, the place of the original, is where it ends.
type Excerpt struct {
	File  string
	Line  int    // of File, from 1; 0: there is no excerpt
	Col   int    // in characters, from 1
	Text  string // the line without its indent and what is far from the place; tabs are spaces
	Caret int    // how many characters of Text are before the place
}

// excerptReach is how many characters of a line are shown before the place and after it.
const excerptReach = 60

// NewExcerpt returns the excerpt for the byte at an index of a text, whose lines come
// from places, or else from the file with a name. At the end of the text it shows the
// end of what is there beside white space.
func NewExcerpt(name string, text []byte, places Places, at int) Excerpt {
	if at >= len(text) {
		at = len(bytes.TrimRight(text, " \t\r\n"))
	}
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	x := Excerpt{Col: 1 + utf8.RuneCount(text[begin:at])}
	file, line := places.At(name, int32(1+bytes.Count(text[:begin], []byte("\n"))))
	x.File, x.Line = file, int(line)
	rest, _, _ := bytes.Cut(text[at:], []byte("\n"))
	const most = excerptReach * utf8.UTFMax
	before := text[max(begin, at-most-utf8.UTFMax):at]
	after := rest[:min(len(rest), most+utf8.UTFMax)]
	head, tail := shown(bytes.TrimLeft(before, " \t")), shown(bytes.TrimRight(after, " \t\r"))
	if n := len(head) - excerptReach; n > 0 {
		head = append([]rune("…"), head[n:]...)
	}
	if len(tail) > excerptReach {
		tail = append(tail[:excerptReach], '…')
	}
	x.Caret = len(head)
	x.Text = string(head) + string(tail)
	return x
}

// SourceLine returns a line of a text, counted from 1, as an excerpt shows it; "" when
// there is no such line.
func SourceLine(text []byte, line int) string {
	for ; line > 1 && len(text) > 0; line-- {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	text, _, _ = bytes.Cut(text, []byte("\n"))
	text = bytes.TrimSpace(text)
	const most = 2 * excerptReach
	runes := shown(text[:min(len(text), (most+1)*utf8.UTFMax)])
	if len(runes) > most {
		runes = append(runes[:most], '…')
	}
	return string(runes)
}

// shown returns the characters of a text as an excerpt shows them: a tab is four spaces,
// and what has no shape is the replacement character.
func shown(text []byte) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ReplaceAll(strings.ToValidUTF8(string(text), string(utf8.RuneError)), "\t", "    ")))
}

// String returns the line and below it a caret at the place, without a newline at the
// end; "" when there is no excerpt.
func (x Excerpt) String() string {
	if x.Line == 0 || x.Text == "" {
		return ""
	}
	return "    " + x.Text + "\n    " + strings.Repeat(" ", x.Caret) + "^"
}
