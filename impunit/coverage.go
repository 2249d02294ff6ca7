package impunit

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/rehearsal"
)

// Coverage is which lines of the code under test have been executed. The zero value is of none.
type Coverage struct {
	files map[string]map[int]bool // by file and line: a statement that begins there was executed
}

// add adds what the worlds of a pair have executed of some files.
func (c *Coverage) add(p *rehearsal.Pair, names ...string) {
	if c.files == nil {
		c.files = map[string]map[int]bool{}
	}
	for _, name := range names {
		if name = filepath.ToSlash(name); name != "" && c.files[name] == nil {
			c.files[name] = map[int]bool{}
		}
	}
	p.Marks(func(_ tandem.Side, file string, line int, reached bool) {
		if lines := c.files[file]; lines != nil && slices.Contains(names, filepath.FromSlash(file)) {
			lines[line] = lines[line] || reached
		}
	})
}

// Files returns the files with code under test, by name.
func (c *Coverage) Files() []string { return slices.Sorted(maps.Keys(c.files)) }

// Line reports whether a statement begins at a line, and whether it was executed.
func (c *Coverage) Line(file string, line int) (code, reached bool) {
	reached, code = c.files[file][line]
	return code, reached
}

// Count returns how many lines of a file have statements, and how many of them were executed.
func (c *Coverage) Count(file string) (lines, reached int) {
	for _, hit := range c.files[file] {
		lines++
		if hit {
			reached++
		}
	}
	return lines, reached
}
