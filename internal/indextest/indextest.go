// Package indextest compares the vendor's index of names with what programs can use.
//
// The index is a file of names, each after the pages that have it. A name must be there
// for a program, or in the table of what is not there, in docs/guides/from-electric-imp.md,
// which gives a reason.
package indextest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Read returns the names in an index file. Each has a page.
func Read(t *testing.T, path string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	page := ""
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
		case words[0] == "page":
			page = strings.Join(words[1:], " ")
		case page == "":
			t.Errorf("%s: %v have no page", path, words)
		default:
			for _, name := range words {
				if seen[name] {
					t.Errorf("%s: %s twice", path, name)
				}
				seen[name] = true
			}
			names = append(names, words...)
		}
	}
	return names
}

// heading of the table of what is not there.
const heading = "## What is not there\n"

// Absent returns the names in the table of what is not there; the name of an object
// stands for its methods. Every row has a reason.
func Absent(t *testing.T, document string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), heading)
	if !ok {
		t.Fatalf("%s has no heading %q", document, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	absent := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		reason := strings.TrimSpace(cells[2])
		for i, name := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				absent[name] = reason
			}
		}
		if reason == "" {
			t.Errorf("%s: no reason for %s", document, cells[1])
		}
	}
	return absent
}

// Listed reports whether a name, or an object that it is in, is in the table.
func Listed(absent map[string]string, name string) bool {
	for {
		if absent[name] != "" {
			return true
		}
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			return false
		}
		name = name[:dot]
	}
}

// Program is code that prints each of the names that it cannot use. Instances of classes
// come from instances, which are expressions.
func Program(names []string, instances map[string]string) string {
	var src strings.Builder
	for _, name := range names {
		use := name
		if class, method, ok := strings.Cut(name, "."); ok && instances[class] != "" {
			use = instances[class] + "." + method
		}
		fmt.Fprintf(&src, "try { local x = %s; } catch (e) { print(%q); }\n", use, "missing "+name)
	}
	return src.String()
}

// Compare fails for each name that is missing and not in the table, and for each that is
// in it and not missing.
func Compare(t *testing.T, names []string, absent map[string]string, missing func(name string) bool) {
	t.Helper()
	for _, name := range names {
		listed := Listed(absent, name)
		switch gone := missing(name); {
		case gone && !listed:
			t.Errorf("%s is not there: add it, or a row with the reason to the table of what is not there", name)
		case !gone && listed:
			t.Errorf("%s is there and in the table of what is not: remove the row", name)
		}
	}
}
