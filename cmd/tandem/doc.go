package main

import (
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/reference"
)

type docCmd struct {
	Name string `arg:"" optional:"" help:"What to look up: server.save, or server, or sendasync. Without it, all objects are listed."`
	Site string `placeholder:"DIR" help:"Write the manual as a web site into a directory instead; a node has it at /docs/."`
}

// Run prints from the reference manual.
func (c *docCmd) Run(s *streams) error {
	if c.Site != "" {
		return reference.Write(c.Site)
	}
	if c.Name == "" {
		return reference.Index(s.out)
	}
	found := reference.Lookup(c.Name)
	if len(found) == 0 {
		msg := fmt.Sprintf("there is nothing called %s", c.Name)
		if near := reference.Suggest(c.Name); len(near) > 0 {
			msg += "; did you mean " + strings.Join(near, ", ") + "?"
		} else {
			msg += "; tandem doc lists what there is"
		}
		return tandem.Errorf(tandem.NotFound, "%s", msg)
	}
	return reference.Text(s.out, found)
}
