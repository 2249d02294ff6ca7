package trial

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
)

// Cover is which faults have been tried where: after what has happened, and how often.
type Cover struct {
	cells map[string]map[string]*Cell // by kind, and by what had happened
}

// Cell is how often a kind of fault was tried after something, and how often something was wrong.
type Cell struct{ Tried, Broken int }

func (c *Cover) add(x *Single, broken bool) {
	if c.cells == nil {
		c.cells = map[string]map[string]*Cell{}
	}
	row := c.cells[x.Kind]
	if row == nil {
		row = map[string]*Cell{}
		c.cells[x.Kind] = row
	}
	at := row[x.What]
	if at == nil {
		at = &Cell{}
		row[x.What] = at
	}
	at.Tried++
	if broken {
		at.Broken++
	}
}

// places returns after what faults were tried: the agent's, then the device's.
func (c *Cover) places() []string {
	all := map[string]bool{}
	for _, row := range c.cells {
		for what := range row {
			all[what] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Row is a kind of fault, with a cell for each place; nil where it was not tried.
type Row struct {
	Kind  string
	Cells []*Cell
}

// Table returns what was covered: the places, and a row for each kind of fault.
func (c *Cover) Table() (places []string, rows []Row) {
	places = c.places()
	for i := range Kinds {
		name := Kinds[i].Name
		cells := c.cells[name]
		if cells == nil {
			continue
		}
		row := Row{Kind: name}
		for _, place := range places {
			row.Cells = append(row.Cells, cells[place])
		}
		rows = append(rows, row)
	}
	return places, rows
}

// column names a place in the text: a, b, … z, aa, ab, ….
func column(i int) string {
	name := string(rune('a' + i%26))
	if i >= 26 {
		return column(i/26-1) + name
	}
	return name
}

// WriteText writes the table for people.
func (c *Cover) WriteText(w io.Writer) error {
	places, rows := c.Table()
	if len(rows) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "How often each fault was tried, and after what:\n")
	for i, place := range places {
		fmt.Fprintf(&b, "  %-2s %s\n", column(i), place)
	}
	fmt.Fprintf(&b, "  %-28s", "")
	for i := range places {
		fmt.Fprintf(&b, "%6s", column(i))
	}
	b.WriteByte('\n')
	for _, row := range rows {
		fmt.Fprintf(&b, "  %-28s", row.Kind)
		for _, cell := range row.Cells {
			switch {
			case cell == nil:
				b.WriteString("     .")
			case cell.Broken > 0:
				fmt.Fprintf(&b, "%5d!", cell.Tried)
			default:
				fmt.Fprintf(&b, "%6d", cell.Tried)
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

//go:embed cover.html
var coverPage string

var page = template.Must(template.New("cover").Funcs(template.FuncMap{"shade": shade}).Parse(coverPage))

// shade is how dark a cell is, in percent.
func shade(c *Cell) int {
	n := 12
	for tried := c.Tried; tried > 0; tried /= 2 {
		n += 6
	}
	return min(n, 90)
}

// WritePage writes the table as a page of HTML, with the story of what was found if there is one.
func (c *Cover) WritePage(w io.Writer, summary, story string) error {
	places, rows := c.Table()
	return page.Execute(w, struct {
		Summary, Story string
		Places         []string
		Rows           []Row
	}{summary, story, places, rows})
}
