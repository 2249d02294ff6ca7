package main

import (
	"fmt"
	"runtime"

	"github.com/tandem-iot/tandem/internal/version"
)

type versionCmd struct{}

func (versionCmd) Run(s *streams) error {
	return s.result(map[string]string{
		"version": version.String(), "commit": version.Commit(), "go": runtime.Version(),
		"platform": runtime.GOOS + "/" + runtime.GOARCH,
	}, fmt.Sprintf("tandem %s\n", version.Long()))
}
