package main

import (
	"fmt"
	"strings"
)

// ignored is a mutation that tests need not notice.
type ignored struct {
	Func   string
	Text   string // as mutation.text gives it
	Reason string
}

// readIgnored reads an ignore list: for each entry three lines, the last two
// indented, and an empty line after it.
//
//	squirrel.VM.keepScratch
//		bound shifted: cap(b) <= maxScratch → cap(b) < maxScratch
//		It decides how large a buffer is kept, which has no visible effect.
//
// The first line names the package, and the function as Name or Type.Name. The second
// is the mutation as the command prints it, and stands for every such mutation of the
// function. The third is the reason why tests need not notice it. Lines that begin
// with # are comments.
func readIgnored(text string) (list []ignored, err error) {
	var entry []string
	end := func(line int) error {
		if len(entry) == 0 {
			return nil
		}
		if len(entry) != 3 {
			return fmt.Errorf("line %d: an entry is a function, a mutation and a reason on three lines", line)
		}
		list = append(list, ignored{entry[0], entry[1], entry[2]})
		entry = nil
		return nil
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case trimmed == "":
			if err := end(i); err != nil {
				return nil, err
			}
		default:
			entry = append(entry, trimmed)
		}
	}
	return list, end(len(lines))
}

// without returns the mutations that are not on the list, and the number of those that are.
func without(all []mutation, list []ignored) (kept []mutation, count int) {
	on := map[[2]string]bool{}
	for _, e := range list {
		on[[2]string{e.Func, e.Text}] = true
	}
	for _, m := range all {
		if on[[2]string{m.Func, m.text()}] {
			count++
		} else {
			kept = append(kept, m)
		}
	}
	return kept, count
}
