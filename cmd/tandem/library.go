package main

import (
	"context"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/tandem-iot/tandem"
)

type libraryCmd struct {
	Add  libraryAddCmd  `cmd:"" help:"${help_library_add}"`
	List libraryListCmd `cmd:"" help:"List the libraries that code can #require."`
}

type libraryAddCmd struct {
	nodeFlags
	Library string `arg:"" name:"name:version" help:"Name and version, such as Promise.lib.nut:4.0.0."`
	File    string `arg:"" help:"Its source."`
}

func (c *libraryAddCmd) Run(ctx context.Context, s *streams) error {
	id, err := tandem.ParseLibraryID(c.Library)
	if err != nil {
		return err
	}
	code, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	if !utf8.Valid(code) { // JSON would change it
		return tandem.Errorf(tandem.Invalid, "%s is not UTF-8 text: convert it first", c.File)
	}
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	if _, err := n.AddLibrary(ctx, id, string(code)); err != nil {
		return compiled(s, c.nodeFlags, map[string]string{id.Name: c.File}, err)
	}
	return s.result(libraryVersion{id.String(), id.Name, id.Version}, "")
}

// libraryVersion is a version of a library, whose ID code requires.
type libraryVersion struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

type libraryListCmd struct {
	nodeFlags
	listFlags
}

func (c *libraryListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	all, err := collect(s, "libraries", n.Libraries(ctx))
	if err != nil {
		return err
	}
	var list []libraryVersion
	for _, l := range all {
		for _, v := range l.Versions {
			list = append(list, libraryVersion{v.ID, l.Name, strings.TrimPrefix(v.ID, l.Name+":")})
		}
	}
	return listed(s, c.listFlags, list, []column[libraryVersion]{
		{"library", func(l libraryVersion) string { return l.ID }},
		{"name", func(l libraryVersion) string { return l.Name }},
		{"version", func(l libraryVersion) string { return l.Version }},
	})
}
