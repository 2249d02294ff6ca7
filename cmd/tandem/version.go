package main

import (
	"fmt"

	"github.com/tandem-iot/tandem/internal/version"
)

type versionCmd struct{}

func (versionCmd) Run(s *streams) error {
	_, err := fmt.Fprintf(s.out, "tandem %s\n", version.Long())
	return err
}
