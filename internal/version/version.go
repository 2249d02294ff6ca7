// Package version says which version of Tandem a program was built from.
package version

import (
	"runtime"
	"runtime/debug"
	"strings"
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
	if at := commit(info); at != "" {
		return "devel-" + at
	}
	return "devel"
}

// Commit returns the commit that the program was built from, with -modified after it if files were
// not as in it; "" when that was not recorded.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return commit(info)
}

// commitLength is how many digits of a commit are shown: enough to be the only one.
const commitLength = 12

func commit(info *debug.BuildInfo) string {
	revision, modified := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= commitLength:
			revision = setting.Value[:commitLength]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "-modified"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + modified
}

// Long returns the version with the commit, the version of Go, and what the program was built for.
func Long() string {
	at := ""
	if c := Commit(); c != "" && !strings.Contains(String(), c) {
		at = " commit " + c
	}
	return String() + at + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
