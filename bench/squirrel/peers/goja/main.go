// Command goja runs a JavaScript program on goja, which gets a print.
package main

import (
	"fmt"
	"os"

	"github.com/dop251/goja"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "goja:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	vm := goja.New()
	if err := vm.Set("print", func(x goja.Value) { fmt.Println(x) }); err != nil {
		return err
	}
	_, err = vm.RunScript(file, string(src))
	return err
}
