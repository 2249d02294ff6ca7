package syntax

import (
	"bytes"
	"sort"
	"strconv"
	"strings"
)

// Place says that the lines from Line on, up to the next Place, are the lines of File
// from From on.
type Place struct {
	Line, From int32
	File       string
}

// Places are the #line directives of a text, in order.
type Places []Place

// At returns the file and the line there that a line of the text comes from.
// Before the first directive that is the text itself, which is called name.
func (p Places) At(name string, line int32) (string, int32) {
	i := sort.Search(len(p), func(i int) bool { return p[i].Line > line })
	if i == 0 {
		return name, line
	}
	return p[i-1].File, p[i-1].From + line - p[i-1].Line
}

// place gives an error in a text the file and line of the directives, and the excerpt.
func (p Places) place(e *Error, text []byte) *Error {
	e.Excerpt = NewExcerpt(e.File, text, p, int(e.Pos.At))
	e.File, e.Pos.Line = p.At(e.File, e.Pos.Line)
	return e
}

// Fail returns the error of a compiler about a place in a file. plain is what it is in
// plain words, if the original's words do not say it.
func (f *File) Fail(at Pos, msg string, plain ...string) *Error {
	e := &Error{File: f.Name, Pos: at, Msg: msg, plain: strings.Join(plain, " ")}
	return f.Places.place(e, f.Text)
}

// LineStart returns the index in the text at which a line begins.
func (f *File) LineStart(line int32) int32 {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(f.Text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return int32(at)
}

// Require is a #require directive, which asks for a library.
type Require struct {
	Pos        Pos    // of its #, in the text itself
	Begin, End int    // its range in File.Text
	Text       string // the text after the word, without white space around it
}

// Limit of the line number of a #line directive, so that lines fit int32.
const maxDirectedLine = 1 << 30

// directive handles a comment that begins with # and is a directive: only white space may
// be before it on its line. All others are comments.
func (s *scanner) directive() {
	before := bytes.TrimRight(s.src[:s.at], " \t\r")
	if len(before) > 0 && before[len(before)-1] != '\n' {
		return
	}
	line, _, _ := bytes.Cut(s.src[s.at:], []byte("\n"))
	word, rest := line, []byte(nil)
	if i := bytes.IndexAny(line, " \t\r\""); i >= 0 {
		word, rest = line[:i], bytes.TrimSpace(line[i:])
	}
	switch string(word) {
	case "#line":
		s.lineDirective(rest)
	case "#require":
		s.requires = append(s.requires, Require{Pos: s.pos(), Begin: s.at, End: s.at + len(line), Text: string(rest)})
	}
}

// lineDirective reads N or N "file", which applies to the following line.
func (s *scanner) lineDirective(text []byte) {
	number, file, named := bytes.Cut(text, []byte(" "))
	n, err := strconv.Atoi(string(number))
	if err != nil || n < 0 || n > maxDirectedLine {
		return
	}
	name := s.name
	if len(s.places) > 0 {
		name = s.places[len(s.places)-1].File
	}
	if named {
		file = bytes.TrimSpace(file)
		if len(file) < 2 || file[0] != '"' || file[len(file)-1] != '"' {
			return
		}
		name = string(file[1 : len(file)-1])
	}
	s.places = append(s.places, Place{Line: s.line + 1, From: int32(n), File: name})
}
