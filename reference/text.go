package reference

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tandem-iot/tandem/imp"
)

// Syntax returns the form of a call: "server.save(table[, format])".
func (e Entry) Syntax() string {
	if !e.Callable {
		return e.Name
	}
	var b strings.Builder
	b.WriteString(e.Name + "(")
	open := 0
	for i, p := range e.Params {
		if p.Optional {
			b.WriteString("[")
			open++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
	}
	return b.String() + strings.Repeat("]", open) + ")"
}

// sides returns the names of sides as text.
func sides(on imp.Sides) string {
	switch on {
	case imp.OnAgent:
		return "agent"
	case imp.OnDevice:
		return "device"
	}
	return "agent and device"
}

// typeWords are the names of types in the manual, where they differ from those in
// the registry.
var typeWords = map[string]string{
	"any": "anything", "number": "integer or float", "data": "string or blob", "handler": "function or null",
	"o": "null", "i": "integer", "f": "float", "n": "integer or float", "b": "bool", "s": "string",
	"t": "table", "a": "array",
	"c": "function", "g": "generator", "y": "class", "x": "instance", "r": "weak reference",
}

// typeText returns the types that a parameter takes, or a result has, in words.
func typeText(typ string) string {
	alternatives := strings.Split(typ, "|")
	for i, t := range alternatives {
		if words, ok := typeWords[t]; ok {
			alternatives[i] = words
		}
	}
	last := len(alternatives) - 1
	if last == 0 {
		return alternatives[0]
	}
	return strings.Join(alternatives[:last], ", ") + " or " + alternatives[last]
}

const textWidth = 80

// Text writes entries for a terminal: in full when all have the same name,
// otherwise a line for each.
func Text(w io.Writer, entries []Entry) error {
	var b strings.Builder
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Name != entries[0].Name }) {
		list(&b, entries)
	} else {
		for i, e := range entries {
			if i > 0 {
				b.WriteString("\n")
			}
			e.text(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// list writes a line for each entry, under the headings of the objects.
func list(b *strings.Builder, entries []Entry) {
	for _, o := range Objects() {
		lines := slices.DeleteFunc(slices.Clone(o.Entries), func(e Entry) bool {
			wanted := slices.ContainsFunc(entries, func(w Entry) bool { return w.Name == e.Name && w.On == e.On })
			return !wanted || e.Kind == Class && !e.Callable // the heading has its text
		})
		if len(lines) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(o.Name + "\n\n")
		if o.Doc != "" {
			b.WriteString("  ")
			wrapped(b, 2, o.Doc)
			b.WriteString("\n")
		}
		for _, e := range lines {
			e.line(b)
		}
		if more := leadsTo(o.Name, lines); len(more) > 0 {
			b.WriteString("\n  See also ")
			wrapped(b, 11, strings.Join(more, ", "))
		}
	}
}

// leadsTo returns the other objects, apart from the language's types, that
// functions of one return.
func leadsTo(object string, entries []Entry) (names []string) {
	for _, e := range entries {
		for _, result := range strings.Split(e.Result, "|") {
			if result == object || slices.Contains(names, result) {
				continue
			}
			isObject := func(o Object) bool { return o.Name == result && o.Group != "Language" }
			if slices.ContainsFunc(Objects(), isObject) {
				names = append(names, result)
			}
		}
	}
	return names
}

// Index writes the list of all objects for a terminal.
func Index(w io.Writer) error {
	var b strings.Builder
	group := ""
	for _, o := range Objects() {
		if o.Group != group {
			if group != "" {
				b.WriteString("\n")
			}
			group = o.Group
			b.WriteString(group + "\n\n")
		}
		const column = 18
		pad(&b, 2, o.Name, column)
		if len(o.Name) >= column {
			b.WriteString("\n" + strings.Repeat(" ", column+2))
		}
		wrapped(&b, column+2, firstSentence(o.Doc))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line writes an entry as a line of a list.
func (e Entry) line(b *strings.Builder) {
	const column = 38
	name := e.Syntax()
	if e.Kind == Constant {
		name += " = " + e.Value
	}
	pad(b, 2, name, column)
	if utf8.RuneCountInString(name) >= column {
		b.WriteString("\n" + strings.Repeat(" ", column+2))
	}
	doc := firstSentence(e.Doc)
	if e.On != imp.OnBoth {
		doc += " (" + sides(e.On) + ")"
	}
	wrapped(b, column+2, doc)
}

// text writes an entry in full.
func (e Entry) text(b *strings.Builder) {
	first := e.Syntax()
	if e.Result != "" {
		first += " → " + typeText(e.Result)
	}
	if e.Kind == Constant {
		first += " = " + e.Value
	}
	fmt.Fprintf(b, "%s\n\n    ", first)
	wrapped(b, 4, e.Doc)
	fmt.Fprintf(b, "\n    Available on: %s.\n", sides(e.On))
	if len(e.Params) > 0 {
		b.WriteString("\n")
	}
	for _, p := range e.Params {
		pad(b, 4, p.Name, 13)
		doc := typeText(p.Type)
		if p.Optional {
			doc = "optional " + doc
		}
		if p.Doc != "" {
			doc += ": " + p.Doc
		}
		wrapped(b, 17, doc)
	}
	if len(e.Throws) > 0 {
		b.WriteString("\n    Throws, besides errors about wrong types:\n")
		for _, t := range e.Throws {
			b.WriteString("      ")
			wrapped(b, 6, t)
		}
	}
	b.WriteString("\n    Example:\n\n")
	for line := range strings.Lines(e.Example) {
		b.WriteString("        " + strings.TrimSuffix(line, "\n") + "\n")
	}
	if e.Source != "tandem" {
		fmt.Fprintf(b, "\n    See also %s\n", e.Source)
	}
}

func pad(b *strings.Builder, indent int, s string, width int) {
	b.WriteString(strings.Repeat(" ", indent) + s)
	if n := width - utf8.RuneCountInString(s); n > 0 {
		b.WriteString(strings.Repeat(" ", n))
	}
}

// wrapped writes text that begins at a column, in lines of textWidth, and a line
// end.
func wrapped(b *strings.Builder, column int, text string) {
	at := column
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > textWidth:
			b.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteString("\n")
}

func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}
