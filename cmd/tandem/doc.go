package main

import (
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/reference"
)

type docCmd struct {
	Name string `arg:"" optional:"" help:"${help_doc}"`
	Site string `placeholder:"DIR" help:"${help_doc_site}"`
}

// Run prints from the reference manual.
func (c *docCmd) Run(s *streams) error {
	if c.Site != "" {
		if err := reference.Write(c.Site); err != nil {
			return err
		}
		return s.result(map[string]string{"dir": c.Site}, "")
	}
	if c.Name == "" {
		return reference.Index(s.text())
	}
	found := reference.Lookup(c.Name)
	if len(found) == 0 {
		msg := fmt.Sprintf("the manual has no entry %s", c.Name)
		if near := reference.Suggest(c.Name); len(near) > 0 {
			msg += "; did you mean " + strings.Join(near, ", ") + "?"
		} else {
			msg += "; tandem doc lists all objects"
		}
		return tandem.Errorf(tandem.NotFound, "%s", msg)
	}
	return reference.Text(s.text(), found)
}
