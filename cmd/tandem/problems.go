package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// fileNames maps the nodes' names of files to those that people know. A file that is not
// in it has the same name for both.
type fileNames map[string]string

// pairFiles are the files of a pair in a directory; with "" they are named without one.
func pairFiles(dir string) fileNames {
	return fileNames{
		imp.SourceName(tandem.AgentSide):  filepath.Join(dir, agentFile),
		imp.SourceName(tandem.DeviceSide): filepath.Join(dir, deviceFile),
	}
}

// place returns "agent.nut:44".
func (f fileNames) place(file string, line int) string {
	if name, ok := f[file]; ok {
		file = name
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// text replaces the places in a text.
func (f fileNames) text(s string) string {
	for node, name := range f {
		s = strings.ReplaceAll(s, node+":", name+":")
	}
	return s
}

// tracePrefix is how a line of a call stack begins.
const tracePrefix = "  at "

// explained returns the text of a log entry about a place in a program, for people: the
// error in plain words, where it is, the line of the code, and what the program was
// called for.
func explained(e tandem.LogEntry, files fileNames) string {
	at := e.Where
	in := ""
	if at.Function != "" {
		in = " in " + at.Function
	}
	if strings.HasPrefix(e.Msg, tracePrefix) && at.Line > 0 {
		return tracePrefix + files.place(at.File, at.Line) + in
	}
	text := e.Msg
	if at.Plain != "" {
		text = at.Plain
	}
	text = files.text(text)
	if at.Line > 0 {
		text += "\n" + files.place(at.File, at.Line)
		if at.Source != "" {
			text += ": " + at.Source
		}
	}
	if at.During != "" {
		text += "\nin " + at.During
	}
	return text
}

// notCompilable returns why a file does not compile, for people.
func notCompilable(err error) string {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	x := e.Excerpt
	if x.Line == 0 {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Pos.Line, e.Plain())
	}
	return strings.TrimSuffix(fmt.Sprintf("%s:%d:%d: %s\n%s", x.File, x.Line, x.Col, e.Plain(), x), "\n")
}

// crashed returns an uncaught exception for people: what it is, where, and the call stack
// with its variables.
func crashed(e *squirrel.Error) string {
	var b strings.Builder
	text := e.Message
	if e.Plain != "" {
		text = e.Plain
	}
	first := true
	for _, f := range e.Stack {
		if f.Line < 0 {
			continue
		}
		if first {
			fmt.Fprintf(&b, "%s:%d: %s\n", f.Source, f.Line, text)
			if e.Source != "" {
				fmt.Fprintf(&b, "    %s\n", e.Source)
			}
			first = false
		}
		fmt.Fprintf(&b, "%s%s:%d in %s\n", tracePrefix, f.Source, f.Line, f.Func)
		for _, l := range f.Locals {
			if f.Func == "main" && (l.Name == "this" || l.Name == "vargv") {
				continue // they are the same in every program
			}
			fmt.Fprintf(&b, "      %s = %s\n", l.Name, l.Shown())
		}
	}
	if first {
		return text + "\n"
	}
	return b.String()
}
