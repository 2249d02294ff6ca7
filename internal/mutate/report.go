package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// tally is a row of the table.
type tally struct {
	name     string
	verdicts [uncompiled + 1]int
	ignored  int
}

func (t *tally) add(v verdict) { t.verdicts[v]++ }

// tried returns the number of mutations against which tests have run.
func (t *tally) tried() int { return t.verdicts[survived] + t.verdicts[noticed] + t.verdicts[timedOut] }

func (t *tally) percent() string {
	if t.tried() == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %%", 100*(t.tried()-t.verdicts[survived])/t.tried())
}

// printTable prints a row for each package, and their sum when there are several.
func printTable(out io.Writer, rows []tally) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "package\ttried\tnoticed\ttimed out\tsurvived\tof tried\tnot compiled\tignored\t")
	sum := tally{name: "all"}
	row := func(t tally) {
		v := t.verdicts
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t\n",
			t.name, t.tried(), v[noticed], v[timedOut], v[survived], t.percent(), v[uncompiled], t.ignored)
	}
	for _, t := range rows {
		row(t)
		for v, n := range t.verdicts {
			sum.verdicts[v] += n
		}
		sum.ignored += t.ignored
	}
	if len(rows) > 1 {
		row(sum)
	}
	w.Flush()
}

// The marks of lines before and after a mutation.
const (
	removed = "  - "
	added   = "  + "
)

// printSurvivor prints a mutation that no test has noticed, with its lines before and
// after. The second and third line have the form of the ignore list.
func printSurvivor(out io.Writer, m mutation) {
	before, after := changedLines(m)
	file := m.File
	if dir, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(dir, file); err == nil {
			file = rel
		}
	}
	fmt.Fprintf(out, "%s:%d\n%s\n\t%s\n", file, m.Line, m.Func, m.text())
	fmt.Fprintf(out, "%s%s\n", prefixed(removed, before), prefixed(added, after))
}

func prefixed(mark, lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString(mark + strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// changedLines returns the whole lines that a mutation changes, before and after.
func changedLines(m mutation) (before, after string) {
	from := bytes.LastIndexByte(m.src[:m.Start], '\n') + 1
	to := len(m.src)
	if i := bytes.IndexByte(m.src[m.End:], '\n'); i >= 0 {
		to = m.End + i
	}
	before = string(m.src[from:to])
	after = string(m.src[from:m.Start]) + m.New + string(m.src[m.End:to])
	return before, after
}
