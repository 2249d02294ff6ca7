package main

import (
	"context"
	"fmt"
	"os"
	"unicode/utf8"

	"github.com/tandem-iot/tandem"
)

type libraryCmd struct {
	Add  libraryAddCmd  `cmd:"" help:"${help_library_add}"`
	List libraryListCmd `cmd:"" help:"List the libraries, one NAME:VERSION a line."`
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
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	attributes := map[string]string{"name": id.Name, "version": id.Version, "code": string(code)}
	err = api.do(ctx, "POST", "/libraries",
		map[string]any{"data": map[string]any{"type": "library", "attributes": attributes}}, nil)
	return compiled(s, c.nodeFlags, map[string]string{id.Name: c.File}, err)
}

type libraryListCmd struct{ nodeFlags }

func (c *libraryListCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	for number, more := 1, true; more; number++ {
		var page struct {
			Data []struct {
				Relationships struct {
					Versions []struct{ ID string } `json:"versions"`
				} `json:"relationships"`
			}
			Links map[string]string
		}
		path := fmt.Sprintf("/libraries?page[number]=%d&page[size]=100", number)
		if err := api.do(ctx, "GET", path, nil, &page); err != nil {
			return err
		}
		for _, l := range page.Data {
			for _, v := range l.Relationships.Versions {
				fmt.Fprintln(s.out, v.ID)
			}
		}
		more = page.Links["next"] != ""
	}
	return nil
}
