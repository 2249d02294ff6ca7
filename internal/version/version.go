// Package version says which version of Tandem a program was built from.
package version

import (
	"runtime"
	"runtime/debug"
)

// String returns the module's version, as the go command recorded it, or the commit when the
// program was built from a checkout.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= 12:
			revision = "-" + setting.Value[:12]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "-modified"
		}
	}
	return "devel" + revision + modified
}

// Long returns the version with that of Go and what the program was built for.
func Long() string {
	return String() + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
