// Command gopherlua runs a Lua program on gopher-lua.
package main

import (
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
)

func main() {
	state := lua.NewState()
	defer state.Close()
	if err := state.DoFile(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gopherlua:", err)
		os.Exit(1)
	}
}
