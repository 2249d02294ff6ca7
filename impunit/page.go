package impunit

import (
	_ "embed"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pageFile is a file on the page of a coverage.
type pageFile struct {
	Name    string
	Lines   []pageLine
	Code    int // lines with statements
	Reached int
	Percent int
}

// pageLine is a line of a file. Class is hit, miss, or "" where no statement begins.
type pageLine struct {
	Number int
	Class  string
	Text   string
}

// WritePage writes the files as a page of HTML, with what was executed.
func (c *Coverage) WritePage(w io.Writer) error {
	var files []pageFile
	for _, name := range c.Files() {
		text, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		f := pageFile{Name: name}
		f.Code, f.Reached = c.Count(name)
		f.Percent = Percent(f.Code, f.Reached)
		for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
			l := pageLine{Number: i + 1, Text: line}
			switch code, reached := c.Line(name, i+1); {
			case reached:
				l.Class = "hit"
			case code:
				l.Class = "miss"
			}
			f.Lines = append(f.Lines, l)
		}
		files = append(files, f)
	}
	return page.Execute(w, files)
}

// Percent returns how many of the lines were executed, in percent, rounded down.
func Percent(lines, reached int) int {
	if lines == 0 {
		return 100
	}
	return 100 * reached / lines
}
