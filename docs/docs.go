// Package docs holds the documents of this directory, and the guides in guides/,
// so that the manual of a node can show them. They are Markdown; links between
// them are relative, as everywhere in the repository.
package docs

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.md guides/*.md
var files embed.FS

// Document is one of the documents.
type Document struct {
	Name  string // of the file, without directory and extension
	Title string
	Text  string // Markdown, with the title as its first line
}

// Guides returns the guides in the order in which to read them.
func Guides() []Document {
	return read("guides/", "getting-started", "agent-life", "in-step", "offline", "testing", "rehearsing", "enrolling",
		"running-a-device", "from-electric-imp")
}

// Documents returns the documents that are no guides.
func Documents() []Document {
	return read("", "squirrel", "serialisation", "limits", "link", "modules", "commands", "agents", "api", "accounts",
		"metrics", "cluster", "storage", "opcodes")
}

func read(dir string, names ...string) (all []Document) {
	for _, name := range names {
		text, err := files.ReadFile(dir + name + ".md")
		if err != nil {
			panic(fmt.Sprintf("docs: %v", err)) // the lists above are wrong; the test finds it
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		all = append(all, Document{Name: name, Title: title, Text: string(text)})
	}
	return slices.Clip(all)
}
