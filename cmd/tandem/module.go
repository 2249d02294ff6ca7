package main

import (
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
)

// moduleFlag is the option of the commands that run a device.
type moduleFlag struct {
	Module string `placeholder:"TYPE" help:"${help_module}"`
}

func (f moduleFlag) checkModule() error {
	if f.Module != "" && !device.KnownModule(f.Module) {
		return tandem.Errorf(tandem.Invalid, "--module %s: there is no such type; use one of %s", f.Module,
			strings.Join(device.Modules(), ", "))
	}
	return nil
}
