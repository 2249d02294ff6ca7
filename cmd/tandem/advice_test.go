package main

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var (
	inlineCode  = regexp.MustCompile("`(tandem [^`]+)`")
	commandLine = regexp.MustCompile(`(?m)^ {4}(?:\$ )?(tandem .*)$`)
	advice      = regexp.MustCompile(`\btandem [a-z][a-z-]*(?: --?[a-z-]+| [a-z][a-z-]*)*`)
)

// wrongCommand says what is wrong with a command line; "" if nothing is. Text that only begins with
// tandem is none.
func wrongCommand(app *kong.Application, line string, strict bool) string {
	words := strings.Fields(line)[1:]
	at := app.Node
	for len(words) > 0 && len(at.Children) > 0 {
		word := strings.Trim(words[0], ".,;:()")
		var next *kong.Node
		for _, child := range at.Children {
			if child.Name == word {
				next = child
			}
		}
		switch {
		case next != nil:
		case at == app.Node && !strict, strings.HasPrefix(word, "-"), strings.HasPrefix(word, "<"), word == "help",
			strings.ToUpper(word) == word:
			return ""
		case at == app.Node || at.Positional == nil:
			return "there is no " + word
		}
		at, words = next, words[1:]
	}
	known := map[string]bool{"--help": true, "--version": true}
	for _, group := range at.AllFlags(false) {
		for _, f := range group {
			known["--"+f.Name], known["-"+string(f.Short)] = true, true
			if f.Tag.Negatable != "" {
				known["--no-"+f.Name] = true
			}
		}
	}
	for _, w := range words {
		if strings.ContainsAny(w, "|>&") {
			break // another command begins
		}
		name, _, _ := strings.Cut(strings.Trim(w, "[].,;:)"), "=")
		if strings.HasPrefix(name, "-") && len(name) > 1 && len(at.Children) == 0 && !known[name] {
			return "there is no flag " + name
		}
	}
	return ""
}

// TestAdvice: the commands that documents and messages name are there, with their flags.
func TestAdvice(t *testing.T) {
	app := newParser(&commands{}).Model
	found := 0
	check := func(file, line string, strict bool) {
		found++
		if wrong := wrongCommand(app, line, strict); wrong != "" {
			t.Errorf("%s: %s: %s", file, line, wrong)
		}
	}
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return fs.SkipDir
		case d.Name() == "CHANGELOG.md" || d.IsDir(): // what was is in the one, with its old names
			return nil
		}
		switch filepath.Ext(name) {
		case ".md":
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, form := range []*regexp.Regexp{inlineCode, commandLine} {
				for _, m := range form.FindAllStringSubmatch(string(text), -1) {
					check(name, m[1], true)
				}
			}
		case ".go":
			if strings.HasSuffix(name, "_test.go") {
				return nil
			}
			return eachString(name, func(text string) {
				for _, m := range advice.FindAllString(text, -1) {
					check(name, m, false)
				}
			})
		}
		return nil
	})
	if err != nil || found < 200 {
		t.Errorf("%d commands found: %v", found, err)
	}
}

// eachString calls do for the string literals of a Go file.
func eachString(name string, do func(string)) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile(name, files.Base(), len(text)), text, nil, 0)
	for {
		switch _, tok, lit := s.Scan(); tok {
		case token.EOF:
			return nil
		case token.STRING:
			do(lit)
		}
	}
}
